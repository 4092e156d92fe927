import {
  add,
  arange,
  expandDims,
  greaterEqual,
  less,
  logicalAnd,
  mul,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';
import { asBool, logSumExp, negLogSigmoid } from './numerics.ts';

/** Losses that train a reward model. */

/**
 * Bradley-Terry: -log σ(r_w - r_l - m), m an optional margin by how much better the chosen one is.
 *
 * @param chosenReward `[pairs]`
 * @param rejectedReward `[pairs]`
 * @param options margin `[pairs]`; centre adds centre·(r_w + r_l)²
 * @returns `[pairs]` nats
 * @source Ouyang et al. 2022 (2203.02155), eq. 1; margin: Touvron et al. 2023 (2307.09288); centring:
 *   Eisenstein et al. 2023 (2312.09244), section 2
 * @example
 * bradleyTerry(constant([1]), constant([1])) // => [0.693147]
 */
export function bradleyTerry(
  chosenReward: Tensor,
  rejectedReward: Tensor,
  { margin, centre = 0 }: { margin?: Tensor; centre?: number } = {},
): Tensor {
  const difference = sub(chosenReward, rejectedReward);
  const loss = negLogSigmoid(margin ? sub(difference, stopGradient(margin)) : difference);
  if (centre === 0) return loss;
  const offset = add(chosenReward, rejectedReward);
  return add(loss, mul(mul(offset, offset), centre));
}

/**
 * Plackett-Luce: negative log-likelihood of a whole ranking, Σ_k [logsumexp_{j ≥ k} r_j - r_k], rewards listed from the
 * best to the worst. Two entries give Bradley-Terry. With `mask` absent entries take no part.
 *
 * @param rankedRewards `[batch, k]`, best first
 * @param options mask `[batch, k]`; top: only the first `top` choices are scored
 * @returns `[batch]` nats
 * @source Plackett 1975; Rafailov et al. 2023 (2305.18290), appendix A.3, eq. 18
 * @example
 * plackettLuce(constant([[0, 0, 0]])) // => [1.791759]
 */
export function plackettLuce(
  rankedRewards: Tensor,
  { mask, top }: { mask?: Tensor; top?: number } = {},
): Tensor {
  const k = rankedRewards.shape[1];
  const row = expandDims(arange(k), 1);
  const column = expandDims(arange(k), 0);
  // entry (i, j): r_j if j stands at or after i
  let open = expandDims(greaterEqual(column, row), 0);
  if (mask) open = logicalAnd(open, expandDims(asBool(mask), 1));
  const later = where(open, expandDims(rankedRewards, 1), Number.NEGATIVE_INFINITY);
  let choice = sub(logSumExp(later), rankedRewards); // [batch, k]
  if (mask) choice = where(asBool(mask), choice, 0);
  if (top !== undefined) choice = where(expandDims(less(arange(k), top), 0), choice, 0);
  return sum(choice, -1);
}
