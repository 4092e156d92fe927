import {
  add,
  arange,
  cast,
  clip,
  countTensor,
  cumsum,
  div,
  equal,
  exp,
  expandDims,
  expm1,
  greaterEqual,
  matmul,
  maximum,
  mean,
  mul,
  neg,
  sqrt,
  stopGradient,
  sub,
  sum,
  type Tensor,
  variance,
  where,
} from '../graph/index.ts';
import { asBool, asWeights, centred, maskRows, safeDiv, safeSqrt } from './numerics.ts';

/**
 * Objectives of methods that optimise a reward. Losses are to be minimised, per token `[batch, seq]` or per sequence
 * `[batch]`, un-reduced; advantages and log-probabilities of the sampling policy are constants.
 */

export interface PpoOptions {
  /** ε of the clip. Default 0.2. */
  clip?: number;
  /** Upper ε, where it differs (DAPO's clip-higher). */
  clipHigh?: number;
  /** `[...]` importance weights that multiply the ratio (MiniLLM: q over the sampling mixture). */
  weights?: Tensor;
  /** `[...]` tokens to keep; others are 0 with ratio 1. */
  mask?: Tensor;
}

/**
 * PPO-clip: max(-A·ratio, -A·clip(ratio, 1 - ε, 1 + ε)), ratio = w·exp(log π - log π_old).
 *
 * @param logp `[...]` under the policy being trained
 * @param oldLogp `[...]` under the policy that sampled
 * @param advantages `[...]`
 * @returns `[...]`
 * @source Schulman et al. 2017 (1707.06347), eq. 7; Gu et al. 2023 (2306.08543), eq. 5, for the weights
 * @example
 * ppoClip(constant([0]), constant([-1]), constant([1])) // => [-1.2]
 */
export function ppoClip(
  logp: Tensor,
  oldLogp: Tensor,
  advantages: Tensor,
  { clip: epsilon = 0.2, clipHigh = epsilon, weights, mask }: PpoOptions = {},
): Tensor {
  const drift = maskRows(sub(logp, stopGradient(oldLogp)), mask);
  const plain = exp(drift);
  const ratio = weights ? mul(plain, stopGradient(weights)) : plain;
  const a = stopGradient(advantages);
  const loss = maximum(neg(mul(a, ratio)), neg(mul(a, clip(ratio, 1 - epsilon, 1 + clipHigh))));
  return maskRows(loss, mask);
}

/**
 * REINFORCE: -A·log π(y), the score-function surrogate.
 *
 * @param logp `[...]`, of tokens or whole completions
 * @param advantages `[...]`, reward minus a baseline
 * @param mask `[...]`, tokens to keep
 * @returns `[...]`
 * @source Williams 1992; Ahmadian et al. 2024 (2402.14740), eq. 6, and 7 with a baseline
 * @example
 * reinforce(constant([-2]), constant([0.5])) // => [1]
 */
export const reinforce = (logp: Tensor, advantages: Tensor, mask?: Tensor): Tensor =>
  maskRows(neg(mul(stopGradient(advantages), maskRows(logp, mask))), mask);

/**
 * RLOO advantages: each completion's reward minus the mean of the others of its prompt.
 *
 * @param rewards `[prompts, group]`, group ≥ 2
 * @returns `[prompts, group]`, no gradient
 * @source Ahmadian et al. 2024 (2402.14740), section 2.3, the RLOO estimator, after Kool et al. 2019
 * @example
 * rlooAdvantages(constant([[1, 0, 2]])) // => [[0, -1.5, 1.5]]
 */
export function rlooAdvantages(rewards: Tensor): Tensor {
  const r = stopGradient(rewards);
  const n = countTensor(r.shape, [1], r.dtype);
  return mul(sub(r, mean(r, 1, true)), div(n, sub(n, 1)));
}

/**
 * GRPO advantages: reward minus the group's mean, over the group's (unbiased) standard deviation + eps. `scale: false`
 * leaves the division out (Dr. GRPO).
 *
 * @param rewards `[prompts, group]`
 * @returns `[prompts, group]`, no gradient
 * @source Shao et al. 2024 (2402.03300), section 4.1.2, unnumbered; Liu et al. 2025 (2503.20783), the form without
 *   deviation, for `scale: false`
 * @example
 * grpoAdvantages(constant([[0, 2]]), { eps: 0 }) // => [[-0.707107, 0.707107]]
 */
export function grpoAdvantages(
  rewards: Tensor,
  { eps = 1e-4, scale = true }: { eps?: number; scale?: boolean } = {},
): Tensor {
  const r = stopGradient(rewards);
  const lead = centred(r, 1);
  if (!scale) return lead;
  const n = countTensor(r.shape, [1], r.dtype);
  const deviation = safeSqrt(div(sum(mul(lead, lead), 1, true), maximum(sub(n, 1), 1)));
  return safeDiv(lead, add(deviation, eps));
}

/**
 * The k3 estimate of KL(π‖π_ref) per token: r - log r - 1, r = π_ref/π at the sampled token. Never negative.
 *
 * @param logp `[...]` under the policy
 * @param refLogp `[...]` under the reference; a constant
 * @returns `[...]` nats
 * @source Schulman 2020 (approximating KL divergence, unnumbered); Shao et al. 2024 (2402.03300), eq. 4
 * @example
 * k3Kl(constant([-1]), constant([-1])) // => [0]
 */
export function k3Kl(logp: Tensor, refLogp: Tensor): Tensor {
  const d = sub(stopGradient(refLogp), logp);
  return sub(expm1(d), d);
}

export interface GrpoOptions extends PpoOptions {
  /** β of the KL to the reference. Default 0.04. */
  beta?: number;
  /** `[batch, seq]` log-probabilities under the reference; needed if β > 0. */
  refLogp?: Tensor;
}

