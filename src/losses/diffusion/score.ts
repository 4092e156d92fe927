import {
  add,
  logSigmoid,
  mul,
  neg,
  slice,
  squaredDifference,
  stopGradient,
  sub,
  type Tensor,
} from '../../graph/index.ts';
import { rowMean } from './process.ts';

/**
 * A scalar per element whose gradient by the generated samples x is `direction`, a constant: x · sg(direction), with the
 * shape of x. Score distillation sampling (Poole et al. 2022): direction = ε_T(x_t) - ε.
 */
export const scoreSurrogate = (x: Tensor, direction: Tensor): Tensor => mul(x, stopGradient(direction));

/**
 * x · sg(ε_T(x_t) - ε_aux(x_t)): variational score distillation, Diff-Instruct and DMD (2023). Descending its mean lowers
 * KL(generator ‖ teacher); aux is a diffusion model that follows the generator's own samples.
 */
export const scoreDifference = (x: Tensor, teacherNoise: Tensor, auxNoise: Tensor): Tensor =>
  scoreSurrogate(x, sub(teacherNoise, auxNoise));

/**
 * Diffusion-DPO (Wallace et al. 2023): -log sigmoid(-(β/2) ((m_w - m_l) - (r_w - r_l))) `[pairs]`, m and r the mean
 * squared errors of model and frozen reference in the noise. Rows are the winners, then the losers; both rows of a pair
 * share noise and timestep.
 *
 * @returns the loss, and the argument of the sigmoid (positive: the pair is ranked rightly)
 */
export function diffusionDpo(
  model: Tensor,
  reference: Tensor,
  noise: Tensor,
  beta: number,
): { loss: Tensor; inside: Tensor } {
  const half = (model.shape[0] as number) / 2;
  const margin = (prediction: Tensor): Tensor => {
    const error = rowMean(squaredDifference(prediction, noise));
    const part = (from: number): Tensor => slice(error, { axes: [0], starts: [from], ends: [from + half] });
    return sub(part(0), part(half));
  };
  const inside = mul(add(margin(model), neg(stopGradient(margin(reference)))), -beta / 2);
  return { loss: neg(logSigmoid(inside)), inside };
}
