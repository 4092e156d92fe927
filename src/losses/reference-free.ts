import { expm1, logSigmoid, mul, relu, sub, type Tensor } from '../graph/index.ts';
import { log1mExp, smoothedLogistic } from './numerics.ts';

/**
 * Pairwise preference losses without a reference model, on log-probabilities of the two completions `[pairs]`: sums
 * (`…Logp`) or means per token (`…MeanLogp`), in nats. Results are one number per pair. CPO, ORPO and mixtures add a
 * token-mean cross-entropy of the chosen completion: `crossEntropyWithLabels`.
 */

/**
 * CPO's preference term: -(1 - ε) log σ(βΔ) - ε log σ(-βΔ), Δ = a_w - a_l.
 *
 * @param chosenLogp `[pairs]` Σ log π(y_w)
 * @param rejectedLogp `[pairs]` Σ log π(y_l)
 * @returns `[pairs]`
 * @source Xu et al. 2024 (2401.08417), eq. 5, its preference term
 * @example
 * cpo(constant([-1]), constant([-1])) // => [0.693147]
 */
export function cpo(
  chosenLogp: Tensor,
  rejectedLogp: Tensor,
  { beta = 0.1, labelSmoothing = 0 }: { beta?: number; labelSmoothing?: number } = {},
): Tensor {
  return smoothedLogistic(mul(sub(chosenLogp, rejectedLogp), beta), labelSmoothing);
}

/**
 * SLiC's calibration term without a reference: max(0, 1 - βΔ).
 *
 * @param chosenLogp `[pairs]`
 * @param rejectedLogp `[pairs]`
 * @returns `[pairs]`
 * @source Zhao et al. 2023 (2305.10425), section 2, the rank calibration loss
 * @example
 * slic(constant([-1]), constant([-6]), { beta: 0.1 }) // => [0.5]
 */
export const slic = (
  chosenLogp: Tensor,
  rejectedLogp: Tensor,
  { beta = 0.1 }: { beta?: number } = {},
): Tensor => relu(sub(1, mul(sub(chosenLogp, rejectedLogp), beta)));

/**
 * SimPO: -(1 - ε) log σ(z) - ε log σ(-z), z = β(ā_w - ā_l) - γ, on mean log-probabilities per token.
 *
 * @param chosenMeanLogp `[pairs]`
 * @param rejectedMeanLogp `[pairs]`
 * @returns `[pairs]`
 * @source Meng et al. 2024 (2405.14734), eq. 6 (β 2 to 10, γ 0.5)
 * @example
 * simpo(constant([-1]), constant([-1]), { gamma: 0 }) // => [0.693147]
 */
export function simpo(
  chosenMeanLogp: Tensor,
  rejectedMeanLogp: Tensor,
  {
    beta = 2,
    gamma = 0.5,
    labelSmoothing = 0,
  }: { beta?: number; gamma?: number; labelSmoothing?: number } = {},
): Tensor {
  return smoothedLogistic(sub(mul(sub(chosenMeanLogp, rejectedMeanLogp), beta), gamma), labelSmoothing);
}

/**
 * AlphaPO: {@link simpo} on the rewards (1 - p^(-α))/α, p = exp(ā); α → 0 is SimPO.
 *
 * @param chosenMeanLogp `[pairs]`
 * @param rejectedMeanLogp `[pairs]`
 * @returns `[pairs]`
 * @source Gupta et al. 2025 (2501.03884), the α-reward in the form of TRL's code
 * @example
 * alphaPo(constant([-1]), constant([-1]), { gamma: 0, alpha: 0.25 }) // => [0.693147]
 */
export function alphaPo(
  chosenMeanLogp: Tensor,
  rejectedMeanLogp: Tensor,
  options: { beta?: number; gamma?: number; alpha?: number; labelSmoothing?: number } = {},
): Tensor {
  const { alpha = 0.25, ...rest } = options;
  if (alpha === 0) return simpo(chosenMeanLogp, rejectedMeanLogp, rest);
  // (1 - e^(-αa))/α without cancellation for small α
  const reward = (x: Tensor): Tensor => mul(expm1(mul(x, -alpha)), -1 / alpha);
  return simpo(reward(chosenMeanLogp), reward(rejectedMeanLogp), rest);
}

/**
 * ORPO's odds-ratio term: -β log σ(log odds(y_w) - log odds(y_l)), odds = e^ā / (1 - e^ā) of mean log-probabilities.
 * +∞ or NaN where a completion has probability 1 (ā = 0).
 *
 * @param chosenMeanLogp `[pairs]`, < 0
 * @param rejectedMeanLogp `[pairs]`, < 0
 * @returns `[pairs]`
 * @source Hong et al. 2024 (2403.07691), eq. 4 for the odds, 6 and 7 (there λ for β)
 * @example
 * orpo(constant([-1]), constant([-1])) // => [0.069315]
 */
export function orpo(
  chosenMeanLogp: Tensor,
  rejectedMeanLogp: Tensor,
  { beta = 0.1 }: { beta?: number } = {},
): Tensor {
  const odds = sub(
    sub(chosenMeanLogp, rejectedMeanLogp),
    sub(log1mExp(chosenMeanLogp), log1mExp(rejectedMeanLogp)),
  );
  return mul(logSigmoid(odds), -beta);
}
