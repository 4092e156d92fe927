import {
  add,
  clip,
  div,
  exp,
  logSigmoid,
  mul,
  neg,
  relu,
  sigmoid,
  sort,
  stopGradient,
  sub,
  type Tensor,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { negLogSigmoid, smoothedLogistic } from './numerics.ts';

/**
 * Pairwise preference losses with a reference model. Arguments are log-ratios ρ = log π(y|x) - log π_ref(y|x) of the
 * chosen and the rejected completion, `[pairs]`, in nats; h = ρ_w - ρ_l. Results are one number per pair. The
 * reference's log-probabilities carry no gradient: {@link logRatios} sees to it.
 */
export interface LogRatios {
  /** ρ_w `[pairs]` */
  chosen: Tensor;
  /** ρ_l `[pairs]` */
  rejected: Tensor;
}

/** Log-probabilities of both completions under the policy and the frozen reference, `[pairs]` each. */
export interface PairLogps {
  chosen: Tensor;
  rejected: Tensor;
  /** Left out: the policy alone (`reference_free`). */
  refChosen?: Tensor;
  refRejected?: Tensor;
}

/**
 * ρ_w and ρ_l; the reference is a constant.
 *
 * @param options log-probabilities of whole completions, `[pairs]` each
 * @returns ρ_w and ρ_l `[pairs]`, nats
 * @source Rafailov et al. 2023 (2305.18290), the logarithms inside eq. 7
 * @example
 * logRatios({ chosen: constant([-1]), rejected: constant([-2]), refChosen: constant([-3]), refRejected: constant([-3]) }).chosen // => [2]
 */
export const logRatios = ({ chosen, rejected, refChosen, refRejected }: PairLogps): LogRatios => ({
  chosen: refChosen ? sub(chosen, stopGradient(refChosen)) : chosen,
  rejected: refRejected ? sub(rejected, stopGradient(refRejected)) : rejected,
});

const margin = ({ chosen, rejected }: LogRatios): Tensor => sub(chosen, rejected);

export interface BetaOption {
  /** β, strength of the pull towards the reference. Default 0.1. */
  beta?: number;
}
export interface SmoothingOption extends BetaOption {
  /** ε, probability that a label is flipped. */
  labelSmoothing?: number;
}

/**
 * DPO: -(1 - ε) log σ(βh) - ε log σ(-βh). ε = 0 is DPO, ε > 0 conservative DPO (cDPO).
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`
 * @source Rafailov et al. 2023 (2305.18290), eq. 7; Mitchell 2023 (a note on cDPO), eq. 3, for ε
 * @example
 * dpo({ chosen: constant([5]), rejected: constant([0]) }, { beta: 0.1 }) // => [0.474077]
 */
export const dpo = (r: LogRatios, { beta = 0.1, labelSmoothing = 0 }: SmoothingOption = {}): Tensor =>
  smoothedLogistic(mul(margin(r), beta), labelSmoothing);

/**
 * Robust DPO: [-(1 - ε) log σ(βh) + ε log σ(-βh)] / (1 - 2ε), unbiased when labels are flipped with probability ε < ½.
 * May be negative.
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`
 * @source Chowdhury et al. 2024 (2403.00409), section 3.1, as in TRL's code
 * @example
 * robustDpo({ chosen: constant([0]), rejected: constant([0]) }) // => [0.693147]
 */
export function robustDpo(r: LogRatios, { beta = 0.1, labelSmoothing = 0.1 }: SmoothingOption = {}): Tensor {
  if (!(labelSmoothing >= 0 && labelSmoothing < 0.5))
    throw new DecantError('usage', 'the flip probability lies outside its range', {
      seen: labelSmoothing,
      allowed: '0 ≤ labelSmoothing < 0.5',
    });
  const z = mul(margin(r), beta);
  const unbiased = sub(mul(negLogSigmoid(z), 1 - labelSmoothing), mul(negLogSigmoid(neg(z)), labelSmoothing));
  return mul(unbiased, 1 / (1 - 2 * labelSmoothing));
}

/**
 * Hinge (SLiC): max(0, 1 - βh).
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`
 * @source Zhao et al. 2023 (2305.10425), section 2, on log-ratios as in Liu et al. 2023 (2309.06657)
 * @example
 * hinge({ chosen: constant([5]), rejected: constant([0]) }, { beta: 0.1 }) // => [0.5]
 */
export const hinge = (r: LogRatios, { beta = 0.1 }: BetaOption = {}): Tensor =>
  relu(sub(1, mul(margin(r), beta)));

/**
 * IPO: (h - 1/(2β))². Pass log-ratios divided by completion lengths ({@link lengthNormalized}), as TRL does after asking
 * the authors; the paper's formula has plain sums, which needs a β 10 to 100 times smaller.
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`
 * @source Azar et al. 2023 (2310.12036), eq. 17
 * @example
 * ipo({ chosen: constant([5]), rejected: constant([0]) }, { beta: 0.1 }) // => [0]
 */
export function ipo(r: LogRatios, { beta = 0.1 }: BetaOption = {}): Tensor {
  const d = sub(margin(r), 1 / (2 * beta));
  return mul(d, d);
}

/**
 * EXO for pairs: q_w (log q_w - log(1 - ε)) + q_l (log q_l - log ε), q_w = σ(βh), q_l = 1 - q_w: the reverse KL of the
 * pair's distribution to the smoothed label.
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`
 * @source Ji et al. 2024 (2402.00856), eq. 16; ε 1e-3 when it is 0
 * @example
 * exoPair({ chosen: constant([0]), rejected: constant([0]) }, { labelSmoothing: 0.5 }) // => [0]
 */
export function exoPair(r: LogRatios, { beta = 0.1, labelSmoothing = 1e-3 }: SmoothingOption = {}): Tensor {
  const epsilon = labelSmoothing === 0 ? 1e-3 : labelSmoothing;
  const z = mul(margin(r), beta);
  const term = (x: Tensor, label: number): Tensor => mul(sigmoid(x), sub(logSigmoid(x), Math.log(label)));
  return add(term(z, 1 - epsilon), term(neg(z), epsilon));
}

/**
 * NCA for pairs: -log σ(βρ_w) - ½ log σ(-βρ_w) - ½ log σ(-βρ_l).
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`
 * @source Chen et al. 2024 (2402.05369), section 4.1 (two responses), as in TRL's code
 * @example
 * ncaPair({ chosen: constant([0]), rejected: constant([0]) }) // => [1.386294]
 */
export const ncaPair = (r: LogRatios, { beta = 0.1 }: BetaOption = {}): Tensor => {
  const [w, l] = [mul(r.chosen, beta), mul(r.rejected, beta)];
  return add(negLogSigmoid(w), mul(add(negLogSigmoid(neg(w)), negLogSigmoid(neg(l))), 0.5));
};

/**
 * BCO for pairs: -log σ(βρ_w - δ) - log σ(-(βρ_l - δ)). δ = 0 is TRL's current form; earlier releases take a running
 * mean of the rewards ({@link bcoShift}), detached and updated before use.
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @param delta δ, a scalar
 * @returns `[pairs]`
 * @source Jung et al. 2024 (2404.04656), section 4, as in TRL's code
 * @example
 * bcoPair({ chosen: constant([0]), rejected: constant([0]) }) // => [1.386294]
 */
export function bcoPair(r: LogRatios, { beta = 0.1, delta }: BetaOption & { delta?: Tensor } = {}): Tensor {
  const shift = (x: Tensor): Tensor => (delta ? sub(x, stopGradient(delta)) : x);
  return add(negLogSigmoid(shift(mul(r.chosen, beta))), negLogSigmoid(neg(shift(mul(r.rejected, beta)))));
}

/**
 * SPPO, hard labels: (ρ_w - 1/(2β))² + (ρ_l + 1/(2β))².
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`
 * @source Wu et al. 2024 (2405.00675), eq. 4.7 with win probabilities 1 and 0
 * @example
 * sppoHard({ chosen: constant([5]), rejected: constant([-5]) }) // => [0]
 */
export function sppoHard(r: LogRatios, { beta = 0.1 }: BetaOption = {}): Tensor {
  const [w, l] = [sub(r.chosen, 1 / (2 * beta)), add(r.rejected, 1 / (2 * beta))];
  return add(mul(w, w), mul(l, l));
}

/**
 * AOT on pairs: sorted differences of the policy against sorted differences of the reference: with x = a_w - a_l and
 * y = b_w - b_l ascending over the batch, the DPO loss (with ε) of δ_i = x_(i) - y_(i). Entry i belongs to rank i, not
 * to pair i.
 *
 * @param logps policy and reference, both needed
 * @returns `[pairs]`
 * @source Melnyk et al. 2024 (2406.05882), section 3 (paired)
 * @example
 * aot({ chosen: constant([1]), rejected: constant([0]), refChosen: constant([0]), refRejected: constant([0]) }, { beta: 1 }) // => [0.313262]
 */
export function aot(logps: PairLogps, { beta = 0.1, labelSmoothing = 0 }: SmoothingOption = {}): Tensor {
  const x = sub(logps.chosen, logps.rejected);
  const policy = sort(x, 0)[0];
  const { refChosen, refRejected } = logps;
  const z =
    refChosen && refRejected ? sub(policy, sort(stopGradient(sub(refChosen, refRejected)), 0)[0]) : policy;
  return smoothedLogistic(mul(z, beta), labelSmoothing);
}

/**
 * AOT, unpaired: ρ_w and ρ_l sorted separately over the batch; the DPO loss (with ε) of their differences rank by rank.
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`, by rank
 * @source Melnyk et al. 2024 (2406.05882), section 3 (unpaired)
 * @example
 * aotUnpaired({ chosen: constant([3, 1]), rejected: constant([1, 3]) }) // => [0.693147, 0.693147]
 */
export const aotUnpaired = (r: LogRatios, { beta = 0.1, labelSmoothing = 0 }: SmoothingOption = {}): Tensor =>
  smoothedLogistic(mul(sub(sort(r.chosen, 0)[0], sort(r.rejected, 0)[0]), beta), labelSmoothing);

/**
 * APO-zero: 1 - σ(βρ_w) + σ(βρ_l): chosen up, rejected down.
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`, 0 to 2
 * @source D'Oosterlinck et al. 2024 (2408.06266), eq. 7
 * @example
 * apoZero({ chosen: constant([0]), rejected: constant([0]) }) // => [1]
 */
export const apoZero = (r: LogRatios, { beta = 0.1 }: BetaOption = {}): Tensor =>
  add(sigmoid(mul(r.chosen, -beta)), sigmoid(mul(r.rejected, beta)));

/**
 * APO-down: σ(βρ_w) + 1 - σ(βh): both down, the rejected one more.
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`, 0 to 2
 * @source D'Oosterlinck et al. 2024 (2408.06266), eq. 8
 * @example
 * apoDown({ chosen: constant([0]), rejected: constant([0]) }) // => [1]
 */
export const apoDown = (r: LogRatios, { beta = 0.1 }: BetaOption = {}): Tensor =>
  add(sigmoid(mul(r.chosen, beta)), sigmoid(mul(margin(r), -beta)));

/**
 * DiscoPOP: with z = βh and m = σ(z/τ), (1 - m)(-log σ(z)) + m e^(-z). m e^(-z) is computed as one exponential,
 * since e^(-z) alone overflows where m vanishes.
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @returns `[pairs]`
 * @source Lu et al. 2024 (2406.08414), eq. 5 (log-ratio modulated loss)
 * @example
 * discopop({ chosen: constant([0]), rejected: constant([0]) }) // => [0.846574]
 */
export function discopop(
  r: LogRatios,
  { beta = 0.1, tau = 0.05 }: BetaOption & { tau?: number } = {},
): Tensor {
  const z = mul(margin(r), beta);
  const logistic = mul(sigmoid(mul(z, -1 / tau)), negLogSigmoid(z));
  return add(logistic, exp(sub(logSigmoid(mul(z, 1 / tau)), z)));
}

/**
 * Log-ratios divided by completion lengths: for `ipo`, and `dpo` becomes length-normalised DPO (`sigmoid_norm`).
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @param lengths number of completion tokens, `[pairs]` each
 * @returns both `[pairs]`, nats per token
 * @source Lambert et al. 2024 (2411.15124), eq. 6, for DPO; TRL's code for IPO
 * @example
 * lengthNormalized({ chosen: constant([4]), rejected: constant([6]) }, { chosen: constant([2]), rejected: constant([3]) }).rejected // => [2]
 */
export const lengthNormalized = (r: LogRatios, lengths: { chosen: Tensor; rejected: Tensor }): LogRatios => ({
  chosen: div(r.chosen, lengths.chosen),
  rejected: div(r.rejected, lengths.rejected),
});

export type FDivergence = 'reverse_kl' | 'forward_kl' | 'js_divergence' | 'alpha_divergence';

/**
 * Scores of f-DPO, which replace the log-ratios in any pairwise loss: reverse KL ρ; forward KL -e^(-ρ); Jensen-Shannon
 * log σ(ρ) (a constant log 2 dropped); α-divergence e^((α-1)ρ)/(α - 1), with ρ at α = 1. Exponents are clamped, so that
 * no score overflows: at 80 for the α-divergence (11 in float16), at the end of the float's range for the forward KL;
 * beyond it no gradient passes.
 *
 * @param r log-ratios ρ_w and ρ_l, `[pairs]` each, nats
 * @param divergence which f
 * @returns scores in place of ρ, `[pairs]` each
 * @source Wang et al. 2023 (2309.16240), derivatives of the f-divergences as in TRL's code
 * @example
 * fScores({ chosen: constant([0]), rejected: constant([0]) }, 'forward_kl').chosen // => [-1]
 */
export function fScores(
  r: LogRatios,
  divergence: FDivergence,
  { alpha = 0.5 }: { alpha?: number } = {},
): LogRatios {
  const bounded = (x: Tensor, float64Cap = 80): Tensor => {
    const cap = x.dtype === 'float16' ? 11 : x.dtype === 'float64' ? float64Cap : 80;
    return exp(clip(x, Number.NEGATIVE_INFINITY, cap));
  };
  const score = (rho: Tensor): Tensor => {
    if (divergence === 'forward_kl') return neg(bounded(neg(rho), 700));
    if (divergence === 'js_divergence') return logSigmoid(rho);
    if (divergence === 'alpha_divergence' && alpha !== 1)
      return mul(bounded(mul(rho, alpha - 1)), 1 / (alpha - 1));
    return rho;
  };
  return { chosen: score(r.chosen), rejected: score(r.rejected) };
}
