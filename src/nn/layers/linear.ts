import { linear as linearOp, type Tensor } from '../../graph/index.ts';
import { fanInInit, type Initializer, type ParamSpecs, uniformInit, zerosInit } from '../params.ts';
import type { Scope } from '../scope.ts';

export interface LinearOptions {
  bias?: boolean;
  init?: Initializer;
  /** Default: zeros with an own `init`, else PyTorch's U(±1/√in). */
  biasInit?: Initializer;
}

/** Parameters of a linear layer: `weight [out, in]`, `bias [out]`. */
export function linearParams(inputs: number, outputs: number, options: LinearOptions = {}): ParamSpecs {
  const { bias = true, init } = options;
  const biasInit = options.biasInit ?? (init ? zerosInit : uniformInit(1 / Math.sqrt(inputs)));
  return {
    weight: { shape: [outputs, inputs], init: init ?? fanInInit },
    ...(bias ? { bias: { shape: [outputs], init: biasInit } } : {}),
  };
}

/** x Wᵀ + b: `[..., in]` to `[..., out]`. */
export function linear(s: Scope, x: Tensor): Tensor {
  const y = linearOp(x, s.param('weight'), s.has('bias') ? s.param('bias') : undefined, { transW: true });
  return s.tap(s.ctx.adapt ? s.ctx.adapt(s.path, x, y, s.params) : y);
}

/** GPT-2's linear layer, whose weight is stored `[in, out]`. */
export function conv1dParams(inputs: number, outputs: number, init: Initializer): ParamSpecs {
  return { weight: { shape: [inputs, outputs], init }, bias: { shape: [outputs], init: zerosInit } };
}

/** x W + b with `weight [in, out]`: `[..., in]` to `[..., out]`. */
export function conv1d(s: Scope, x: Tensor): Tensor {
  const y = linearOp(x, s.param('weight'), s.param('bias'));
  return s.tap(s.ctx.adapt ? s.ctx.adapt(s.path, x, y, s.params) : y);
}
