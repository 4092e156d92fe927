import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import type { OpDef, RefArray } from '../op.ts';
import { normalizeAxis } from '../shape.ts';
import { apply, type Tensor, type TensorType } from '../tensor.ts';
import { mul, sub } from './arithmetic.ts';
import { sum } from './reduce.ts';

interface AxisAttrs {
  readonly axis: number;
}

function inferFloat([x]: readonly TensorType[]): TensorType[] {
  if (!isFloat(x.dtype))
    throw new DecantError('shape', `not defined for ${x.dtype}`, { fix: 'cast to a float type first' });
  return [{ shape: x.shape, dtype: x.dtype }];
}

/** Calls `row` with the offset of each line along `axis`; its elements are `stride` apart. */
function eachLine(
  { shape }: RefArray,
  axis: number,
  row: (at: number, n: number, stride: number) => void,
): void {
  const n = shape[axis];
  const stride = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  if (n === 0) return;
  for (let o = 0; o < outer; o++) for (let s = 0; s < stride; s++) row(o * n * stride + s, n, stride);
}

function lineMax(x: Float64Array, at: number, n: number, stride: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < n; i++) top = Math.max(top, x[at + i * stride]);
  return top;
}

// A line of -inf only has no distribution: NaN, as in PyTorch. Masks that may hide a whole row need a finite floor.
export const softmaxOp: OpDef<AxisAttrs> = {
  name: 'softmax',
  doc: 'exp(x) / Σ exp(x) along an axis',
  infer: inferFloat,
  evaluate: ([x], { attrs }) => {
    const out = new Float64Array(x.data.length);
    eachLine(x, attrs.axis, (at, n, stride) => {
      const top = lineMax(x.data, at, n, stride);
      let total = 0;
      for (let i = 0; i < n; i++) total += out[at + i * stride] = Math.exp(x.data[at + i * stride] - top);
      for (let i = 0; i < n; i++) out[at + i * stride] /= total;
    });
    return [out];
  },
  // y·(g - Σ g·y)
  vjp: ({ outputs: [y], attrs: { axis }, grads: [g] }) => {
    const gy = mul(g!, y);
    return [sub(gy, mul(y, sum(gy, axis, true)))];
  },
  emit: (e, [x], { attrs }) => [e.node('Softmax', [x], { axis: attrs.axis })],
};

export const logSoftmaxOp: OpDef<AxisAttrs> = {
  name: 'logSoftmax',
  doc: 'x - log Σ exp(x) along an axis',
  infer: inferFloat,
  evaluate: ([x], { attrs }) => {
    const out = new Float64Array(x.data.length);
    eachLine(x, attrs.axis, (at, n, stride) => {
      const top = lineMax(x.data, at, n, stride);
      let total = 0;
      for (let i = 0; i < n; i++) total += Math.exp(x.data[at + i * stride] - top);
      const shift = Math.log(total);
      // two steps: the shift may be far below the rounding of the maximum
      for (let i = 0; i < n; i++) out[at + i * stride] = x.data[at + i * stride] - top - shift;
    });
    return [out];
  },
  // g - softmax(x)·Σ g; softmax is taken again from x, so that a caller who also uses it shares the node
  vjp: ({ inputs: [x], attrs: { axis }, grads: [g] }) => [
    sub(g!, mul(softmax(x, axis), sum(g!, axis, true))),
  ],
  emit: (e, [x], { attrs }) => [e.node('LogSoftmax', [x], { axis: attrs.axis })],
};

/** exp(x) / Σ exp(x) along `axis`. Elements of -inf become 0; a line of -inf only becomes NaN. */
export const softmax = (x: Tensor, axis = -1): Tensor =>
  apply(softmaxOp, [x], { axis: normalizeAxis(axis, x.rank) });

/** x - log Σ exp(x) along `axis`. Elements of -inf stay; a line of -inf only becomes NaN. */
export const logSoftmax = (x: Tensor, axis = -1): Tensor =>
  apply(logSoftmaxOp, [x], { axis: normalizeAxis(axis, x.rank) });
