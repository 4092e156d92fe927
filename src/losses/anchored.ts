import {
  add,
  argmax,
  cast,
  clip,
  div,
  erf,
  exp,
  expandDims,
  floor,
  gather,
  log,
  logSoftmax,
  maximum,
  max as maxOf,
  mean,
  min as minOf,
  mul,
  oneHot,
  reshape,
  softmax,
  softplus,
  sort,
  stopGradient,
  sub,
  sum,
  Tensor,
  where,
} from '../graph/index.ts';
import { asBool, asWeights, centred, safeDiv, safeSqrt } from './numerics.ts';
import { grpoAdvantages } from './policy.ts';

/**
 * Anchored preference losses: a policy is fitted to a target distribution q over the responses to one prompt, in
 * coordinates relative to an anchor. Log-probabilities, scores and targets are `[prompts, responses]`; `present` marks
 * the responses that exist where lists have different lengths.
 */
export interface ListOptions {
  /** `[prompts, responses]`, 1 where there is a response; all of them when absent */
  present?: Tensor;
}

const shown = (x: Tensor, present: Tensor | undefined): Tensor =>
  present ? where(asBool(present), x, Number.NEGATIVE_INFINITY) : x;

const column = (x: number | Tensor): number | Tensor =>
  x instanceof Tensor && x.rank === 1 ? expandDims(x, 1) : x;

/**
 * Log of the anchored policy on the list: log softmax((log π - log π_anchor)/τ). No gradient passes into the anchor.
 *
 * @param logp `[prompts, responses]` log π(y|x) of whole responses
 * @param anchorLogp the same under the anchor; undefined for the uniform one
 * @param options τ, which is 1/β of DPO: a number, or one per prompt `[prompts]`
 * @returns `[prompts, responses]` nats; -∞ where no response is
 * @source Wang 2025 (2510.18913), definition of the anchored policy
 * @example
 * anchoredLogp(constant([[-1, -5]]), constant([[-1, -5]])) // => [[-0.693147, -0.693147]]
 */
export function anchoredLogp(
  logp: Tensor,
  anchorLogp: Tensor | undefined,
  { tau = 1, present }: ListOptions & { tau?: number | Tensor } = {},
): Tensor {
  const ratio = anchorLogp ? sub(logp, stopGradient(anchorLogp)) : logp;
  return logSoftmax(shown(div(ratio, column(tau)), present));
}

/**
 * ADPO: -Σ_i q_i log softmax((log π - log π_anchor)/τ)_i, which is KL(q ‖ anchored policy) + H(q).
 *
 * @param logp `[prompts, responses]` log π(y|x) of whole responses
 * @param anchorLogp the same under the anchor; undefined for the uniform one
 * @param targets q `[prompts, responses]`, rows sum to 1; no gradient
 * @returns `[prompts]` nats
 * @source Wang 2025 (2510.18913), definition of the ADPO loss
 * @example
 * anchoredCrossEntropy(constant([[-1, -1]]), undefined, constant([[1, 0]])) // => [0.693147]
 */
export function anchoredCrossEntropy(
  logp: Tensor,
  anchorLogp: Tensor | undefined,
  targets: Tensor,
  options: ListOptions & { tau?: number | Tensor } = {},
): Tensor {
  const list = anchoredLogp(logp, anchorLogp, options);
  const kept = options.present ? where(asBool(options.present), list, 0) : list;
  return mul(sum(mul(stopGradient(targets), kept), -1), -1);
}

/**
 * The policy at which {@link anchoredCrossEntropy} is smallest, on the list: π* ∝ π_anchor q^τ. A uniform q gives the
 * anchor back, not the uniform policy.
 *
 * @param anchorLogp `[prompts, responses]` log-probabilities under the anchor; undefined for the uniform one
 * @param targets q `[prompts, responses]`, rows sum to 1
 * @returns `[prompts, responses]`, rows sum to 1
 * @source Wang 2025 (2510.18913), closed form of the optimum
 * @example
 * anchoredOptimum(constant([[0, 0]]), constant([[0.8, 0.2]]), { tau: 0.5 }) // => [[0.666667, 0.333333]]
 */
