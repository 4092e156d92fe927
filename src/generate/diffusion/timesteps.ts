import type { Level, NoiseProcess } from '../../losses/diffusion/process.ts';
import { DecantError } from '../../util/errors.ts';

export const TIMESTEP_SPACINGS = ['leading', 'linspace', 'trailing'] as const;
export type TimestepSpacing = (typeof TIMESTEP_SPACINGS)[number];

/** Rounds halves to the even neighbour, as numpy does. */
export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const half = x - down;
  if (half !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/**
 * The N timesteps of `total` that a sampler visits, from noise to clean (spacings of Lin et al. 2023).
 *
 * - leading: multiples of ⌊T/N⌋ plus `offset`; linspace: N evenly from T-1 to 0; trailing: T, T - T/N, … minus 1
 */
export function timesteps(total: number, steps: number, spacing: TimestepSpacing, offset = 0): number[] {
  if (!(Number.isInteger(steps) && steps > 0 && steps <= total))
    throw new DecantError('usage', 'bad number of sampling steps', {
      seen: steps,
      allowed: `1 to ${total}`,
    });
  const list = Array.from({ length: steps }, (_, i) => i);
  if (spacing === 'leading') return list.map((i) => i * Math.floor(total / steps) + offset).reverse();
  if (spacing === 'trailing') return list.map((i) => roundHalfEven(total - (i * total) / steps) - 1);
  return list.map((i) => roundHalfEven(steps === 1 ? 0 : (i * (total - 1)) / (steps - 1))).reverse();
}

/** One step of a sampler: what the network is told, and the noise levels it goes from and to. */
export interface SamplerStep {
  /** An index of the discrete schedule, or a time of the continuous process. */
  readonly timestep: number;
  readonly from: Level;
  readonly to: Level;
}

const CLEAN: Level = { alpha: 1, sigma: 0 };
const levelOf = (bar: number): Level => ({ alpha: Math.sqrt(bar), sigma: Math.sqrt(1 - bar) });

/**
 * Steps of DDIM or DDPM over a discrete schedule: from each timestep t to t - ⌊T/N⌋, whatever the spacing.
 *
 * @param alphasBar ᾱ by timestep
 * @param options `last` is the level after the last step: 'one' (ᾱ = 1) or 'first' (ᾱ_0)
 */
export function discreteSteps(
  alphasBar: ArrayLike<number>,
  visited: readonly number[],
  { last = 'one' }: { last?: 'one' | 'first' } = {},
): SamplerStep[] {
  const stride = Math.floor(alphasBar.length / visited.length);
  return visited.map((t) => {
    const next = t - stride;
    const end = last === 'one' ? CLEAN : levelOf(alphasBar[0]);
    return { timestep: t, from: levelOf(alphasBar[t]), to: next < 0 ? end : levelOf(alphasBar[next]) };
  });
}

/** N equal steps in time from `start` down towards `end`; the last one goes to the clean sample. */
export function continuousSteps(
  process: NoiseProcess,
  steps: number,
  start: number,
  end: number,
): SamplerStep[] {
  const time = (i: number): number => start - ((start - end) * i) / steps;
  return Array.from({ length: steps }, (_, i) => ({
    timestep: time(i),
    from: process.at(time(i)),
    to: i === steps - 1 ? CLEAN : process.at(time(i + 1)),
  }));
}
