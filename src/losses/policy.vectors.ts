import { miniLlmAdvantages, ppoClip, whiten } from './policy.ts';
import { maskedMean } from './reduce.ts';
import type { Vector } from './vectors/types.ts';

export const policyVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method: 'kd-core',
    function:
      'A_t = (sum_{i>=t} gamma^(i-t) r_i) / (remaining masked length at t, >=1); whitened = (A-mean)/sqrt(var_unbiased+1e-8) over all entries incl. padding',
    run: (x, c) => {
      const advantages = miniLlmAdvantages(x.rewards, x.mask, { gamma: c.optional('gamma') });
      return { advantages, whitened: whiten(advantages) };
    },
  },
  {
    kind: 'differentiable',
    method: 'kd-core',
    function: 'sum(max(-A*ratio, -A*clip(ratio,1-eps,1+eps))*mask)/sum(mask), ratio = exp((lp-old)*mask)*w',
    run: (x, c) => ({
      loss: maskedMean(
        ppoClip(x.logprobs, x.old_logprobs, x.advantages, {
          clip: c.optional('cliprange'),
          weights: x.w,
          mask: x.mask,
        }),
        x.mask,
      ),
    }),
  },
];
