import {
  add,
  cast,
  castArray,
  concat,
  constant,
  expandDims,
  matmul,
  mul,
  type NDArray,
  ndarray,
  sizeOf,
  sub,
  type Tensor,
  toNumbers,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';

/**
 * Stored top-k log-probabilities, compressed: the first few exact, the others as a polynomial in their rank plus an
 * 8-bit residual. Values are sorted descending by rank.
 */
export interface CompressedTopK {
  /** `[..., exact]` the first log-probabilities as they were */
  exact: NDArray;
  /** `[..., degree + 1]` coefficients of x^0, x^1, …, x = (rank - exact + 1) / (k - exact) in (0, 1] */
  coefficients: NDArray;
  /** `[..., k - exact]` uint8, residual = (code - 128) · scale */
  residuals: NDArray;
  /** `[...]` step of the residual */
  scale: NDArray;
}

/** The same, as tensors of a graph. */
export type CompressedTopKTensors = { [K in keyof CompressedTopK]: Tensor };

/**
 * Compresses sorted top-k log-probabilities `[rows, k]` by a least-squares polynomial in the rank. The error of each
 * value is at most half of its row's scale (residuals are chosen after rounding the coefficients to float32).
 *
 * @source DistillKit (arcee-ai), compression: exact head, polynomial, quantized residuals
 */
export function compressTopK(
  logp: NDArray,
  { exact = 4, degree = 3 }: { exact?: number; degree?: number } = {},
): CompressedTopK {
  const k = logp.shape[logp.shape.length - 1];
  const lead = logp.shape.slice(0, -1);
  const n = sizeOf(lead);
  const tail = k - exact;
  if (!(exact >= 0 && tail >= 1))
    throw new DecantError('usage', 'too many exact values', { seen: exact, allowed: `0 to ${k - 1}` });
  const terms = Math.min(degree + 1, tail);
  const data = toNumbers(logp);
  const out = {
    exact: new Float32Array(n * exact),
    coefficients: new Float32Array(n * terms),
    residuals: new Uint8Array(n * tail),
    scale: new Float32Array(n),
  };
  for (let row = 0; row < n; row++) {
    const y = data.subarray(row * k, (row + 1) * k);
    out.exact.set(y.subarray(0, exact), row * exact);
    const fit = polynomialFit(y.subarray(exact), terms);
    out.coefficients.set(fit, row * terms);
    const stored = out.coefficients.subarray(row * terms, (row + 1) * terms);
    const error = Float64Array.from(
      { length: tail },
      (_, i) => y[exact + i] - evaluate(stored, (i + 1) / tail),
    );
    const step = Math.fround(error.reduce((m, e) => Math.max(m, Math.abs(e)), 0) / 127);
    out.scale[row] = step;
    for (let i = 0; i < tail; i++)
      out.residuals[row * tail + i] =
        128 + (step > 0 ? Math.max(-127, Math.min(127, Math.round(error[i] / step))) : 0);
  }
  return {
    exact: ndarray(out.exact, [...lead, exact]),
    coefficients: ndarray(out.coefficients, [...lead, terms]),
    residuals: ndarray(out.residuals, [...lead, tail], 'uint8'),
    scale: ndarray(out.scale, lead),
  };
}

/**
 * Log-probabilities `[..., k]` from their compressed form, inside the graph: what `TopKTeacher.logp` takes.
 *
 * @example
 * decompressTopK({ exact: constant([[-1]]), coefficients: constant([[-2, -1]]), residuals: constant([[128, 138]], 'uint8'), scale: constant([0.1]) }) // => [[-1, -2.5, -2]]
 */
export function decompressTopK({ exact, coefficients, residuals, scale }: CompressedTopKTensors): Tensor {
  const tail = residuals.shape[residuals.rank - 1];
  const terms = coefficients.shape[coefficients.rank - 1];
  if (typeof tail !== 'number' || typeof terms !== 'number')
    throw new DecantError('shape', 'k and the degree of compressed values must be numbers');
  const x = Float64Array.from({ length: tail }, (_, i) => (i + 1) / tail);
  // rows of powers: coefficients [..., terms] · powers [terms, tail]
  const powers = ndarray(
    Float64Array.from({ length: terms * tail }, (_, i) => x[i % tail] ** Math.floor(i / tail)),
    [terms, tail],
  );
  const curve = matmul(coefficients, constant(castArray(powers, coefficients.dtype)));
  const residual = mul(sub(cast(residuals, scale.dtype), 128), expandDims(scale, -1));
  return concat([exact, add(curve, residual)], -1);
}

const evaluate = (c: ArrayLike<number>, x: number): number => {
  let y = 0;
  for (let i = c.length - 1; i >= 0; i--) y = y * x + c[i];
  return y;
};

/** Least squares by normal equations on the few terms used: Gaussian elimination with pivoting. */
function polynomialFit(y: ArrayLike<number>, terms: number): number[] {
  const n = y.length;
  const a = Array.from({ length: terms }, () => new Array<number>(terms + 1).fill(0));
  for (let i = 0; i < n; i++) {
    const x = (i + 1) / n;
    for (let r = 0; r < terms; r++) {
      for (let c = 0; c < terms; c++) a[r][c] += x ** (r + c);
      a[r][terms] += y[i] * x ** r;
    }
  }
  for (let col = 0; col < terms; col++) {
    let pivot = col;
    for (let r = col + 1; r < terms; r++) if (Math.abs(a[r][col]) > Math.abs(a[pivot][col])) pivot = r;
    [a[col], a[pivot]] = [a[pivot], a[col]];
    for (let r = 0; r < terms; r++) {
      if (r === col || a[col][col] === 0) continue;
      const f = a[r][col] / a[col][col];
      for (let c = col; c <= terms; c++) a[r][c] -= f * a[col][c];
    }
  }
  return a.map((row, i) => (row[i] === 0 ? 0 : row[terms] / row[i]));
}
