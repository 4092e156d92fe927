import {
  add,
  div,
  maximum,
  mul,
  squaredDifference,
  stopGradient,
  sub,
  type Tensor,
} from '../../graph/index.ts';
import { snr } from './denoising.ts';
import { ddimStep, type Levels, perRow, predictedSample, rowMean } from './process.ts';

/** A network's guess of the clean samples, for noisy ones at some noise level. */
export type Denoiser<L> = (x: Tensor, at: L) => Tensor;

/** The three noise levels of one student step, which the teacher takes as two. */
export interface HalvedStep<L extends Levels = Levels> {
  readonly from: L;
  readonly mid: L;
  readonly to: L;
}

/**
 * The clean sample that takes a student in one DDIM step to where the teacher comes in two (Salimans & Ho 2022):
 * x̃ = (z'' - (σ''/σ) z) / (α'' - (σ''/σ) α). Constant: no gradient flows into it.
 */
export function progressiveTarget<L extends Levels>(
  teacher: Denoiser<L>,
  z: Tensor,
  { from, mid, to }: HalvedStep<L>,
): { target: Tensor; zMid: Tensor; zEnd: Tensor } {
  const zMid = ddimStep(z, teacher(z, from), from, mid);
  const zEnd = ddimStep(zMid, teacher(zMid, mid), mid, to);
  const ratio = div(to.sigma, from.sigma);
  const target = div(sub(zEnd, mul(perRow(ratio, z), z)), perRow(sub(to.alpha, mul(ratio, from.alpha)), z));
  return { target: stopGradient(target), zMid: stopGradient(zMid), zEnd: stopGradient(zEnd) };
}

/** w mean (x̂ - x̃)² `[batch]`, w = max(α²/σ², 1) or α²/σ² + 1 of the step's start (Salimans & Ho 2022). */
export function progressiveError(
  prediction: Tensor,
  target: Tensor,
  from: Levels,
  weight: 'truncated-snr' | 'snr+1',
): { error: Tensor; weight: Tensor } {
  const ratio = snr(from);
  const w = weight === 'truncated-snr' ? maximum(ratio, 1) : add(ratio, 1);
  return { error: mul(w, rowMean(squaredDifference(prediction, target))), weight: w };
}

/** A denoiser out of a network with v-prediction. */
export const velocityDenoiser =
  <L extends Levels>(network: (z: Tensor, at: L) => Tensor): Denoiser<L> =>
  (z, at) =>
    predictedSample(network(z, at), z, at, 'v_prediction');
