import { add, mul, sub } from '../graph/ops/arithmetic.ts';
import { sign } from '../graph/ops/elementwise.ts';
import { type DecayMask, type Optimizer, scalarLike, updateLeaves, zerosLike } from './optimizer.ts';

export interface LionOptions {
  /** Weight of the momentum in the direction. */
  beta1?: number;
  /** Decay of the momentum. */
  beta2?: number;
  /** λ, decoupled: p loses lr·λ·p. */
  weightDecay?: number;
  decayMask?: DecayMask;
}

/** Lion (Chen et al. 2023, algorithm 2): p ← p - lr·(sign(β1·m + (1-β1)·g) + λ·p); m ← β2·m + (1-β2)·g. */
export function lion({
  beta1 = 0.9,
  beta2 = 0.99,
  weightDecay = 0,
  decayMask = () => true,
}: LionOptions = {}): Optimizer {
  return {
    name: 'lion',
    init: (params) => ({ m: zerosLike(params) }),
    update: (grads, state, params, { lr }) =>
      updateLeaves(grads, state, params, ({ path, p, g, slots }) => {
        let direction = sign(add(mul(slots.m, beta1), mul(g, 1 - beta1)));
        if (weightDecay !== 0 && decayMask(path, p.shape)) direction = add(direction, mul(p, weightDecay));
        const m = add(mul(slots.m, beta2), mul(g, 1 - beta2));
        return { p: sub(p, mul(direction, scalarLike(lr, p))), slots: { m } };
      }),
  };
}
