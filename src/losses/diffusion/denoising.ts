import { div, maximum, minimum, mul, square, squaredDifference, type Tensor } from '../../graph/index.ts';
import { type Levels, type PredictionType, predictedSample, rowMean, velocity } from './process.ts';

/** Weights of the denoising error over noise levels, in terms of the signal-to-noise ratio α² / σ². */
export type DenoisingWeight = 'uniform' | 'snr' | 'truncated-snr' | 'min-snr';

/** α² / σ² `[batch]`. */
export const snr = ({ alpha, sigma }: Levels): Tensor => square(div(alpha, sigma));

/** What a network of this kind should put out for clean samples and their noise. */
export const denoisingTarget = (x0: Tensor, eps: Tensor, levels: Levels, type: PredictionType): Tensor =>
  type === 'epsilon' ? eps : type === 'sample' ? x0 : velocity(x0, eps, levels);

/**
 * Mean squared error of the output against its own target (ε, x₀ or v), `[batch]` (Ho et al. 2020, Salimans & Ho 2022).
 * The error in ε is snr times that in x₀, the error in v is snr + 1 times it.
 */
export const denoisingError = (
  output: Tensor,
  x0: Tensor,
  eps: Tensor,
  levels: Levels,
  type: PredictionType,
): Tensor => rowMean(squaredDifference(output, denoisingTarget(x0, eps, levels, type)));

/**
 * w · mean (x̂₀ - x₀)² `[batch]`: the error in the clean sample, by signal-to-noise ratio.
 *
 * - snr: w = α²/σ² (the error in ε); truncated-snr: max(snr, 1) (Salimans & Ho 2022);
 *   min-snr: min(snr, 5) (Hang et al. 2023)
 */
export function weightedSampleError(
  output: Tensor,
  x: Tensor,
  x0: Tensor,
  levels: Levels,
  { prediction, weight }: { prediction: PredictionType; weight: DenoisingWeight },
): Tensor {
  const error = rowMean(squaredDifference(predictedSample(output, x, levels, prediction), x0));
  if (weight === 'uniform') return error;
  const ratio = snr(levels);
  if (weight === 'snr') return mul(error, ratio);
  if (weight === 'truncated-snr') return mul(error, maximum(ratio, 1));
  return mul(error, minimum(ratio, 5));
}
