import { DecantError } from '../../util/errors.ts';
import type { OpDef } from '../op.ts';
import { dimEquals, normalizeAxes, type Shape, shapeEquals, showShape } from '../shape.ts';
import { apply, type Tensor } from '../tensor.ts';
import { broadcastTo, reshape } from './basic.ts';
import { reducePlan } from './kernels.ts';

export interface ReduceAttrs {
  axes: readonly number[];
  keepDims: boolean;
}

export const reducedShape = (shape: Shape, { axes, keepDims }: ReduceAttrs): Shape =>
  keepDims ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));

/** The shape a reduced tensor has with its axes kept as 1, so that it broadcasts against the operand. */
export const keptShape = (shape: Shape, axes: readonly number[]): Shape =>
  reducedShape(shape, { axes, keepDims: true });

export const sumOp: OpDef<ReduceAttrs> = {
  name: 'sum',
  doc: 'Σ over axes',
  infer: ([x], attrs) => {
    if (x.dtype === 'bool')
      throw new DecantError('shape', 'not defined for bool', { fix: 'cast to int32 or float32 first' });
    return [{ shape: reducedShape(x.shape, attrs), dtype: x.dtype }];
  },
  evaluate: ([x], { attrs }) => {
    const { bases, offsets } = reducePlan(x.shape, attrs.axes);
    const out = new Float64Array(bases.length);
    for (let i = 0; i < out.length; i++) {
      let total = 0;
      for (let k = 0; k < offsets.length; k++) total += x.data[bases[i] + offsets[k]];
      out[i] = total;
    }
    return [out];
  },
  vjp: ({ inputs: [x], attrs, grads: [g] }) => [
    broadcastTo(reshape(g!, keptShape(x.shape, attrs.axes)), x.shape),
  ],
  emit: (e, [x], { attrs }) => [
    e.node('ReduceSum', [x, e.int64(attrs.axes)], { keepdims: attrs.keepDims ? 1 : 0 }),
  ],
};

/** Sum over `axes` (default: all). `[...]` without those axes, or with 1 in their place if `keepDims`. */
export function sum(x: Tensor, axes?: number | readonly number[], keepDims = false): Tensor {
  const list = normalizeAxes(axes, x.rank);
  return list.length === 0 ? x : apply(sumOp, [x], { axes: list, keepDims });
}

/** Sums a broadcast result back to `shape`: the transpose of broadcasting. */
export function sumTo(g: Tensor, shape: Shape): Tensor {
  if (shapeEquals(g.shape, shape)) return g;
  const lead = g.rank - shape.length;
  const axes = g.shape.flatMap((d, i) =>
    i < lead || (shape[i - lead] === 1 && !dimEquals(d, 1)) ? [i] : [],
  );
  const out = reshape(sum(g, axes, true), shape);
  if (!shapeEquals(out.shape, shape))
    throw new DecantError('internal', `cannot sum ${showShape(g.shape)} to ${showShape(shape)}`);
  return out;
}