/**
 * GRPO per token: PPO-clip with the completion's advantage on each of its tokens, plus β times the k3 KL. The loss is
 * the mean over tokens of each completion, then over completions (or a plain token mean, as in DAPO).
 *
 * @param logp `[batch, seq]`
 * @param oldLogp `[batch, seq]`
 * @param advantages `[batch]`
 * @returns `[batch, seq]`
 * @source Shao et al. 2024 (2402.03300), eq. 3 and 4
 * @example
 * grpo(constant([[0, 0]]), constant([[0, 0]]), constant([2]), { refLogp: constant([[0, 0]]) }) // => [[-2, -2]]
 */
export function grpo(
  logp: Tensor,
  oldLogp: Tensor,
  advantages: Tensor,
  { beta = 0.04, refLogp, ...options }: GrpoOptions = {},
): Tensor {
  const surrogate = ppoClip(logp, oldLogp, expandDims(advantages, -1), options);
  if (!refLogp || beta === 0) return surrogate;
  const kl = maskRows(k3Kl(maskRows(logp, options.mask), maskRows(refLogp, options.mask)), options.mask);
  return add(surrogate, mul(kl, beta));
}

/**
 * MiniLLM's token rewards (log p(y_i) - log q_old(y_i)) / scale, clipped to ±clip; 0 outside the mask.
 *
 * @param teacherLogp `[batch, seq]` log p of the sampled tokens
 * @param oldLogp `[batch, seq]` log q of the policy that sampled
 * @param mask `[batch, seq]`, 1 on tokens
 * @returns `[batch, seq]`, no gradient
 * @source Gu et al. 2023 (2306.08543), r_t of eq. 2; scale 2 and clip 100 as in the authors' code
 * @example
 * miniLlmRewards(constant([[-1, -2]]), constant([[-3, -2]]), constant([[1, 0]])) // => [[1, 0]]
 */
export const miniLlmRewards = (
  teacherLogp: Tensor,
  oldLogp: Tensor,
  mask: Tensor,
  { scale = 2, clip: limit = 100 }: { scale?: number; clip?: number } = {},
): Tensor => stopGradient(maskRows(clip(mul(sub(teacherLogp, oldLogp), 1 / scale), -limit, limit), mask));

/**
 * Importance weights q / ((1 - a) q + a p) of tokens sampled from a mixture of student and teacher; at most 1/(1 - a).
 *
 * @param studentLogp `[...]` log q of the sampled tokens
 * @param teacherLogp `[...]` log p of the sampled tokens
 * @returns `[...]`, no gradient
 * @source Gu et al. 2023 (2306.08543), eq. 4 (the mixture, a 0.2) and 5 (its weight, one token at a time)
 * @example
 * mixtureWeights(constant([-1]), constant([-1])) // => [1]
 */
export const mixtureWeights = (
  studentLogp: Tensor,
  teacherLogp: Tensor,
  { alpha = 0.2 }: { alpha?: number } = {},
): Tensor => {
  // e^80 is near float32's end, and the weight is 0 long before
  const ratio = exp(clip(sub(teacherLogp, studentLogp), Number.NEGATIVE_INFINITY, 80));
  return stopGradient(div(1, add(mul(ratio, alpha), 1 - alpha)));
};

export interface MiniLlmAdvantageOptions {
  /** γ. Default 0.95. */
  gamma?: number;
}

/**
 * MiniLLM's length-normalised advantages: A_t = Σ_{i≥t} γ^(i-t) r_i / max(1, remaining tokens at t). Rewards of padding
 * must be 0.
 *
 * @param rewards `[batch, seq]` log p(y_i) - log q_old(y_i), halved and clipped as the method says
 * @param mask `[batch, seq]`, 1 on tokens
 * @returns `[batch, seq]`, no gradient
 * @source Gu et al. 2023 (2306.08543), eq. 6 (length normalisation), with γ as in the authors' code
 * @example
 * miniLlmAdvantages(constant([[1, 1]]), constant([[1, 1]]), { gamma: 1 }) // => [[1, 1]]
 */
export function miniLlmAdvantages(
  rewards: Tensor,
  mask: Tensor,
  { gamma = 0.95 }: MiniLlmAdvantageOptions = {},
): Tensor {
  const r = stopGradient(rewards);
  const left = cumsum(asWeights(asBool(mask), r), 1, { reverse: true });
  return div(discountedSums(r, gamma), maximum(left, 1));
}

/** Σ_{i≥t} γ^(i-t) r_i by a triangular matrix of powers: no division by γ^t, which underflows. `[batch, seq]`. */
function discountedSums(r: Tensor, gamma: number): Tensor {
  if (gamma === 1) return cumsum(r, 1, { reverse: true });
  const n = r.shape[1];
  const lag = sub(expandDims(arange(n, { dtype: r.dtype }), 1), expandDims(arange(n, { dtype: r.dtype }), 0));
  const powers = gamma === 0 ? cast(equal(lag, 0), r.dtype) : exp(mul(maximum(lag, 0), Math.log(gamma)));
  return matmul(r, where(greaterEqual(lag, 0), powers, 0)); // [i, t]: γ^(i - t) for i ≥ t
}

/**
 * Whitened values (x - mean) / √(var + 1e-8), unbiased variance, over all entries (padding included, as MiniLLM's code).
 *
 * @param x any shape
 * @returns the same shape
 * @source Gu et al. 2023 (2306.08543), the authors' code
 * @example
 * whiten(constant([[-1, 1]])) // => [[-0.707107, 0.707107]]
 */
export function whiten(x: Tensor): Tensor {
  const spread = variance(x, undefined, { correction: 1 });
  return div(sub(x, mean(x)), sqrt(add(spread, 1e-8)));
}
