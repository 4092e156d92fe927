import type { Level } from '../../losses/diffusion/process.ts';
import { type Flat, interpretOutput, type SampleOptions } from './samplers.ts';
import { roundHalfEven } from './timesteps.ts';

/** A point of DPM-Solver's grid; `ratio` is σ / α, 0 at the end. */
interface Point extends Level {
  readonly ratio: number;
  /** λ = log(α / σ). */
  readonly lambda: number;
}

/** `ratio` σ / α of a discrete schedule by timestep. */
export const noiseRatio = (alphaBar: number): number => Math.sqrt((1 - alphaBar) / alphaBar);

/** N timesteps evenly from T - 1 on; the grid has one more, 0, which is left out. */
export const dpmTimesteps = (total: number, steps: number): number[] =>
  Array.from({ length: steps + 1 }, (_, i) => roundHalfEven((i * (total - 1)) / steps))
    .reverse()
    .slice(0, -1);

const point = (ratio: number): Point => {
  const alpha = 1 / Math.sqrt(1 + ratio ** 2);
  return { ratio, alpha, sigma: ratio * alpha, lambda: -Math.log(ratio) };
};

/** A grid that ends in the clean sample; between two points two steps of order 1 and 2 are possible. */
export interface DpmOptions extends Omit<SampleOptions, 'steps' | 'clip'> {
  readonly timesteps: readonly number[];
  /** σ / α at each timestep; after the last one comes 0. */
  readonly ratios: readonly number[];
  readonly algorithm?: 'dpmsolver++' | 'sde-dpmsolver++';
  readonly order?: 1 | 2;
}

/**
 * DPM-Solver++ (Lu et al. 2022), multistep with midpoints: order 2 but for the first and the last step. With
 * h = λ' - λ, m the clean samples predicted here, D = (m - m_before) h / h_before:
 *
 * - ODE: x' = (σ'/σ) x - α' (e^{-h} - 1) (m + D/2)
 * - SDE: x' = (σ'/σ) e^{-h} x + α' (1 - e^{-2h}) (m + D/2) + σ' √(1 - e^{-2h}) z
 */
export async function dpmSolver(x: Flat, o: DpmOptions): Promise<Flat> {
  const points = [...o.ratios, 0].map(point);
  const stochastic = o.algorithm === 'sde-dpmsolver++';
  let now = x;
  let before: Flat | undefined;
  for (const [index, timestep] of o.timesteps.entries()) {
    const [here, there] = [points[index], points[index + 1]];
    const output = await o.predict(now, { timestep, index });
    const m = interpretOutput(now, output, here, o).x0;
    const last = index === o.timesteps.length - 1;
    // at the end h is infinite: nothing but the predicted sample is left
    if (last) now = m.slice();
    else {
      const h = there.lambda - here.lambda;
      const second = (o.order ?? 2) === 2 && before !== undefined;
      const half = second ? (0.5 * h) / (here.lambda - points[index - 1].lambda) : 0;
      const keep = (there.sigma / here.sigma) * (stochastic ? Math.exp(-h) : 1);
      const gain = there.alpha * -Math.expm1(stochastic ? -2 * h : -h);
      const spread = stochastic ? there.sigma * Math.sqrt(-Math.expm1(-2 * h)) : 0;
      const z = stochastic ? o.noise!(index) : undefined;
      const [old, current] = [before, now];
      now = m.map(
        (v, i) =>
          keep * current[i] + gain * (v + (second ? half * (v - old![i]) : 0)) + (z ? spread * z[i] : 0),
      );
    }
    o.onStep?.(now, m, index);
    before = m;
  }
  return now;
}
