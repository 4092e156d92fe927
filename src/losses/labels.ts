import {
  add,
  expandDims,
  gatherElements,
  logSoftmax,
  mean,
  mul,
  neg,
  softmaxCrossEntropy,
  squeeze,
  type Tensor,
  where,
} from '../graph/index.ts';
import { labelMask } from './reduce.ts';

/**
 * x[..., label]: the entry of each row that its label names; 0 where the label is the ignore index.
 *
 * @param x `[..., classes]`
 * @param labels `[...]` int32
 * @param ignoreIndex the label that takes no part
 * @returns `[...]`
 * @source none: bookkeeping
 * @example
 * pickLabel(constant([[0.1, 0.9], [0.4, 0.6]]), constant([1, -100], 'int32')) // => [0.9, 0]
 */
export function pickLabel(x: Tensor, labels: Tensor, ignoreIndex = -100): Tensor {
  const valid = labelMask(labels, ignoreIndex);
  const at = expandDims(where(valid, labels, 0), -1);
  return where(valid, squeeze(gatherElements(x, at, x.rank - 1), -1), 0);
}

export interface CrossEntropyOptions {
  /** Labels of this value take no part: loss 0, gradient 0. Default -100. */
  ignoreIndex?: number;
  /** ε: the target becomes (1 - ε)·one-hot + ε/classes. Default 0. */
  labelSmoothing?: number;
}

/**
 * Cross-entropy with labels, -log softmax(logits)[label], in nats; un-reduced, 0 where ignored.
 *
 * @param studentLogits `[..., classes]`
 * @param labels `[...]` int32
 * @returns `[...]`
 * @source Szegedy et al. 2016 (1512.00567), section 7, for label smoothing
 * @example
 * crossEntropyWithLabels(constant([[0, 0]]), constant([1], 'int32')) // => [0.693147]
 */
export function crossEntropyWithLabels(
  studentLogits: Tensor,
  labels: Tensor,
  { ignoreIndex = -100, labelSmoothing = 0 }: CrossEntropyOptions = {},
): Tensor {
  const valid = labelMask(labels, ignoreIndex);
  const hard = where(valid, softmaxCrossEntropy(studentLogits, where(valid, labels, 0)), 0);
  if (labelSmoothing === 0) return hard;
  const even = where(valid, neg(mean(logSoftmax(studentLogits), -1)), 0);
  return add(mul(hard, 1 - labelSmoothing), mul(even, labelSmoothing));
}