export const anchoredOptimum = (
  anchorLogp: Tensor,
  targets: Tensor,
  { tau = 1 }: { tau?: number } = {},
): Tensor => softmax(add(anchorLogp, mul(log(targets), tau)));

/**
 * Soft targets q = softmax(scores / temperature) over the responses that are there.
 *
 * @param scores rewards, or a teacher's log-probabilities
 * @returns `[prompts, responses]`, no gradient; 0 where no response is
 * @source Wang 2025 (2510.18913), the listwise soft form, rewards at temperature 0.5
 * @example
 * softTargets(constant([[1, 0]]), { temperature: 0.5 }) // => [[0.880797, 0.119203]]
 */
export const softTargets = (
  scores: Tensor,
  { temperature = 0.5, present }: ListOptions & { temperature?: number } = {},
): Tensor => stopGradient(softmax(shown(mul(scores, 1 / temperature), present)));

/**
 * Hard targets: all mass on the response with the largest score (the first of equals), or (1 - ε) on it and ε shared by
 * the others when labels are noisy.
 *
 * @param scores `[prompts, responses]`
 * @returns `[prompts, responses]`, no gradient
 * @source Wang 2025 (2510.18913), the hard form, for ε = 0; Mitchell 2023 (a note on cDPO), eq. 3, for ε
 * @example
 * hardTargets(constant([[2, 3, 1]]), { labelSmoothing: 0.2 }) // => [[0.1, 0.8, 0.1]]
 */
export function hardTargets(
  scores: Tensor,
  { labelSmoothing = 0, present }: ListOptions & { labelSmoothing?: number } = {},
): Tensor {
  const s = stopGradient(scores);
  const best = oneHot(argmax(shown(s, present), 1), s.shape[1], s.dtype);
  if (labelSmoothing === 0) return best;
  const there = present ? asWeights(present, s) : add(mul(best, 0), 1);
  const others = sub(there, best);
  const share = safeDiv(others, sum(others, -1, true));
  // a list of one keeps all its mass
  const epsilon = mul(asWeights(asBool(sum(others, -1, true)), s), labelSmoothing);
  return add(mul(best, sub(1, epsilon)), mul(share, epsilon));
}

/**
 * Scores less the mean of their list, over its (unbiased) standard deviation + eps; 0 in a list of equal scores.
 *
 * @param scores `[prompts, responses]`
 * @returns `[prompts, responses]`, no gradient; 0 where no response is
 * @source Shao et al. 2024 (2402.03300), section 4.1.2; Wang 2025 (2510.18913), code, for eps
 * @example
 * standardizedScores(constant([[0, 2]]), { eps: 0 }) // => [[-0.707107, 0.707107]]
 */
export function standardizedScores(
  scores: Tensor,
  { present, eps = 1e-8 }: ListOptions & { eps?: number } = {},
): Tensor {
  if (!present) return grpoAdvantages(scores, { eps });
  const there = asBool(present);
  const lead = centred(stopGradient(scores), 1, there);
  const n = sum(asWeights(there, lead), 1, true);
  const deviation = safeSqrt(div(sum(mul(lead, lead), 1, true), maximum(sub(n, 1), 1)));
  return stopGradient(safeDiv(lead, add(deviation, eps)));
}

/**
 * Kernel-smoothed ranks of scores among all of the batch: z_i = mean_m Φ((R_i - R_m)/h), h = 1.06 (IQR/1.34) M^(-1/5).
 * For rewards with heavy tails: a wild value counts as the largest, no more.
 *
 * @param scores `[prompts, responses]`, M of them in all
 * @returns `[prompts, responses]` within 0 and 1, no gradient
 * @source Wang 2025 (2510.18913v1), the kernel-density form; Silverman 1986, section 3.4.2, for h
 * @example
 * kernelRanks(constant([[0, 0, 0]])) // => [[0.5, 0.5, 0.5]]
 */
