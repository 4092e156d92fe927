import { describe, expect, it } from 'vitest';
import { cosineProcess } from '../../losses/diffusion/process.ts';
import { createRng } from '../../util/rng.ts';
import { dpmSolver } from './dpm-solver.ts';
import { ddim, ddpm, type Flat, type Predict } from './samplers.ts';
import { continuousSteps, discreteSteps, roundHalfEven, timesteps } from './timesteps.ts';

/** The clean sample that is expected of a noisy one, for data from a normal distribution of this deviation. */
const exact =
  (std: number): Predict =>
  (x, { timestep }) => {
    const { alpha, sigma } = cosineProcess.at(timestep);
    const gain = (alpha * std ** 2) / ((alpha * std) ** 2 + sigma ** 2);
    return x.map((v) => gain * v);
  };

const noise = (count: number, seed = 'x'): Flat => {
  const rng = createRng(seed);
  return Float64Array.from({ length: count }, () => rng.normal());
};
const deviation = (x: Flat): number => Math.sqrt(x.reduce((s, v) => s + v * v, 0) / x.length);

describe('samplers', () => {
  const std = 0.5;
  const start = noise(4000);
  const steps = (n: number) => continuousSteps(cosineProcess, n, 0.999, 0.001);

  it('DDIM with the exact denoiser gives the distribution of the data, and more steps come nearer', async () => {
    const drawn = async (n: number): Promise<number> =>
      deviation(await ddim(start, { steps: steps(n), predict: exact(std), prediction: 'sample' }));
    const errors = [await drawn(2), await drawn(8), await drawn(64)].map((d) => Math.abs(d - std));
    expect(errors[2]).toBeLessThan(0.02);
    expect(errors[1]).toBeLessThan(errors[0]);
    expect(errors[2]).toBeLessThan(errors[1]);
  });

  it('DDPM and DDIM with η = 1 give it too', async () => {
    const options = { steps: steps(60), predict: exact(std), prediction: 'sample' as const };
    const a = await ddpm(start, { ...options, noise: (i) => noise(4000, `a${i}`) });
    const b = await ddim(start, { ...options, eta: 1, noise: (i) => noise(4000, `b${i}`) });
    expect(deviation(a)).toBeCloseTo(std, 1);
    expect(deviation(b)).toBeCloseTo(std, 1);
  });

  it('DPM-Solver++ of order 2 comes nearer than of order 1 with as many steps', async () => {
    const times = Array.from({ length: 8 }, (_, i) => 0.999 - (i * 0.998) / 8);
    const ratios = times.map((t) => Math.tan((Math.PI / 2) * t));
    const error = async (order: 1 | 2): Promise<number> => {
      const options = { timesteps: times, ratios, predict: exact(std), prediction: 'sample' as const, order };
      return Math.abs(deviation(await dpmSolver(start, options)) - std);
    };
    expect(await error(2)).toBeLessThan(await error(1));
  });

  it('a learned variance at its ends is that of the forward step or of the posterior', async () => {
    const x = noise(6);
    const z = noise(6, 'z');
    const [step] = discreteSteps([0.9, 0.7, 0.5, 0.3], [2, 1]);
    const output = noise(6, 'out');
    const draw = (variance: 'fixed_small' | 'fixed_large' | 'learned_range', v?: number): Promise<Flat> =>
      ddpm(x, {
        steps: [step],
        prediction: 'epsilon',
        variance,
        noise: () => z,
        predict: () => (v === undefined ? output : [...output, ...output.map(() => v)]),
      });
    const [small, large] = [await draw('fixed_small'), await draw('fixed_large')];
    for (const [v, want] of [
      [-1, small],
      [1, large],
    ] as const)
      (await draw('learned_range', v)).forEach((got, i) => {
        expect(got).toBeCloseTo(want[i], 12);
      });
  });
});

describe('timesteps', () => {
  it('round halves to even and refuse more steps than there are', () => {
    expect([0.5, 1.5, 2.5, 2.4, -1.5].map(roundHalfEven)).toEqual([0, 2, 2, 2, -2]);
    expect(timesteps(1000, 4, 'leading', 1)).toEqual([751, 501, 251, 1]);
    expect(timesteps(1000, 4, 'trailing')).toEqual([999, 749, 499, 249]);
    expect(() => timesteps(10, 11, 'leading')).toThrow(/number of sampling steps/);
  });
});
