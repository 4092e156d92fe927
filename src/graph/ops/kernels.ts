import type { RefArray } from '../op.ts';

/** Row-major strides of a concrete shape, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const s = new Array<number>(shape.length);
  let n = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    s[i] = n;
    n *= shape[i];
  }
  return s;
}

/** Strides of `shape` read as if broadcast to `out`: 0 along stretched axes. */
export function broadcastStrides(shape: readonly number[], out: readonly number[]): number[] {
  const own = stridesOf(shape);
  const shift = out.length - shape.length;
  return out.map((_, i) => (i < shift || shape[i - shift] === 1 ? 0 : own[i - shift]));
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Calls `visit(outIndex, offset per operand)` for each element of `shape`, in row-major order. */
export function eachOffset(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
  visit: (i: number, at: number[]) => void,
): void {
  const total = sizeOf(shape);
  const rank = shape.length;
  const index = new Array<number>(rank).fill(0);
  const at = strides.map(() => 0);
  for (let i = 0; i < total; i++) {
    visit(i, at);
    for (let axis = rank - 1; axis >= 0; axis--) {
      for (let k = 0; k < at.length; k++) at[k] += strides[k][axis];
      if (++index[axis] < shape[axis]) break;
      for (let k = 0; k < at.length; k++) at[k] -= strides[k][axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

export function broadcastBinary(
  a: RefArray,
  b: RefArray,
  shape: readonly number[],
  f: (x: number, y: number) => number,
): Float64Array {
  const out = new Float64Array(sizeOf(shape));
  if (a.data.length === out.length && b.data.length === out.length) {
    for (let i = 0; i < out.length; i++) out[i] = f(a.data[i], b.data[i]);
    return out;
  }
  eachOffset(shape, [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)], (i, [p, q]) => {
    out[i] = f(a.data[p], b.data[q]);
  });
  return out;
}
