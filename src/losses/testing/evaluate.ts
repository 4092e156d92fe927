import { interpret } from '../../engine/reference/interpreter.ts';
import { runOrt } from '../../engine/testing/run-ort.ts';
import {
  array,
  castArray,
  constant,
  type Graph,
  gradients,
  isFloat,
  mul,
  type NDArray,
  type NestedNumbers,
  ndarray,
  sizeOf,
  spec,
  sum,
  type Tensor,
  toNumbers,
  trace,
} from '../../graph/index.ts';
import type { Rng } from '../../util/rng.ts';

/** A function of tensors with the gradients of Σ weights · output with respect to some inputs. */
export interface Evaluated {
  value: Float64Array;
  shape: readonly number[];
  /** One per input of `wrt`. */
  gradients: Float64Array[];
}

const weightsLike = (t: Tensor): Tensor => {
  const shape = t.shape as number[];
  return constant(
    castArray(
      ndarray(
        Float64Array.from({ length: sizeOf(shape) }, (_, i) => 1 + 0.37 * Math.sin(i)),
        shape,
      ),
      t.dtype,
    ),
  );
};

function graphOf(
  fn: (...x: Tensor[]) => Tensor,
  inputs: readonly NDArray[],
  wrt: readonly number[],
  float: 'float32' | 'float64',
): Graph {
  return trace(
    (...x: Tensor[]) => {
      const y = fn(...x);
      if (wrt.length === 0) return [y];
      const scalar = y.rank === 0 ? y : sum(mul(y, weightsLike(y)));
      return [
        y,
        ...gradients(
          scalar,
          wrt.map((i) => x[i]),
        ),
      ];
    },
    inputs.map((a) => spec(a.shape, isFloat(a.dtype) ? float : a.dtype)),
  ).graph;
}

const collect = ([y, ...g]: NDArray[]): Evaluated => ({
  value: toNumbers(y),
  shape: y.shape,
  gradients: g.map(toNumbers),
});

/** Value and gradients in float64, on the oracle. Gradients weigh the outputs unevenly, so that none cancels. */
export const evaluate64 = (
  fn: (...x: Tensor[]) => Tensor,
  inputs: readonly NDArray[],
  wrt: readonly number[] = [0],
): Evaluated => collect(interpret(graphOf(fn, inputs, wrt, 'float64'), inputs));

/** The same in float32, on onnxruntime. */
export const evaluate32 = async (
  fn: (...x: Tensor[]) => Tensor,
  inputs: readonly NDArray[],
  wrt: readonly number[] = [0],
): Promise<Evaluated> =>
  collect(
    await runOrt(
      graphOf(fn, inputs, wrt, 'float32'),
      inputs.map((a) => (isFloat(a.dtype) ? castArray(a, 'float32') : a)),
    ),
  );

export const f64 = (values: NestedNumbers): NDArray => array(values, 'float64');
export const i32 = (values: NestedNumbers): NDArray => array(values, 'int32');
export const bools = (values: NestedNumbers): NDArray => array(values, 'bool');

/** Standard normal values times `scale`. */
export const normals = (rng: Rng, shape: readonly number[], scale = 1): NDArray =>
  ndarray(
    Float64Array.from({ length: sizeOf(shape) }, () => scale * rng.normal()),
    shape,
  );

/** max|a - b| / max(1, max|b|); infinities must agree. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [off, scale] = [0, 1];
  for (let i = 0; i < b.length; i++) {
    if (a[i] === b[i]) continue;
    if (!Number.isFinite(b[i]) || !Number.isFinite(a[i])) return Number.POSITIVE_INFINITY;
    scale = Math.max(scale, Math.abs(b[i]));
    off = Math.max(off, Math.abs(a[i] - b[i]));
  }
  return off / scale;
}

export const allFinite = (x: Evaluated): boolean =>
  [x.value, ...x.gradients].every((a) => a.every((v) => Number.isFinite(v)));

/** Rows of a matrix, in an order. */
export function takeRows(a: NDArray, rows: readonly number[]): NDArray {
  const width = sizeOf(a.shape.slice(1));
  const all = toNumbers(a);
  const out = new Float64Array(rows.length * width);
  rows.forEach((r, i) => {
    out.set(all.subarray(r * width, (r + 1) * width), i * width);
  });
  return castArray(ndarray(out, [rows.length, ...a.shape.slice(1)]), a.dtype);
}

/** Columns of a matrix, in an order. */
export function takeColumns(a: NDArray, columns: readonly number[]): NDArray {
  const [n, width] = a.shape;
  const all = toNumbers(a);
  return castArray(
    ndarray(
      Float64Array.from(
        { length: n * columns.length },
        (_, i) => all[Math.floor(i / columns.length) * width + columns[i % columns.length]],
      ),
      [n, columns.length],
    ),
    a.dtype,
  );
}
