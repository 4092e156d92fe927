import { DecantError } from '../../util/errors.ts';
import { type DType, isInt } from '../dtype.ts';
import type { Emitter, OpDef, RefArray } from '../op.ts';
import {
  type Dim,
  dimEquals,
  dimProduct,
  isSymbolic,
  normalizeAxis,
  type Shape,
  showShape,
} from '../shape.ts';
import { apply, type Tensor, type TensorType } from '../tensor.ts';
import { broadcastTo, fill, reshape, zerosOf } from './basic.ts';
import { cast, equal } from './compare.ts';
import { around, eachRow, stridesOf } from './kernels.ts';
import { expandDims } from './shape.ts';
import { arange } from './sizes.ts';

function assertIndices(t: TensorType): void {
  if (!isInt(t.dtype) || t.dtype === 'uint8' || t.dtype === 'uint32') {
    throw new DecantError('shape', 'indices must be int32 or int64', {
      seen: t.dtype,
      fix: "cast(indices, 'int32')",
    });
  }
}

/** The index counted from the front; outside [-size, size) it is an error, as in onnxruntime. */
function inRange(i: number, size: number): number {
  const at = i < 0 ? i + size : i;
  if (!(at >= 0 && at < size))
    throw new DecantError('shape', 'index out of range', { seen: i, allowed: `${-size} to ${size - 1}` });
  return at;
}

export const gatherOp: OpDef<{ axis: number }> = {
  name: 'gather',
  doc: 'whole slices of x at given positions of an axis',
  infer: ([x, indices], { axis }) => {
    assertIndices(indices);
    return [
      { shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], dtype: x.dtype },
    ];
  },
  evaluate: ([x, indices], { attrs: { axis } }) => {
    const [outer, n, inner] = around(x.shape, axis);
    const count = indices.data.length;
    const out = new Float64Array(outer * count * inner);
    for (let k = 0; k < count; k++) {
      const at = inRange(indices.data[k], n);
      for (let o = 0; o < outer; o++) {
        const from = (o * n + at) * inner;
        out.set(x.data.subarray(from, from + inner), (o * count + k) * inner);
      }
    }
    return [out];
  },
  // flat on both sides of the axis: [outer, n, inner], where a factor of 1 is left out
  vjp: ({ inputs: [x, indices], attrs: { axis }, grads: [g] }) => {
    const outer = dimProduct(x.shape.slice(0, axis));
    const inner = dimProduct(x.shape.slice(axis + 1));
    const count = dimProduct(indices.shape);
    const at = outer === 1 ? 0 : 1;
    const flat = (size: Dim): Shape => (at === 0 ? [size, inner] : [outer, size, inner]);
    const rows = broadcastTo(reshape(indices, at === 0 ? [count, 1] : [1, count, 1]), flat(count));
    const target = fill(flat(x.shape[axis]), 0, x.dtype);
    return [reshape(scatterAdd(target, rows, reshape(g!, flat(count)), at), x.shape), undefined];
  },
  emit: (e, inputs, { attrs }) => [e.node('Gather', inputs, { axis: attrs.axis })],
};

/**
 * Slices of x at `indices` along `axis`: `[...before, ...indices, ...after]`. Embedding look-up for axis 0.
 * Negative indices count from the end.
 */
export const gather = (x: Tensor, indices: Tensor, axis = 0): Tensor =>
  apply(gatherOp, [x, indices], { axis: normalizeAxis(axis, x.rank) });

function assertElementwise(x: TensorType, indices: TensorType, axis: number): void {
  assertIndices(indices);
  const fits =
    x.shape.length === indices.shape.length &&
    indices.shape.every(
      (d, a) =>
        a === axis ||
        dimEquals(d, x.shape[a]) ||
        (!isSymbolic(d) && typeof x.shape[a] === 'number' && d <= (x.shape[a] as number)),
    );
  if (!fits) {
    throw new DecantError('shape', `indices ${showShape(indices.shape)} do not fit ${showShape(x.shape)}`, {
      allowed: `the same rank, and no axis longer than x's, other than axis ${axis}`,
    });
  }
}

/** Calls `visit(position in indices, offset in x)` for each index. */
function eachIndexed(
  x: RefArray | { shape: readonly number[] },
  indices: RefArray,
  axis: number,
  visit: (i: number, at: number) => void,
): void {
  const strides = stridesOf(x.shape);
  const own = strides.map((s, a) => (a === axis ? 0 : s));
  const size = x.shape[axis];
  eachRow(indices.shape, [own], (start, length, [p], [step]) => {
    for (let i = 0; i < length; i++)
      visit(start + i, p + i * step + inRange(indices.data[start + i], size) * strides[axis]);
  });
}

export const gatherElementsOp: OpDef<{ axis: number }> = {
  name: 'gatherElements',
  doc: 'one element of x along an axis for each index',
  infer: ([x, indices], { axis }) => {
    assertElementwise(x, indices, axis);
    return [{ shape: indices.shape, dtype: x.dtype }];
  },
  evaluate: ([x, indices], { attrs: { axis } }) => {
    const out = new Float64Array(indices.data.length);
    eachIndexed(x, indices, axis, (i, at) => {
      out[i] = x.data[at];
    });
    return [out];
  },
  vjp: ({ inputs: [x, indices], attrs: { axis }, grads: [g] }) => [
    scatterAdd(zerosOf(x), indices, g!, axis),
    undefined,
  ],
  emit: (e, inputs, { attrs }) => [e.node('GatherElements', inputs, { axis: attrs.axis })],
};

