import type { Level, PredictionType } from '../../losses/diffusion/process.ts';
import type { SamplerStep } from './timesteps.ts';

/** Samples of a batch, flat, in float64: what samplers compute with between calls of the network. */
export type Flat = Float64Array;

/** The network's output for noisy samples. */
export type Predict = (
  x: Flat,
  step: { timestep: number; index: number },
) => ArrayLike<number> | Promise<ArrayLike<number>>;

export interface SampleOptions {
  readonly steps: readonly SamplerStep[];
  readonly predict: Predict;
  readonly prediction: PredictionType;
  /** Standard normal numbers for step `index`, one per entry; only asked for by steps with noise. */
  readonly noise?: (index: number) => ArrayLike<number>;
  /** Clips predicted samples to [-1, 1], as images ask for. */
  readonly clip?: boolean;
  /** Sees every step: samples after it, and the clean ones predicted in it. */
  readonly onStep?: (x: Flat, predicted: Flat, index: number) => void;
}

const combine = (a: number, x: ArrayLike<number>, b: number, y: ArrayLike<number>): Flat => {
  const out = new Float64Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = (a === 0 ? 0 : a * x[i]) + (b === 0 ? 0 : b * y[i]);
  return out;
};

/** x₀ and ε as `a x + b output`. */
function readOut(type: PredictionType, { alpha, sigma }: Level) {
  if (type === 'epsilon') return { x0: [1 / alpha, -sigma / alpha], eps: [0, 1] } as const;
  if (type === 'sample') return { x0: [0, 1], eps: [1 / sigma, -alpha / sigma] } as const;
  return { x0: [alpha, -sigma], eps: [sigma, alpha] } as const;
}

const clipped = (x: Flat): Flat => x.map((v) => Math.min(1, Math.max(-1, v)));

/** The clean samples and the noise that an output stands for; noise is not recomputed after clipping. */
export function interpretOutput(
  x: Flat,
  output: ArrayLike<number>,
  level: Level,
  { prediction, clip = false }: Pick<SampleOptions, 'prediction' | 'clip'>,
): { x0: Flat; eps: Flat } {
  const r = readOut(prediction, level);
  const x0 = combine(r.x0[0], x, r.x0[1], output);
  return { x0: clip ? clipped(x0) : x0, eps: combine(r.eps[0], x, r.eps[1], output) };
}

/**
 * DDIM (Song et al. 2020): x' = α' x̂₀ + √(σ'² - s²) ε̂ + s z, s = η √(σ'²/σ² (1 - α²/α'²)). η = 0 is deterministic,
 * η = 1 has the noise of DDPM.
 *
 * @param x samples at the first step's level, usually standard normal
 */
export async function ddim(x: Flat, { eta = 0, ...o }: SampleOptions & { eta?: number }): Promise<Flat> {
  let now = x;
  for (const [index, { timestep, from, to }] of o.steps.entries()) {
    const output = await o.predict(now, { timestep, index });
    const { x0, eps } = interpretOutput(now, output, from, o);
    const variance = (to.sigma / from.sigma) ** 2 * (1 - (from.alpha / to.alpha) ** 2);
    const s = eta === 0 ? 0 : eta * Math.sqrt(Math.max(variance, 0));
    const next = combine(to.alpha, x0, Math.sqrt(Math.max(to.sigma ** 2 - s ** 2, 0)), eps);
    now = s === 0 ? next : combine(1, next, s, o.noise!(index));
    o.onStep?.(now, x0, index);
  }
  return now;
}

/** Variance of a DDPM step: of the posterior, of the forward step, or a learned share of the logarithms between both. */
export const VARIANCE_TYPES = ['fixed_small', 'fixed_large', 'learned_range'] as const;
export type VarianceType = (typeof VARIANCE_TYPES)[number];

/**
 * DDPM (Ho et al. 2020): the posterior's mean α' b x̂₀ / σ² + √a σ'² x / σ² with a = α²/α'², b = 1 - a, and its variance
 * σ'² b / σ² (fixed_small), b (fixed_large), or between them by (v + 1) / 2 with the second half of the network's output
 * (learned_range, Nichol & Dhariwal 2021). The last step adds no noise.
 */
export async function ddpm(
  x: Flat,
  { variance = 'fixed_small', ...o }: SampleOptions & { variance?: VarianceType },
): Promise<Flat> {
  let now = x;
  for (const [index, { timestep, from, to }] of o.steps.entries()) {
    const output = await o.predict(now, { timestep, index });
    const learned = variance === 'learned_range';
    const { x0 } = interpretOutput(now, learned ? firstHalf(output) : output, from, o);
    const a = (from.alpha / to.alpha) ** 2;
    const [own, next] = [from.sigma ** 2, to.sigma ** 2];
    const mean = combine((to.alpha * (1 - a)) / own, x0, (Math.sqrt(a) * next) / own, now);
    const small = Math.max((next / own) * (1 - a), 1e-20);
    if (timestep > 0) {
      const z = o.noise!(index);
      now = mean.map((m, i) => {
        const v = learned
          ? mixed(output[mean.length + i], small, 1 - a)
          : variance === 'fixed_small'
            ? small
            : 1 - a;
        return m + Math.sqrt(v) * z[i];
      });
    } else now = mean;
    o.onStep?.(now, x0, index);
  }
  return now;
}

const firstHalf = (a: ArrayLike<number>): Flat => Float64Array.from({ length: a.length / 2 }, (_, i) => a[i]);

function mixed(v: number, small: number, large: number): number {
  const f = (v + 1) / 2;
  return Math.exp(f * Math.log(large) + (1 - f) * Math.log(small));
}
