import { add, div, mul, neg, sub } from '../graph/ops/arithmetic.ts';
import { expm1, sqrt, square } from '../graph/ops/elementwise.ts';
import type { Tensor } from '../graph/tensor.ts';
import {
  type DecayMask,
  type Optimizer,
  type StepInputs,
  scalarLike,
  updateLeaves,
  zerosLike,
} from './optimizer.ts';

export interface AdamOptions {
  /** Decay of the first moment. */
  beta1?: number;
  /** Decay of the second moment. */
  beta2?: number;
  eps?: number;
  /** λ: added to the gradient (`adam`) or taken off the parameter, lr·λ·p (`adamW`). */
  weightDecay?: number;
  decayMask?: DecayMask;
}

/** Adam (Kingma and Ba 2015, algorithm 1): p ← p - lr·m̂/(√v̂ + ε), with weight decay, if any, in the gradient. */
export const adam = (options: AdamOptions = {}): Optimizer => build('adam', options, false);

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2): p ← (1 - lr·λ)·p - lr·m̂/(√v̂ + ε). */
export const adamW = (options: AdamOptions = {}): Optimizer =>
  build('adamW', { weightDecay: 0.01, ...options }, true);

function build(name: string, options: AdamOptions, decoupled: boolean): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0, decayMask = () => true } = options;
  return {
    name,
    init: (params) => ({ m: zerosLike(params), v: zerosLike(params) }),
    update(grads, state, params, inputs) {
      const { rate, epsilon } = corrected(inputs, beta1, beta2, eps);
      const keep = sub(1, mul(inputs.lr, weightDecay));
      return updateLeaves(grads, state, params, ({ path, p, g, slots }) => {
        const decays = weightDecay !== 0 && decayMask(path, p.shape);
        if (decays && !decoupled) g = add(g, mul(p, weightDecay));
        const m = add(mul(slots.m, beta1), mul(g, 1 - beta1));
        const v = add(mul(slots.v, beta2), mul(square(g), 1 - beta2));
        const step = mul(div(m, add(sqrt(v), scalarLike(epsilon, p))), scalarLike(rate, p));
        const kept = decays && decoupled ? mul(p, scalarLike(keep, p)) : p;
        return { p: sub(kept, step), slots: { m, v } };
      });
    },
  };
}

/**
 * The bias corrections moved from the arrays to two scalars: with c1 = 1 - β1^t and c2 = 1 - β2^t,
 * lr·(m/c1)/(√(v/c2) + ε) = (lr·√c2/c1)·m/(√v + ε·√c2). expm1, since 1 - β^t loses digits in float32.
 */
function corrected(
  { lr, step }: StepInputs,
  beta1: number,
  beta2: number,
  eps: number,
): { rate: Tensor; epsilon: Tensor } {
  const c1 = neg(expm1(mul(step, Math.log(beta1))));
  const rootC2 = sqrt(neg(expm1(mul(step, Math.log(beta2)))));
  return { rate: div(mul(lr, rootC2), c1), epsilon: mul(rootC2, eps) };
}