/** y[i, j] = x[i, indices[i, j]] (for axis 1): one element per index, of the shape of `indices`. */
export const gatherElements = (x: Tensor, indices: Tensor, axis = -1): Tensor =>
  apply(gatherElementsOp, [x, indices], { axis: normalizeAxis(axis, x.rank) });

/** Adds by ScatterElements, never ScatterND: the latter loses updates when two threads meet at one place. */
export function emitScatterAdd(
  e: Emitter,
  [x, indices, updates]: readonly string[],
  axis: number,
  dtype: DType,
): string {
  const add = (a: string, b: string): string =>
    e.node('ScatterElements', [a, indices, b], { axis, reduction: 'add' });
  if (dtype !== 'float16') return add(x, updates);
  // onnxruntime has no float16 addition here
  return e.cast(add(e.cast(x, 'float32'), e.cast(updates, 'float32')), 'float16');
}

function scatter(name: string, doc: string, accumulate: boolean): OpDef<{ axis: number }> {
  return {
    name,
    doc,
    infer: ([x, indices, updates], { axis }) => {
      assertElementwise(x, indices, axis);
      const same =
        indices.shape.length === updates.shape.length &&
        indices.shape.every((d, a) => dimEquals(d, updates.shape[a]));
      if (!same || updates.dtype !== x.dtype || (accumulate && x.dtype === 'bool')) {
        throw new DecantError('shape', 'one update for each index, of the dtype of x', {
          seen: `x ${x.dtype}, indices ${showShape(indices.shape)}, updates ${updates.dtype}${showShape(updates.shape)}`,
        });
      }
      return [{ shape: x.shape, dtype: x.dtype }];
    },
    evaluate: ([x, indices, updates], { attrs: { axis } }) => {
      const out = x.data.slice();
      eachIndexed(x, indices, axis, (i, at) => {
        out[at] = accumulate ? out[at] + updates.data[i] : updates.data[i];
      });
      return [out];
    },
    vjp: ({ inputs: [, indices, updates], attrs: { axis }, grads: [g], needs }) => [
      accumulate || !needs(0) ? g : scatterElements(g!, indices, zerosOf(updates), axis),
      undefined,
      needs(2) ? gatherElements(g!, indices, axis) : undefined,
    ],
    emit: (e, [x, indices, updates], { attrs: { axis }, inputs: [{ dtype }] }) => {
      if (!accumulate) return [e.node('ScatterElements', [x, indices, updates], { axis })];
      return [emitScatterAdd(e, [x, indices, updates], axis, dtype)];
    },
  };
}
export const scatterElementsOp = scatter(
  'scatterElements',
  'x with the elements at given positions replaced; positions must be distinct',
  false,
);
export const scatterAddOp = scatter(
  'scatterAdd',
  'x plus updates at given positions; positions may repeat',
  true,
);

/** x with y[i, indices[i, j]] = updates[i, j] (for axis 1). The indices along the axis must be distinct. */
export const scatterElements = (x: Tensor, indices: Tensor, updates: Tensor, axis = -1): Tensor =>
  apply(scatterElementsOp, [x, indices, updates], { axis: normalizeAxis(axis, x.rank) });

/** x with y[i, indices[i, j]] += updates[i, j] (for axis 1). Indices may repeat; the result is deterministic. */
export const scatterAdd = (x: Tensor, indices: Tensor, updates: Tensor, axis = -1): Tensor =>
  apply(scatterAddOp, [x, indices, updates], { axis: normalizeAxis(axis, x.rank) });

/** x with whole slices added: y[indices[k], …] += updates[k, …]; `updates` is `[indices, ...rest of x]`. */
export function indexAdd(x: Tensor, indices: Tensor, updates: Tensor): Tensor {
  const wide = reshape(indices, [...indices.shape, ...x.shape.slice(1).map(() => 1)]);
  return scatterAdd(x, broadcastTo(wide, updates.shape), updates, 0);
}

/** Sums of the slices of `x` that share a segment: `[segments, ...rest of x]`; ids are int32 in [0, segments). */
export const segmentSum = (x: Tensor, ids: Tensor, segments: Dim): Tensor =>
  indexAdd(fill([segments, ...x.shape.slice(1)], 0, x.dtype), ids, x);

/** 1 at the index and 0 elsewhere along a new `axis` of size `depth`. Indices outside [0, depth) give all zeros. */
export function oneHot(indices: Tensor, depth: Dim, dtype: DType = 'float32', axis = -1): Tensor {
  const a = normalizeAxis(axis, indices.rank + 1);
  const after = indices.rank - a;
  const classes = reshape(arange(depth, { dtype: indices.dtype }), [depth, ...Array<number>(after).fill(1)]);
  return cast(equal(expandDims(indices, a), classes), dtype);
}
