import {
  add,
  countTensor,
  div,
  mean,
  mul,
  neg,
  onesOf,
  relu,
  sigmoid,
  softplus,
  stopGradient,
  sub,
  type Tensor,
} from '../graph/index.ts';

/**
 * Preference losses on single completions with a thumbs up (desirable) or down (undesirable). Arguments are log-ratios
 * ρ = log π(y|x) - log π_ref(y|x) `[n]`; {@link logRatios} subtracts the reference as a constant. Results are one
 * number per completion; the loss is their mean over both kinds together.
 */
export interface UnpairedOptions {
  /** β. Default 0.1. */
  beta?: number;
}

/**
 * KTO's reference point z0 = max(0, mean(log π - log π_ref)) over mismatched completions of the batch (those of the next
 * prompt). No gradient. Needs a batch of two or more: with one, the completion is matched with its own prompt.
 *
 * @param mismatchedRatio `[batch]` log-ratios of the rotated completions
 * @returns a scalar, ≥ 0
 * @source Ethayarajh et al. 2024 (2402.01306), section 4.1
 * @example
 * ktoReferencePoint(constant([1, 2])) // => 1.5
 */
export const ktoReferencePoint = (mismatchedRatio: Tensor): Tensor =>
  relu(stopGradient(mean(mismatchedRatio)));

/**
 * KTO: λ (1 - σ(β(ρ - z0))) for a desirable completion, λ (1 - σ(β(z0 - ρ))) for an undesirable one.
 *
 * @param ratio ρ `[n]`, all of one kind
 * @param desirable whether they are the desirable ones
 * @param referencePoint z0, a scalar; {@link ktoReferencePoint}
 * @param options λ: keep λ_D n_D / (λ_U n_U) within 1 to 4/3
 * @returns `[n]`, 0 to λ
 * @source Ethayarajh et al. 2024 (2402.01306), eq. 8 (7 in earlier versions)
 * @example
 * kto(constant([0]), true, constant(0)) // => [0.5]
 */
export function kto(
  ratio: Tensor,
  desirable: boolean,
  referencePoint: Tensor,
  { beta = 0.1, weight = 1 }: UnpairedOptions & { weight?: number } = {},
): Tensor {
  const gain = sub(ratio, stopGradient(referencePoint));
  return mul(sigmoid(mul(gain, desirable ? -beta : beta)), weight);
}

/**
 * APO-zero on single completions: 1 - σ(βρ) if desirable, σ(βρ) if not: {@link kto} without a reference point.
 *
 * @param ratio ρ `[n]`
 * @param desirable whether these completions are to become likelier
 * @returns `[n]`
 * @source D'Oosterlinck et al. 2024 (2408.06266), eq. 7 split into its halves
 * @example
 * apoZeroUnpaired(constant([0]), false) // => [0.5]
 */
export const apoZeroUnpaired = (
  ratio: Tensor,
  desirable: boolean,
  { beta = 0.1, weight = 1 }: UnpairedOptions & { weight?: number } = {},
): Tensor => mul(sigmoid(mul(ratio, desirable ? -beta : beta)), weight);

/**
 * BCO: -log σ(βρ - δ) if desirable, -log σ(-(βρ - δ)) if not; δ is a running mean of rewards ({@link bcoShift}).
 *
 * @param ratio ρ `[n]`
 * @param desirable whether these completions are to become likelier
 * @param delta δ, a scalar; no gradient
 * @param options density-ratio weights of undesirable examples `[n]`: clip(p/(1 - p), 0.5, 10)
 * @returns `[n]`
 * @source Jung et al. 2024 (2404.04656), section 4, as in TRL's code
 * @example
 * bco(constant([0]), true, constant(0)) // => [0.693147]
 */
export function bco(
  ratio: Tensor,
  desirable: boolean,
  delta: Tensor,
  { beta = 0.1, weights }: UnpairedOptions & { weights?: Tensor } = {},
): Tensor {
  const reward = sub(mul(ratio, beta), stopGradient(delta));
  const loss = softplus(desirable ? neg(reward) : reward);
  return weights ? mul(loss, stopGradient(weights)) : loss;
}

/** The running mean behind BCO's δ. */
export interface RunningMean {
  mean: Tensor;
  count: Tensor;
}

/**
 * BCO's δ after a batch: the mean over all rewards βρ seen so far. `count: 'example'` weighs each reward alike
 * (BCOTrainer); `'batch'` each batch alike (earlier releases of the pairwise form). Update first, then use `mean`.
 *
 * @param rewards `[n]` βρ of all completions of the batch
 * @param state what the previous batch returned; none at first
 * @returns no gradient
 * @source Jung et al. 2024 (2404.04656), the reward shift, as in TRL's code (`RunningMoments`)
 * @example
 * bcoShift(constant([1, 3])).mean // => 2
 */
export function bcoShift(
  rewards: Tensor,
  state?: RunningMean,
  { count = 'example' }: { count?: 'example' | 'batch' } = {},
): RunningMean {
  const r = stopGradient(rewards);
  const batchMean = mean(r);
  const n = count === 'batch' ? onesOf(batchMean) : countTensor(r.shape, [0], r.dtype);
  if (!state) return { mean: batchMean, count: n };
  const total = add(state.count, n);
  return { mean: add(state.mean, div(mul(sub(batchMean, state.mean), n), total)), count: total };
}
