import {
  mean,
  mul,
  notEqual,
  shapeEquals,
  showShape,
  slice,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { asBool, asWeights, safeDiv } from './numerics.ts';

/**
 * Σ m·x / Σ m over all elements; 0 if nothing is masked in. Elements with m = 0 are left out even when they are not
 * finite. With gradient accumulation sum over the whole batch first: a mean of means weighs short rows too much.
 *
 * @param x `[...]`
 * @param mask `[...]`, boolean or weights
 * @returns a scalar
 * @source none: bookkeeping
 * @example
 * maskedMean(constant([1, 2, 9]), constant([1, 1, 0])) // => 1.5
 */
export function maskedMean(x: Tensor, mask?: Tensor): Tensor {
  if (!mask) return mean(x);
  return safeDiv(maskedSum(x, mask), sum(asWeights(mask, x)));
}

/**
 * Σ m·x over all elements; elements with m = 0 are left out even when they are not finite.
 *
 * @param x `[...]`
 * @param mask `[...]`, boolean or weights
 * @returns a scalar
 * @source none: bookkeeping
 * @example
 * maskedSum(constant([1, 2, 9]), constant([1, 1, 0])) // => 3
 */
export function maskedSum(x: Tensor, mask?: Tensor): Tensor {
  if (!mask) return sum(x);
  if (!shapeEquals(x.shape, mask.shape))
    throw new DecantError('shape', 'mask and values differ in shape', {
      seen: `${showShape(mask.shape)} and ${showShape(x.shape)}`,
    });
  const m = asWeights(mask, x);
  return sum(mul(m, where(asBool(mask), x, 0)));
}

/**
 * True where a label takes part: label ≠ ignore index.
 *
 * @param labels `[...]` int32
 * @param ignoreIndex the label that takes no part
 * @returns `[...]` bool
 * @source none: bookkeeping
 * @example
 * labelMask(constant([-100, 3], 'int32')) // => [0, 1]
 */
export const labelMask = (labels: Tensor, ignoreIndex = -100): Tensor => notEqual(labels, ignoreIndex);

/**
 * Logits and labels of next-token prediction: position t scores token t + 1, so logits lose the last position and
 * labels the first.
 *
 * @param logits `[batch, seq, vocab]`
 * @param labels `[batch, seq]`
 * @returns `[batch, seq - 1, vocab]` and `[batch, seq - 1]`
 * @source none: bookkeeping
 * @example
 * shiftTokens(constant([[[1], [2], [3]]]), constant([[7, 8, 9]], 'int32')).labels // => [[8, 9]]
 */
export function shiftTokens(logits: Tensor, labels: Tensor): { logits: Tensor; labels: Tensor } {
  return {
    logits: slice(logits, { axes: [1], starts: [0], ends: [-1] }),
    labels: slice(labels, { axes: [1], starts: [1], ends: [undefined] }),
  };
}
