import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import type { Emitter, OpDef, RefArray } from '../op.ts';
import { dimEquals, dimProduct, showShape } from '../shape.ts';
import { apply, applyAll, type Tensor, type TensorType } from '../tensor.ts';
import { add, mul, sub } from './arithmetic.ts';
import { broadcastTo, reshape } from './basic.ts';
import { rsqrt } from './elementwise.ts';
import { divideBySize } from './norm.ts';
import { sum } from './reduce.ts';

export interface BatchNormAttrs {
  readonly eps: number;
}

function checkChannels(types: readonly TensorType[]): void {
  const [x, ...rest] = types;
  if (!isFloat(x.dtype) || x.shape.length < 2)
    throw new DecantError('shape', 'batch normalization takes floats of shape [batch, channels, ...]');
  for (const t of rest) {
    if (t.shape.length !== 1 || !dimEquals(t.shape[0], x.shape[1]) || t.dtype !== x.dtype) {
      throw new DecantError('shape', 'a per-channel operand does not fit', {
        seen: `${t.dtype}${showShape(t.shape)}`,
        allowed: `${x.dtype}${showShape([x.shape[1]])}`,
      });
    }
  }
}

/** All axes but the channels. */
const others = (x: TensorType): number[] => x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));
const perChannel = (t: Tensor, x: Tensor): Tensor =>
  reshape(
    t,
    x.shape.map((_, i) => (i === 1 ? t.shape[0] : 1)),
  );

/** Calls `visit(element, channel)` over [batch, channels, ...]. */
function eachChannel({ shape }: RefArray, visit: (i: number, c: number) => void): void {
  const [n, c, ...space] = shape;
  const size = space.reduce((a, b) => a * b, 1);
  for (let i = 0, b = 0; b < n; b++)
    for (let k = 0; k < c; k++) for (let s = 0; s < size; s++, i++) visit(i, k);
}

export const batchNormTrainOp: OpDef<BatchNormAttrs> = {
  name: 'batchNorm (training)',
  doc: 'normalizes each channel by the mean and variance of this batch; outputs y, mean, biased variance',
  infer: (inputs) => {
    checkChannels(inputs);
    const [x] = inputs;
    const stats = { shape: [x.shape[1]], dtype: x.dtype };
    return [{ shape: x.shape, dtype: x.dtype }, stats, stats];
  },
  evaluate: ([x, scale, bias], { attrs: { eps } }) => {
    const c = x.shape[1];
    const n = x.data.length / c;
    const mean = new Float64Array(c);
    const variance = new Float64Array(c);
    const y = new Float64Array(x.data.length);
    eachChannel(x, (i, k) => {
      mean[k] += x.data[i] / n;
    });
    eachChannel(x, (i, k) => {
      variance[k] += (x.data[i] - mean[k]) ** 2 / n;
    });
    eachChannel(x, (i, k) => {
      y[i] = ((x.data[i] - mean[k]) / Math.sqrt(variance[k] + eps)) * scale.data[k] + bias.data[k];
    });
    return [y, mean, variance];
  },
  vjp: ({ inputs: [x, scale], outputs: [, mean, variance], attrs, grads: [g, gMean, gVariance], needs }) => {
    const axes = others(x);
    const n = dimProduct(axes.map((a) => x.shape[a]));
    const centered = sub(x, perChannel(mean, x));
    const inv = rsqrt(add(variance, attrs.eps));
    const gSum = g && sum(g, axes);
    const gDot = g && mul(sum(mul(g, centered), axes), inv); // Σ g·x̂
    let dx: Tensor | undefined;
    let shift: Tensor | undefined; // per channel: dx = slope·g + tilt·(x - mean) + shift
    let tilt: Tensor | undefined;
    const plus = (a: Tensor | undefined, b: Tensor): Tensor => (a ? add(a, b) : b);
    if (needs(0)) {
      if (g && gSum && gDot) {
        const slope = mul(scale, inv);
        dx = mul(g, perChannel(slope, x));
        shift = mul(divideBySize(mul(slope, gSum), n), -1);
        tilt = mul(divideBySize(mul(slope, mul(gDot, inv)), n), -1);
      }
      if (gMean) shift = plus(shift, divideBySize(gMean, n));
      if (gVariance) tilt = plus(tilt, divideBySize(mul(gVariance, 2), n));
      if (tilt) dx = plus(dx, mul(centered, perChannel(tilt, x)));
      if (shift) dx = dx ? add(dx, perChannel(shift, x)) : broadcastTo(perChannel(shift, x), x.shape);
    }
    return [dx, needs(1) ? gDot : undefined, needs(2) ? gSum : undefined];
  },
  emit: (e, inputs, { attrs, inputs: [x] }) => emitTrain(e, inputs, attrs.eps, x),
};