export function kernelRanks(scores: Tensor, { present }: ListOptions = {}): Tensor {
  const s = stopGradient(scores);
  const flat = reshape(s, [-1]);
  const weights = present ? reshape(asWeights(asBool(present), s), [-1]) : add(mul(flat, 0), 1);
  const count = sum(weights);
  const ascending = sort(where(asBool(weights), flat, Number.POSITIVE_INFINITY), 0)[0];
  const quantile = (p: number): Tensor => {
    const at = mul(sub(count, 1), p);
    const low = floor(at);
    const [a, b] = [low, mul(floor(mul(at, -1)), -1)].map((i) => gather(ascending, cast(i, 'int32'), 0));
    return add(a, mul(sub(b, a), sub(at, low)));
  };
  const spread = sub(quantile(0.75), quantile(0.25));
  // without spread every kernel is a step; a tiny width keeps equal scores at ½
  const width = maximum(mul(mul(spread, 1.06 / 1.34), exp(mul(log(count), -0.2))), 1e-12);
  const gap = div(sub(expandDims(flat, 1), expandDims(flat, 0)), width);
  const below = mul(add(erf(mul(gap, Math.SQRT1_2)), 1), 0.5);
  return stopGradient(reshape(div(sum(mul(below, expandDims(weights, 0)), 1), count), s.shape));
}

/**
 * DPO with a soft label: -q log σ(z) - (1 - q) log σ(-z), z = (ρ_1 - ρ_2)/τ on log-ratios to the anchor. q = 1 is DPO
 * with β = 1/τ.
 *
 * @param first ρ_1 `[pairs]`
 * @param second ρ_2 `[pairs]`
 * @param q probability that the first is better, `[pairs]`; no gradient
 * @returns `[pairs]` nats
 * @source Wang 2025 (2510.18913), the pairwise soft form
 * @example
 * softLabelDpo(constant([2]), constant([2]), constant([0.7])) // => [0.693147]
 */
export function softLabelDpo(
  first: Tensor,
  second: Tensor,
  q: Tensor,
  { tau = 1 }: { tau?: number } = {},
): Tensor {
  const z = mul(sub(first, second), 1 / tau);
  // -q log σ(z) - (1 - q) log σ(-z) = softplus(z) - q z
  return sub(softplus(z), mul(stopGradient(q), z));
}

export interface AdaptiveTemperatureOptions {
  /** τ at no entropy and the best mean reward of the batch. Default 0.8. */
  base?: number;
  /** a, what uncertainty adds. Default 0.5. */
  entropy?: number;
  /** b, what a poor mean reward adds where the policy is sure. Default 0.5. */
  reward?: number;
  /** Default 0.05. */
  min?: number;
  /** Default 5. */
  max?: number;
}

/**
 * τ per prompt: clip(τ₀ (1 + a H + b (1 - H)(1 - R̄))), H the mean of -log π per token over ln(vocabulary), within 0
 * and 1, R̄ the mean reward of the prompt, min-max scaled over the batch (½ where all are equal).
 *
 * @param meanLogp `[prompts, responses]` mean log-probability per token
 * @param rewards `[prompts, responses]`
 * @param vocabulary number of tokens
 * @returns `[prompts]`, no gradient
 * @source Wang 2025 (2510.18913), code
 * @example
 * adaptiveTemperature(constant([[0, 0]]), constant([[1, 1]]), 10) // => [1]
 */
export function adaptiveTemperature(
  meanLogp: Tensor,
  rewards: Tensor,
  vocabulary: number,
  options: AdaptiveTemperatureOptions & ListOptions = {},
): Tensor {
  const { base = 0.8, entropy = 0.5, reward = 0.5, min = 0.05, max = 5, present } = options;
  const average = (x: Tensor): Tensor => {
    if (!present) return mean(x, 1);
    const w = asWeights(asBool(present), x);
    return safeDiv(sum(mul(where(asBool(present), x, 0), w), 1), sum(w, 1));
  };
  const h = clip(mul(average(stopGradient(meanLogp)), -1 / Math.log(vocabulary)), 0, 1);
  const r = average(stopGradient(rewards));
  const [low, high] = [minOf(r), maxOf(r)];
  const scaled = safeDiv(sub(r, low), sub(high, low), 0.5);
  const grown = add(add(mul(h, entropy), mul(mul(sub(1, h), sub(1, scaled)), reward)), 1);
  return stopGradient(clip(mul(grown, base), min, max));
}
