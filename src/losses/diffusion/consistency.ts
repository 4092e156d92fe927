import {
  abs,
  add,
  div,
  maximum,
  mul,
  reciprocal,
  sqrt,
  square,
  stopGradient,
  sub,
  type Tensor,
} from '../../graph/index.ts';
import { perRow, rowMean } from './process.ts';

/** Noise levels of EDM (Karras et al. 2022), where x = x₀ + σ ε. */
export interface KarrasRange {
  readonly sigmaMin: number;
  readonly sigmaMax: number;
  /** How strongly points crowd at little noise; 7 in EDM. */
  readonly rho: number;
}

/** σ at a share u of the way from σ_max (0) to σ_min (1): (σ_max^(1/ρ) + u (σ_min^(1/ρ) - σ_max^(1/ρ)))^ρ. */
export function karrasSigma(u: number, { sigmaMin, sigmaMax, rho }: KarrasRange): number {
  const [top, bottom] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return (top + u * (bottom - top)) ** rho;
}

/**
 * Factors around a network in σ space, `[batch]`: D(x, σ) = c_skip x + c_out net(c_in x). With `sigmaMin` those of a
 * consistency function, which is the identity at σ_min (Song et al. 2023).
 */
export function edmScalings(
  sigma: Tensor,
  { sigmaData, sigmaMin = 0 }: { sigmaData: number; sigmaMin?: number },
): { skip: Tensor; out: Tensor; in: Tensor } {
  const d2 = sigmaData ** 2;
  const above = sigmaMin === 0 ? sigma : sub(sigma, sigmaMin);
  const total = sqrt(add(square(sigma), d2));
  return {
    skip: div(d2, add(square(above), d2)),
    out: div(mul(above, sigmaData), total),
    in: reciprocal(total),
  };
}

/** A noise level `[batch]`; what calls a network may hold more, such as its time. */
export interface SigmaLevel {
  readonly sigma: Tensor;
}
/** Clean samples out of noisy ones `[batch, ...]`. */
export type SigmaDenoiser<L extends SigmaLevel = SigmaLevel> = (x: Tensor, at: L) => Tensor;

const move = (x: Tensor, direction: Tensor, by: Tensor): Tensor => add(x, mul(direction, perRow(by, x)));
const slope = (x: Tensor, denoised: Tensor, sigma: Tensor): Tensor => div(sub(x, denoised), perRow(sigma, x));

/** One Euler step of dx/dσ = (x - D(x, σ)) / σ. */
export const eulerStep = (x: Tensor, denoised: Tensor, from: SigmaLevel, to: SigmaLevel): Tensor =>
  move(x, slope(x, denoised, from.sigma), sub(to.sigma, from.sigma));

/** One Heun step of the same: the slopes at both ends are averaged. */
export function heunStep<L extends SigmaLevel>(denoise: SigmaDenoiser<L>, x: Tensor, from: L, to: L): Tensor {
  const by = sub(to.sigma, from.sigma);
  const first = slope(x, denoise(x, from), from.sigma);
  const there = move(x, first, by);
  const second = slope(there, denoise(there, to), to.sigma);
  return move(x, add(first, second), mul(by, 0.5));
}

const SIGMA_WEIGHT = {
  uniform: () => 1,
  snr: (ratio: Tensor) => ratio,
  'snr+1': (ratio: Tensor) => add(ratio, 1),
  'truncated-snr': (ratio: Tensor) => maximum(ratio, 1),
  karras: (ratio: Tensor, sigmaData: number) => add(ratio, 1 / sigmaData ** 2),
} satisfies Record<string, (ratio: Tensor, sigmaData: number) => Tensor | number>;

export type SigmaWeight = keyof typeof SIGMA_WEIGHT;
export const SIGMA_WEIGHTS = Object.keys(SIGMA_WEIGHT) as [SigmaWeight, ...SigmaWeight[]];

/** Weight of an error at σ `[batch]`: 1, σ⁻², σ⁻² + 1, max(σ⁻², 1), or σ⁻² + 1 / σ_data². */
export const sigmaWeight = (sigma: Tensor, kind: SigmaWeight, sigmaData: number): Tensor | number =>
  SIGMA_WEIGHT[kind](reciprocal(square(sigma)), sigmaData);

/** Mean absolute or squared difference per row, `[batch]`. */
export const distance = (a: Tensor, b: Tensor, norm: 'l1' | 'l2'): Tensor =>
  rowMean(norm === 'l1' ? abs(sub(a, b)) : square(sub(a, b)));

export interface ConsistencyInput<L extends SigmaLevel> {
  /** Clean samples and their noise, `[batch, ...]`. */
  readonly x0: Tensor;
  readonly noise: Tensor;
  /** Neighbouring noise levels, `from` above `to`. */
  readonly from: L;
  readonly to: L;
  readonly student: SigmaDenoiser<L>;
  /** The student with averaged weights. */
  readonly target: SigmaDenoiser<L>;
  /** Without one the true x₀ stands in for it: consistency training. */
  readonly teacher?: SigmaDenoiser<L>;
}

/**
 * d(F_θ(x_σ, σ), sg F_θ⁻(x̂_σ', σ')) `[batch]` (Song et al. 2023), x_σ = x₀ + σ ε, x̂_σ' one Heun step of the teacher's
 * ODE further (consistency distillation), or x₀ + σ' ε (consistency training).
 */
export function consistencyError<L extends SigmaLevel>(c: ConsistencyInput<L>, norm: 'l1' | 'l2'): Tensor {
  const x = move(c.x0, c.noise, c.from.sigma);
  const next = c.teacher ? heunStep(c.teacher, x, c.from, c.to) : eulerStep(x, c.x0, c.from, c.to);
  return distance(c.student(x, c.from), stopGradient(c.target(stopGradient(next), c.to)), norm);
}

/**
 * Progressive distillation in σ space: d(F_θ(x, σ), x - σ (x'' - x) / (σ'' - σ)) `[batch]`, x'' two Euler steps of the
 * teacher further (as the consistency models' code has it).
 */
export function sigmaProgressiveError<L extends SigmaLevel>(
  c: Required<Pick<ConsistencyInput<L>, 'x0' | 'noise' | 'student' | 'teacher'>>,
  { from, mid, to }: { from: L; mid: L; to: L },
  norm: 'l1' | 'l2',
): Tensor {
  const x = move(c.x0, c.noise, from.sigma);
  const half = eulerStep(x, c.teacher(x, from), from, mid);
  const end = eulerStep(half, c.teacher(half, mid), mid, to);
  const ratio = div(from.sigma, sub(to.sigma, from.sigma));
  const target = sub(x, mul(sub(end, x), perRow(ratio, x)));
  return distance(c.student(x, from), stopGradient(target), norm);
}
