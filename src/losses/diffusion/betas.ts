import { DecantError } from '../../util/errors.ts';

export const BETA_SCHEDULES = ['linear', 'scaled_linear', 'squaredcos_cap_v2'] as const;
export type BetaSchedule = (typeof BETA_SCHEDULES)[number];

/** `steps` evenly spaced numbers from `from` to `to`, both included. */
export const linspace = (from: number, to: number, steps: number): Float64Array =>
  Float64Array.from({ length: steps }, (_, i) =>
    steps === 1 ? from : from + ((to - from) * i) / (steps - 1),
  );

/**
 * Variances β_t of the noise added in each of T steps, t = 0 … T-1 (Ho et al. 2020; cosine: Nichol & Dhariwal 2021).
 *
 * - linear: linspace(start, end); scaled_linear: linspace(√start, √end)²
 * - squaredcos_cap_v2: min(1 - g((t+1)/T) / g(t/T), 0.999), g(u) = cos²((u + 0.008) / 1.008 · π/2)
 */
export function betaSchedule(name: BetaSchedule, steps: number, start = 1e-4, end = 0.02): Float64Array {
  if (name === 'linear') return linspace(start, end, steps);
  if (name === 'scaled_linear') return linspace(Math.sqrt(start), Math.sqrt(end), steps).map((b) => b * b);
  if (name !== 'squaredcos_cap_v2')
    throw new DecantError('usage', 'unknown schedule of variances', {
      seen: name,
      allowed: 'linear, scaled_linear, squaredcos_cap_v2',
    });
  const g = (u: number): number => Math.cos(((u + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  return Float64Array.from({ length: steps }, (_, t) =>
    Math.min(1 - g((t + 1) / steps) / g(t / steps), 0.999),
  );
}

/** ᾱ_t = Π_{i ≤ t} (1 - β_i), in float64: the share of the signal's variance that is left. */
export function alphasCumprod(betas: ArrayLike<number>): Float64Array {
  let product = 1;
  return Float64Array.from({ length: betas.length }, (_, t) => (product *= 1 - betas[t]));
}

/**
 * Betas whose last ᾱ is exactly 0 (Lin et al. 2023): √ᾱ is shifted to end at 0 and scaled to keep its first value. At
 * the last step nothing but noise is left, so a network that predicts noise says nothing there.
 */
export function zeroTerminalSnr(betas: ArrayLike<number>): Float64Array {
  const root = alphasCumprod(betas).map(Math.sqrt);
  const [first, last] = [root[0], root[root.length - 1]];
  const bar = root.map((r) => ((r - last) * (first / (first - last))) ** 2);
  return bar.map((b, t) => 1 - (t === 0 ? b : b / bar[t - 1]));
}
