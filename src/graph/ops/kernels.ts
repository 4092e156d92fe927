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
  eachRow(shape, strides, (start, length, at, steps) => {
    const here = [...at];
    for (let i = 0; i < length; i++) {
      visit(start + i, here);
      for (let k = 0; k < here.length; k++) here[k] += steps[k];
    }
  });
}

/**
 * Calls `visit(first index, row length, offset per operand, step per operand)` for each row (last axis) of `shape`, so
 * that inner loops can be tight. Trailing axes that every operand walks evenly are merged into one row.
 */
export function eachRow(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
  visit: (start: number, length: number, at: readonly number[], steps: readonly number[]) => void,
): void {
  const total = sizeOf(shape);
  if (total === 0) return;
  let rank = shape.length;
  if (rank === 0) {
    visit(
      0,
      1,
      strides.map(() => 0),
      strides.map(() => 0),
    );
    return;
  }
  const steps = strides.map((s) => s[rank - 1]);
  let length = shape[rank - 1];
  while (rank > 1 && strides.every((s, k) => s[rank - 2] === steps[k] * length)) {
    rank--;
    length *= shape[rank - 1];
  }
  rank--;
  const index = new Array<number>(rank).fill(0);
  const at = strides.map(() => 0);
  for (let start = 0; start < total; start += length) {
    visit(start, length, at, steps);
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
  const x = a.data;
  const y = b.data;
  if (x.length === out.length && y.length === out.length) {
    for (let i = 0; i < out.length; i++) out[i] = f(x[i], y[i]);
    return out;
  }
  eachRow(
    shape,
    [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)],
    (start, n, [p, q], [sp, sq]) => {
      for (let i = 0; i < n; i++) out[start + i] = f(x[p + i * sp], y[q + i * sq]);
    },
  );
  return out;
}

export function mapUnary(x: Float64Array, f: (v: number) => number): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) out[i] = f(x[i]);
  return out;
}

/** `x` read through strides, written densely in the order of `shape`. */
export function strided(
  x: Float64Array,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): Float64Array {
  const out = new Float64Array(sizeOf(shape));
  eachRow(shape, [strides], (start, n, [p], [s]) => {
    let from = p + offset;
    for (let i = start; i < start + n; i++, from += s) out[i] = x[from];
  });
  return out;
}

/** Offsets of the elements that a reduction over `axes` visits: one base per output, one offset per reduced element. */
export function reducePlan(
  shape: readonly number[],
  axes: readonly number[],
): { bases: Float64Array; offsets: Float64Array } {
  const strides = stridesOf(shape);
  const list = (pick: (i: number) => boolean): Float64Array => {
    const own = shape.map((_, i) => i).filter(pick);
    const dims = own.map((i) => shape[i]);
    const out = new Float64Array(sizeOf(dims));
    eachRow(dims, [own.map((i) => strides[i])], (start, n, [p], [s]) => {
      for (let i = 0; i < n; i++) out[start + i] = p + i * s;
    });
    return out;
  };
  return { bases: list((i) => !axes.includes(i)), offsets: list((i) => axes.includes(i)) };
}

/** The shape as [outer, axis, inner]: sizes before, at and after an axis. */
export const around = (shape: readonly number[], axis: number): [number, number, number] => [
  sizeOf(shape.slice(0, axis)),
  shape[axis] ?? 1,
  sizeOf(shape.slice(axis + 1)),
];
