import {
  abs,
  add,
  arange,
  argmax,
  argsort,
  cast,
  ceil,
  clip,
  countTensor,
  div,
  equal,
  expandDims,
  floor,
  gather,
  greaterEqual,
  log,
  max,
  min,
  mul,
  neg,
  oneHot,
  segmentSum,
  sub,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';
import { pickLabel } from './labels.ts';
import { safeSqrt } from './numerics.ts';

/**
 * Calibration and agreement as tensors of a graph: the same definitions as the host-side metrics of `evaluate`, for
 * training-time monitoring and for losses. Results are un-reduced where a mean makes sense.
 */

/**
 * Negative log-likelihood -log p(y).
 *
 * @param logp `[n, classes]` log-probabilities
 * @param labels `[n]` int32
 * @returns `[n]` nats
 * @source the logarithmic score, textbook, unnumbered
 * @example
 * nll(temperedLogp(constant([[0, 0]])), constant([1], 'int32')) // => [0.693147]
 */
export const nll = (logp: Tensor, labels: Tensor): Tensor => neg(pickLabel(logp, labels));

/**
 * Brier score Σ_c (p_c - [c = y])², 0 to 2.
 *
 * @param p `[n, classes]` probabilities
 * @param labels `[n]` int32
 * @returns `[n]`
 * @source Brier 1950, definition of the score, unnumbered
 * @example
 * brier(constant([[0.5, 0.5]]), constant([0], 'int32')) // => [0.5]
 */
export function brier(p: Tensor, labels: Tensor): Tensor {
  const d = sub(p, oneHot(labels, p.shape[1], p.dtype));
  return sum(mul(d, d), -1);
}

export interface EceOptions {
  /** Default 15. */
  bins?: number;
  /** Equal intervals of confidence, or equal numbers of examples by rank. Default `width`. */
  binning?: 'width' | 'mass';
}

/**
 * Expected calibration error Σ_b (n_b/n) |accuracy_b - confidence_b|. Differentiable in the confidences within fixed
 * bins (the gradient of |·|, not of the binning).
 *
 * @param p `[n, classes]` probabilities
 * @param labels `[n]` int32
 * @returns a scalar, 0 to 1
 * @source Guo et al. 2017 (1706.04599), definition of ECE; Nixon et al. 2019 (1904.01685), the adaptive form, for equal
 *   mass
 * @example
 * expectedCalibrationError(constant([[0.8, 0.2], [0.6, 0.4]]), constant([0, 1], 'int32')) // => 0.4
 */
export function expectedCalibrationError(
  p: Tensor,
  labels: Tensor,
  { bins = 15, binning = 'width' }: EceOptions = {},
): Tensor {
  const confidence = max(p, -1);
  const correct = cast(equal(argmax(p, -1), labels), p.dtype);
  const n = countTensor(confidence.shape, [0], p.dtype);
  let gap = sub(correct, confidence);
  let bin: Tensor;
  if (binning === 'width') {
    bin = cast(clip(sub(ceil(mul(confidence, bins)), 1), 0, bins - 1), 'int32');
  } else {
    gap = gather(gap, argsort(confidence, 0), 0);
    const rank = arange(gap.shape[0], { dtype: p.dtype });
    // half a step inside the bin: (rank · bins) / n must not round across its border
    bin = cast(floor(div(mul(add(rank, 1e-3), bins), n)), 'int32');
  }
  return div(sum(abs(segmentSum(gap, bin, bins))), n);
}

/**
 * 1 where student and teacher choose the same class.
 *
 * @param studentLogits `[n, classes]`
 * @param teacherLogits `[n, classes]`
 * @returns `[n]`
 * @source Stanton et al. 2021 (2106.05945), definition of top-1 agreement
 * @example
 * agreement(constant([[0, 1], [1, 0]]), constant([[0, 1], [0, 1]])) // => [1, 0]
 */
export const agreement = (studentLogits: Tensor, teacherLogits: Tensor): Tensor =>
  cast(equal(argmax(studentLogits, -1), argmax(teacherLogits, -1)), studentLogits.dtype);

/**
 * Trust score: distance to the nearest training example of another class than the predicted one, over the distance to
 * the nearest of the predicted class. Above 1: neighbours agree with the model. `eps` is added to the divisor.
 *
 * @param features `[n, dim]`
 * @param predicted `[n]` int32
 * @param references `[m, dim]` training examples
 * @param referenceLabels `[m]` int32
 * @returns `[n]`
 * @source Jiang et al. 2018 (1805.11783), section 3 (without the density filter)
 * @example
 * trustScore(constant([[0]]), constant([0], 'int32'), constant([[1], [-3]]), constant([0, 1], 'int32'), { eps: 0 }) // => [3]
 */
export function trustScore(
  features: Tensor,
  predicted: Tensor,
  references: Tensor,
  referenceLabels: Tensor,
  { eps = 1e-12 }: { eps?: number } = {},
): Tensor {
  const d = sub(expandDims(features, 1), expandDims(references, 0));
  const distance = safeSqrt(sum(mul(d, d), -1)); // [n, m]
  const same = equal(expandDims(predicted, 1), expandDims(referenceLabels, 0));
  const nearest = (keep: Tensor): Tensor => min(keep, -1);
  const own = nearest(where(same, distance, Number.POSITIVE_INFINITY));
  const other = nearest(where(same, Number.POSITIVE_INFINITY, distance));
  return div(other, add(own, eps));
}

/**
 * Exposure of a canary, log2 |R| - log2 rank, rank = 1 + the number of other fillings the model finds at least as
 * likely (ties count against the secret): log2 |R| for the most likely filling, 0 for the least.
 *
 * @param canaryLogp `[]` or `[canaries]` log-likelihood of the secret
 * @param otherLogp `[..., |R| - 1]` log-likelihoods of all other fillings
 * @returns the shape of `canaryLogp`, bits
 * @source Carlini et al. 2019 (1802.08232), definition of exposure by rank
 * @example
 * exposure(constant([-1]), constant([[-2, -3, -4]])) // => [2]
 */
export function exposure(canaryLogp: Tensor, otherLogp: Tensor): Tensor {
  const ahead = sum(cast(greaterEqual(otherLogp, expandDims(canaryLogp, -1)), canaryLogp.dtype), -1);
  const fillings = add(countTensor(otherLogp.shape, [otherLogp.rank - 1], canaryLogp.dtype), 1);
  return mul(sub(log(fillings), log(add(ahead, 1))), Math.LOG2E);
}