function emitTrain(e: Emitter, [x, scale, bias]: readonly string[], eps: number, type: TensorType): string[] {
  const axes = e.int64(others(type));
  const c = type.shape[1];
  const toRow = e.shape([c]);
  const wide = e.shape([c, ...type.shape.slice(2).map(() => 1)]);
  const mean = e.node('ReduceMean', [x, axes], { keepdims: 1 });
  const centered = e.node('Sub', [x, mean]);
  const variance = e.node('ReduceMean', [e.node('Mul', [centered, centered]), axes], { keepdims: 1 });
  const inv = e.node('Reciprocal', [e.node('Sqrt', [e.node('Add', [variance, e.scalar(eps, type.dtype)])])]);
  const slope = e.node('Mul', [inv, e.node('Reshape', [scale, wide])]);
  const y = e.node('Add', [e.node('Mul', [centered, slope]), e.node('Reshape', [bias, wide])]);
  return [y, e.node('Reshape', [mean, toRow]), e.node('Reshape', [variance, toRow])];
}

export const batchNormOp: OpDef<BatchNormAttrs> = {
  name: 'batchNorm',
  doc: '(x - mean)/√(variance + eps) · scale + bias per channel, with given statistics',
  infer: (inputs) => {
    checkChannels(inputs);
    return [{ shape: inputs[0].shape, dtype: inputs[0].dtype }];
  },
  evaluate: ([x, scale, bias, mean, variance], { attrs: { eps } }) => {
    const y = new Float64Array(x.data.length);
    eachChannel(x, (i, k) => {
      y[i] = ((x.data[i] - mean.data[k]) / Math.sqrt(variance.data[k] + eps)) * scale.data[k] + bias.data[k];
    });
    return [y];
  },
  vjp: ({ inputs: [x, scale, , mean, variance], attrs, grads: [g], needs }) => {
    const inv = rsqrt(add(variance, attrs.eps));
    const slope = mul(scale, inv);
    const total = sum(g!, others(x));
    // Σ g·x̂
    const dot = (): Tensor => mul(sum(mul(g!, sub(x, perChannel(mean, x))), others(x)), inv);
    return [
      needs(0) ? mul(g!, perChannel(slope, x)) : undefined,
      needs(1) ? dot() : undefined,
      needs(2) ? total : undefined,
      needs(3) ? mul(mul(total, slope), -1) : undefined,
      needs(4) ? mul(mul(dot(), mul(slope, inv)), -0.5) : undefined,
    ];
  },
  emit: (e, inputs, { attrs }) => [e.node('BatchNormalization', inputs, { epsilon: { float: attrs.eps } })],
};

/**
 * Batch normalization of `[batch, channels, ...]` with given statistics `[channels]`: inference
 * (Ioffe & Szegedy, 2015, algorithm 2).
 */
export const batchNorm = (
  x: Tensor,
  scale: Tensor,
  bias: Tensor,
  mean: Tensor,
  variance: Tensor,
  { eps = 1e-5 }: { eps?: number } = {},
): Tensor => apply(batchNormOp, [x, scale, bias, mean, variance], { eps });

/**
 * Batch normalization of `[batch, channels, ...]` by the statistics of the batch itself: training (algorithm 1).
 * Also returns them, `[channels]`, for running averages; the variance is biased (divided by n, the elements per
 * channel): multiply it by n/(n - 1) for PyTorch's running average.
 */
export function batchNormTrain(
  x: Tensor,
  scale: Tensor,
  bias: Tensor,
  { eps = 1e-5 }: { eps?: number } = {},
): { y: Tensor; mean: Tensor; variance: Tensor } {
  const [y, mean, variance] = applyAll(batchNormTrainOp, [x, scale, bias], { eps });
  return { y, mean, variance };
}
