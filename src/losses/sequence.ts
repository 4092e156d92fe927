import {
  add,
  cast,
  cumsum,
  exp,
  expandDims,
  gatherElements,
  lessEqual,
  logSoftmax,
  minimum,
  mul,
  squeeze,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';
import { logSumExp, maskRows, safeDiv } from './numerics.ts';
import { labelMask, shiftTokens } from './reduce.ts';

/** Log-probability of each token of a sequence, and which tokens count. */
export interface TokenLogp {
  /** `[batch, seq - 1]`, 0 where the token does not count */
  logp: Tensor;
  /** `[batch, seq - 1]` bool */
  mask: Tensor;
}

/**
 * Log-probabilities of the actual next tokens. Position t of the logits scores token t + 1.
 *
 * @param logits `[batch, seq, vocab]`
 * @param labels `[batch, seq]` int32 token ids; -100 where a token does not count (prompt, padding)
 * @param ignoreIndex the label that takes no part
 * @returns `[batch, seq - 1]` nats
 * @source the log-softmax at the label, textbook, unnumbered
 * @example
 * tokenLogp(constant([[[0, 0], [5, 5]]]), constant([[-100, 1]], 'int32')).logp // => [[-0.693147]]
 */
export function tokenLogp(logits: Tensor, labels: Tensor, ignoreIndex = -100): TokenLogp {
  const shifted = shiftTokens(logits, labels);
  const mask = labelMask(shifted.labels, ignoreIndex);
  const at = expandDims(where(mask, shifted.labels, 0), -1);
  const rows = maskRows(shifted.logits, mask);
  const logp = squeeze(gatherElements(logSoftmax(rows), at, 2), -1);
  return { logp: where(mask, logp, 0), mask };
}

/** Sum, mean and length of the log-probabilities of each completion. */
export interface SequenceLogp {
  /** `[batch]` Σ log π(y_t) */
  sum: Tensor;
  /** `[batch]` the sum divided by the length; 0 for an empty completion */
  mean: Tensor;
  /** `[batch]` number of tokens that count */
  length: Tensor;
}

/**
 * Log-probability of each completion from next-token logits.
 *
 * @param logits `[batch, seq, vocab]`
 * @param labels `[batch, seq]` int32 token ids; -100 where a token does not count
 * @param ignoreIndex the label that takes no part
 * @returns `[batch]` each, nats
 * @source the chain rule of probability, textbook; Hong et al. 2024 (2403.07691), eq. 3, for the mean
 * @example
 * sequenceLogp(constant([[[0, 0], [0, 0], [0, 0]]]), constant([[-100, 1, 0]], 'int32')).sum // => [-1.386294]
 */
export function sequenceLogp(logits: Tensor, labels: Tensor, ignoreIndex = -100): SequenceLogp {
  const { logp, mask } = tokenLogp(logits, labels, ignoreIndex);
  const total = sum(logp, -1);
  const length = sum(cast(mask, logp.dtype), -1);
  return { sum: total, mean: safeDiv(total, length), length };
}

/**
 * Length-desensitized sums (LD-DPO): tokens up to the shorter of the two completions count fully, those beyond it by α.
 * Use it for policy and reference alike.
 *
 * @param chosen log-probabilities and mask `[batch, seq]`
 * @param rejected log-probabilities and mask `[batch, seq']`
 * @param alpha weight of the surplus tokens; 1 gives plain sums
 * @returns sums `[batch]` of both
 * @source Liu et al. 2024 (2409.06411), as in TRL's code (`ld_alpha`)
 * @example
 * lengthDesensitized({ logp: constant([[-1, -1]]), mask: constant([[1, 1]]) }, { logp: constant([[-3, 0]]), mask: constant([[1, 0]]) }, 0.5).chosen // => [-1.5]
 */
export function lengthDesensitized(
  chosen: TokenLogp,
  rejected: TokenLogp,
  alpha: number,
): { chosen: Tensor; rejected: Tensor } {
  const weights = ({ logp, mask }: TokenLogp): Tensor => cast(mask, logp.dtype);
  const [wc, wr] = [weights(chosen), weights(rejected)];
  const limit = minimum(sum(wc, -1, true), sum(wr, -1, true)); // [batch, 1]
  const reduce = ({ logp }: TokenLogp, w: Tensor): Tensor => {
    // rank of each counted token within its completion, from 1
    const rank = cumsum(w, 1);
    const factor = add(mul(cast(lessEqual(rank, limit), logp.dtype), 1 - alpha), alpha);
    return sum(mul(mul(logp, w), factor), -1);
  };
  return { chosen: reduce(chosen, wc), rejected: reduce(rejected, wr) };
}

/**
 * WPO weight of a completion: exp(mean_t [log π(y_t) - log Σ_v π(v)²]), how likely the policy was to write it itself.
 * No gradient. Multiply the weights of both completions into the loss of the pair.
 *
 * @param logits `[batch, seq, vocab]`
 * @param labels `[batch, seq]` int32; -100 where a token does not count
 * @param options clamp the weight at 1, as earlier TRL releases do
 * @returns `[batch]`, > 0; 1 for an empty completion
 * @source Zhou et al. 2024 (2406.11827), eq. 2 (sampled alignment)
 * @example
 * wpoWeight(constant([[[0, 0], [0, 0]]]), constant([[-100, 1]], 'int32')) // => [1]
 */
export function wpoWeight(
  logits: Tensor,
  labels: Tensor,
  { ignoreIndex = -100, clamp = false }: { ignoreIndex?: number; clamp?: boolean } = {},
): Tensor {
  const frozen = stopGradient(logits);
  const shifted = shiftTokens(frozen, labels);
  const { logp, mask } = tokenLogp(frozen, labels, ignoreIndex);
  const all = logSoftmax(maskRows(shifted.logits, mask));
  const alignment = where(mask, logSumExp(mul(all, 2)), 0);
  const length = sum(cast(mask, logp.dtype), -1);
  const weight = exp(safeDiv(sum(sub(logp, alignment), -1), length));
  return stopGradient(clamp ? minimum(weight, 1) : weight);
}
