import type { NDArray } from '../graph/ndarray.ts';
import { add, mul, sub } from '../graph/ops/arithmetic.ts';
import type { Tensor } from '../graph/tensor.ts';
import {
  type DecayMask,
  type Optimizer,
  type OptimizerState,
  scalarLike,
  updateLeaves,
  zerosLike,
} from './optimizer.ts';

export interface SgdOptions {
  /** μ of m ← μ·m + g; 0 (default) keeps no state. */
  momentum?: number;
  /** Looks ahead: the step is g + μ·m. */
  nesterov?: boolean;
  /** λ of g ← g + λ·p. */
  weightDecay?: number;
  decayMask?: DecayMask;
}

/** Stochastic gradient descent, p ← p - lr·m (Sutskever et al. 2013; PyTorch's form, where lr scales the sum). */
export function sgd({
  momentum = 0,
  nesterov = false,
  weightDecay = 0,
  decayMask = () => true,
}: SgdOptions = {}): Optimizer {
  return {
    name: 'sgd',
    init: (params): OptimizerState<NDArray> => (momentum === 0 ? {} : { momentum: zerosLike(params) }),
    update: (grads, state, params, { lr }) =>
      updateLeaves(
        grads,
        state,
        params,
        ({ path, p, g, slots }): { p: Tensor; slots: { readonly [slot: string]: Tensor } } => {
          if (weightDecay !== 0 && decayMask(path, p.shape)) g = add(g, mul(p, weightDecay));
          const rate = scalarLike(lr, p);
          if (momentum === 0) return { p: sub(p, mul(g, rate)), slots: {} };
          const m = add(mul(slots.momentum, momentum), g);
          const direction = nesterov ? add(g, mul(m, momentum)) : m;
          return { p: sub(p, mul(direction, rate)), slots: { momentum: m } };
        },
      ),
  };
}
