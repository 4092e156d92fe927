import { DecantError } from '../../util/errors.ts';
import { zeros } from '../ndarray.ts';
import type { OpDef } from '../op.ts';
import { type Dim, dimKey, isConcrete, normalizeAxis } from '../shape.ts';
import { applyAll, type Tensor } from '../tensor.ts';
import { zerosOf } from './basic.ts';
import { scatterElements } from './indexing.ts';
import { around } from './kernels.ts';

export const topKOp: OpDef<{ k: Dim; axis: number; largest: boolean }> = {
  name: 'topK',
  doc: 'the k largest (or smallest) along an axis in order, with their indices; ties by lower index',
  infer: ([x], { k, axis }) => {
    if (x.dtype === 'bool' || x.dtype === 'uint8' || x.dtype === 'uint32')
      throw new DecantError('shape', `not defined for ${x.dtype}`, { fix: "cast(x, 'int32') first" });
    const size = x.shape[axis];
    if (typeof k === 'number' && (!Number.isInteger(k) || k < 0 || (typeof size === 'number' && k > size))) {
      throw new DecantError('shape', 'k must lie within the axis', {
        seen: k,
        allowed: `0 to ${dimKey(size)}`,
      });
    }
    const shape = x.shape.map((d, a) => (a === axis ? k : d));
    return [
      { shape, dtype: x.dtype },
      { shape, dtype: 'int32' },
    ];
  },
  evaluate: ([x], { attrs: { axis, largest }, types: [t] }) => {
    const [outer, n, inner] = around(x.shape, axis);
    const k = t.shape[axis];
    const values = new Float64Array(outer * k * inner);
    const indices = new Float64Array(values.length);
    const sign = largest ? -1 : 1;
    const order = Array.from({ length: n }, (_, i) => i);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const at = (j: number): number => x.data[(o * n + j) * inner + i];
        order.sort((a, b) => {
          const [u, v] = [at(a), at(b)];
          return u === v ? a - b : sign * (u < v ? -1 : 1);
        });
        for (let j = 0; j < k; j++) {
          const to = (o * k + j) * inner + i;
          values[to] = at(order[j]);
          indices[to] = order[j];
        }
      }
    }
    return [values, indices];
  },
  vjp: ({ inputs: [x], outputs: [, indices], attrs: { axis }, grads: [g] }) => [
    g && scatterElements(zerosOf(x), indices, g, axis),
  ],
  // onnxruntime's TopK ends the process (a division by zero) when the array is empty but the axis is not
  emit: (e, [x], { attrs: { k, axis, largest }, outputs }) => {
    const { shape } = outputs[0];
    if (isConcrete(shape) && shape.includes(0)) return outputs.map((t) => e.constant(zeros(shape, t.dtype)));
    const [values, indices] = e.nodes('TopK', [x, e.shape([k])], 2, {
      axis,
      largest: largest ? 1 : 0,
      sorted: 1,
    });
    return [values, e.cast(indices, 'int32')];
  },
};

/** The k largest along `axis` (or smallest), in order: `[values, indices]`, indices int32. Ties: lower index first. */
export function topK(
  x: Tensor,
  k: Dim,
  axis = -1,
  { largest = true }: { largest?: boolean } = {},
): [values: Tensor, indices: Tensor] {
  const [values, indices] = applyAll(topKOp, [x], { k, axis: normalizeAxis(axis, x.rank), largest });
  return [values, indices];
}

/** x in order along `axis`, ascending unless `descending`: `[values, indices]`, indices int32. Stable. */
export function sort(
  x: Tensor,
  axis = -1,
  { descending = false }: { descending?: boolean } = {},
): [values: Tensor, indices: Tensor] {
  const a = normalizeAxis(axis, x.rank);
  return topK(x, x.shape[a], a, { largest: descending });
}

/** The indices (int32) that put x in order along `axis`. */
export const argsort = (x: Tensor, axis = -1, options: { descending?: boolean } = {}): Tensor =>
  sort(x, axis, options)[1];
