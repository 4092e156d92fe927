import { layerNorm as layerNormOp, rmsNorm as rmsNormOp, type Tensor } from '../../graph/index.ts';
import { onesInit, type ParamSpecs, zerosInit } from '../params.ts';
import type { Scope } from '../scope.ts';

export const layerNormParams = (width: number): ParamSpecs => ({
  weight: { shape: [width], init: onesInit },
  bias: { shape: [width], init: zerosInit },
});

/** Layer normalization over the last axis (Ba et al. 2016): `[..., width]`. */
export const layerNorm = (s: Scope, x: Tensor, eps: number): Tensor =>
  s.tap(layerNormOp(x, s.param('weight'), s.param('bias'), { eps }));

export const rmsNormParams = (width: number): ParamSpecs => ({ weight: { shape: [width], init: onesInit } });

/** x / √(mean x² + eps) · weight over the last axis (Zhang & Sennrich 2019): `[..., width]`. */
export const rmsNorm = (s: Scope, x: Tensor, eps: number): Tensor =>
  s.tap(rmsNormOp(x, s.param('weight'), { eps }));
