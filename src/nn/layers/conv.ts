import { add, batchNorm, batchNormTrain, conv, mul, type Tensor } from '../../graph/index.ts';
import { heFanOutInit, type Initializer, onesInit, type ParamSpecs, zerosInit } from '../params.ts';
import type { Scope } from '../scope.ts';

export interface Conv2dOptions {
  kernel?: number;
  stride?: number;
  /** Default: half the kernel, which keeps the size at stride 1. */
  padding?: number;
  groups?: number;
}

/** Parameters of a square 2-d convolution: `weight [out, in / groups, k, k]` and optionally `bias [out]`. */
export function conv2dParams(
  inputs: number,
  outputs: number,
  {
    kernel = 3,
    groups = 1,
    bias = false,
    init = heFanOutInit,
  }: Conv2dOptions & { bias?: boolean; init?: Initializer } = {},
): ParamSpecs {
  return {
    weight: { shape: [outputs, inputs / groups, kernel, kernel], init },
    ...(bias ? { bias: { shape: [outputs], init: zerosInit } } : {}),
  };
}

/** 2-d convolution of `[batch, in, height, width]`. */
export function conv2d(s: Scope, x: Tensor, { stride = 1, padding, groups = 1 }: Conv2dOptions = {}): Tensor {
  const w = s.param('weight');
  const p = padding ?? Math.floor((w.shape[2] as number) / 2);
  return s.tap(
    conv(x, w, {
      strides: [stride, stride],
      pads: [p, p, p, p],
      groups,
      bias: s.has('bias') ? s.param('bias') : undefined,
    }),
  );
}

/** Parameters and running statistics of batch normalization; the names of PyTorch. */
export const batchNormParams = (channels: number): ParamSpecs => ({
  weight: { shape: [channels], init: onesInit },
  bias: { shape: [channels], init: zerosInit },
  running_mean: { shape: [channels], init: zerosInit, buffer: true },
  running_var: { shape: [channels], init: onesInit, buffer: true },
});

/**
 * Batch normalization of `[batch, channels, ...]` (Ioffe & Szegedy 2015). In training it normalizes by the batch and
 * reports new running statistics (momentum 0.1, unbiased variance, as PyTorch) through the context's `updates`.
 */
export function batchNorm2d(s: Scope, x: Tensor, { eps = 1e-5, momentum = 0.1 } = {}): Tensor {
  const [scale, bias, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((n) =>
    s.param(n),
  );
  if (!s.ctx.train) return s.tap(batchNorm(x, scale, bias, mean, variance, { eps }));
  const batch = batchNormTrain(x, scale, bias, { eps });
  const n = x.shape.reduce<number>((m, d, axis) => (axis === 1 || typeof d !== 'number' ? m : m * d), 1);
  const blend = (old: Tensor, now: Tensor): Tensor => add(mul(old, 1 - momentum), mul(now, momentum));
  s.ctx.updates?.set(`${s.path}.running_mean`, blend(mean, batch.mean));
  s.ctx.updates?.set(`${s.path}.running_var`, blend(variance, mul(batch.variance, n / Math.max(n - 1, 1))));
  return s.tap(batch.y);
}
