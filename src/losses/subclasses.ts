import { logSoftmax, mul, reshape, type Tensor } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { forwardKl, temperedLogp } from './divergences.ts';
import { logSumExp } from './numerics.ts';

/**
 * Losses of students with several outputs per class: output c·S + s is subclass s of class c. Class probabilities are
 * sums over subclasses.
 */

/**
 * Class logits of a student with subclasses: log Σ_s softmax(g)_{c,s}. Already log-probabilities.
 *
 * @param outputs g `[..., classes · S]`
 * @param classes number of classes
 * @returns `[..., classes]`
 * @source Müller et al. 2020 (2002.03936), section 3
 * @example
 * classLogits(constant([[0, 0, 0, 0]]), 2) // => [[-0.693147, -0.693147]]
 */
export function classLogits(outputs: Tensor, classes: number): Tensor {
  const width = outputs.shape[outputs.rank - 1] as number;
  if (width % classes !== 0)
    throw new DecantError('shape', 'the outputs are not a whole number of subclasses for each class', {
      seen: width,
      allowed: `multiples of ${classes}`,
    });
  const apart = reshape(logSoftmax(outputs), [...outputs.shape.slice(0, -1), classes, width / classes]);
  return logSumExp(apart, -1);
}

/**
 * Distillation of subclass probabilities: τ² KL(p ‖ softmax(g/τ)), with the teacher's classes split by the structure of
 * its embeddings. One subclass per class is plain distillation.
 *
 * @param outputs g `[..., classes · S]`
 * @param teacherLogp log p `[..., classes · S]`, τ already in it
 * @returns `[...]` nats
 * @source Loo et al. 2024 (2409.20449), the distillation loss in the form with α = 0
 * @example
 * subclassKl(constant([[1, 1]]), constant([[-0.693147, -0.693147]])) // => [0]
 */
export const subclassKl = (
  outputs: Tensor,
  teacherLogp: Tensor,
  { temperature = 1 }: { temperature?: number } = {},
): Tensor => mul(forwardKl(temperedLogp(outputs, temperature), teacherLogp), temperature ** 2);
