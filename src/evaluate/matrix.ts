import { type NDArray, toNumbers } from '../graph/ndarray.ts';
import { DecantError } from '../util/errors.ts';

/** Two-dimensional input of the metrics: an NDArray of shape `[n, classes]` or an array of equally long rows. */
export type MatrixLike = NDArray | readonly ArrayLike<number>[];

/** Row-major float64 view of a {@link MatrixLike}. */
export interface Matrix {
  rows: number;
  cols: number;
  data: Float64Array;
}

/** Reads `[n, classes]`; a shape error names the argument. */
export function asMatrix(input: MatrixLike, name = 'matrix'): Matrix {
  if ('shape' in input) {
    if (input.shape.length !== 2)
      throw new DecantError('shape', `${name} must be two-dimensional`, {
        seen: input.shape,
        allowed: '[n, classes]',
      });
    const data = toNumbers(input);
    return { rows: input.shape[0], cols: input.shape[1], data };
  }
  const rows = input.length;
  const cols = rows ? input[0].length : 0;
  const data = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    if (input[i].length !== cols)
      throw new DecantError('shape', `${name}: row ${i} has another length`, {
        seen: input[i].length,
        allowed: `${cols}`,
      });
    for (let j = 0; j < cols; j++) data[i * cols + j] = input[i][j];
  }
  return { rows, cols, data };
}

/** log Σ exp(x) over `data[start .. start + n)`, exact at ±infinity. */
export function logSumExp(data: ArrayLike<number>, start = 0, n = data.length - start): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = start; i < start + n; i++) if (data[i] > max) max = data[i];
  if (max === Number.NEGATIVE_INFINITY || max === Number.POSITIVE_INFINITY) return max;
  let sum = 0;
  for (let i = start; i < start + n; i++) sum += Math.exp(data[i] - max);
  return max + Math.log(sum);
}

/** log softmax(logits / temperature) of every row, `[n, classes]`. */
export function logSoftmaxRows(logits: MatrixLike, temperature = 1): Matrix {
  const m = asMatrix(logits, 'logits');
  const out = temperature === 1 ? m.data.slice() : m.data.map((v) => v / temperature);
  for (let i = 0; i < m.rows; i++) {
    const z = logSumExp(out, i * m.cols, m.cols);
    for (let j = i * m.cols; j < (i + 1) * m.cols; j++) out[j] -= z;
  }
  return { ...m, data: out };
}

/** Softmax of every row, `[n, classes]`. */
export function softmaxRows(logits: MatrixLike, temperature = 1): Matrix {
  const m = logSoftmaxRows(logits, temperature);
  m.data = m.data.map(Math.exp);
  return m;
}

/** Column of the largest value of each row; the first one where several are equal. */
export function argmaxRows(input: MatrixLike): Int32Array {
  const m = asMatrix(input);
  const out = new Int32Array(m.rows);
  for (let i = 0; i < m.rows; i++) {
    let best = 0;
    for (let j = 1; j < m.cols; j++) if (m.data[i * m.cols + j] > m.data[i * m.cols + best]) best = j;
    out[i] = best;
  }
  return out;
}

/** Columns of the k largest values of a row, largest first, lower column first where equal. */
export function topColumns(m: Matrix, row: number, k: number): number[] {
  const best: number[] = [];
  const at = (j: number): number => m.data[row * m.cols + j];
  for (let j = 0; j < m.cols; j++) {
    if (best.length === k && !(at(j) > at(best[k - 1]))) continue;
    let p = best.length;
    while (p > 0 && at(j) > at(best[p - 1])) p--;
    best.splice(p, 0, j);
    if (best.length > k) best.pop();
  }
  return best;
}

/** Throws unless both arguments have one length; returns it. */
export function sameLength(a: { length: number }, b: { length: number }, names: string): number {
  if (a.length !== b.length)
    throw new DecantError('shape', `${names} must have the same length`, { seen: [a.length, b.length] });
  return a.length;
}

export const mean = (x: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i];
  return x.length ? sum / x.length : Number.NaN;
};

/** Unbiased standard deviation √(Σ(x - mean)² / (n - 1)); NaN below two values. */
export function standardDeviation(x: ArrayLike<number>): number {
  const m = mean(x);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] - m) ** 2;
  return x.length > 1 ? Math.sqrt(sum / (x.length - 1)) : Number.NaN;
}
