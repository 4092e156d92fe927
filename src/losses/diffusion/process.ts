import {
  add,
  cos,
  div,
  exp,
  expandDims,
  mean,
  mul,
  neg,
  sin,
  sqrt,
  square,
  sub,
  type Tensor,
} from '../../graph/index.ts';

/** What a network puts out: the noise ε, the clean sample x₀, or the velocity v = α ε - σ x₀. */
export const PREDICTION_TYPES = ['epsilon', 'sample', 'v_prediction'] as const;
export type PredictionType = (typeof PREDICTION_TYPES)[number];

/** x_t = α x₀ + σ ε: how much signal and how much noise. */
export interface Level {
  readonly alpha: number;
  readonly sigma: number;
}
/** The same for every row of a batch: `[batch]`, or any shape that broadcasts with the samples. */
export interface Levels {
  readonly alpha: Tensor;
  readonly sigma: Tensor;
}

/** A variance-preserving process in continuous time: α² + σ² = 1, from clean (t = 0) to noise (t = 1). */
export interface NoiseProcess {
  readonly name: 'cosine' | 'linear';
  /** At one time, in float64. */
  at(t: number): Level;
  /** At times `[batch]`. */
  levels(t: Tensor): Levels;
  /** dλ/dt of λ = log(σ / α), at times `[batch]`. */
  rate(t: Tensor): Tensor;
  /** The time at which σ / α has this value. */
  timeOf(ratio: number): number;
}

/** α = cos(π t / 2), σ = sin(π t / 2): dλ/dt = (π / 2) / (σ α). */
export const cosineProcess: NoiseProcess = {
  name: 'cosine',
  at: (t) => ({ alpha: Math.cos((Math.PI / 2) * t), sigma: Math.sin((Math.PI / 2) * t) }),
  levels: (t) => ({ alpha: cos(mul(t, Math.PI / 2)), sigma: sin(mul(t, Math.PI / 2)) }),
  rate(t) {
    const { alpha, sigma } = this.levels(t);
    return div(Math.PI / 2, mul(alpha, sigma));
  },
  timeOf: (ratio) => (2 / Math.PI) * Math.atan(ratio),
};

const [B0, B1] = [0.1, 20];

/** β(t) = 0.1 + 19.9 t (Song et al. 2021): α² = exp(-∫β), dλ/dt = β / (2 (1 - α²)). */
export const linearProcess: NoiseProcess = {
  name: 'linear',
  at(t) {
    const kept = Math.exp(-(B0 * t + 0.5 * (B1 - B0) * t * t));
    return { alpha: Math.sqrt(kept), sigma: Math.sqrt(1 - kept) };
  },
  levels(t) {
    const kept = exp(neg(add(mul(t, B0), mul(square(t), 0.5 * (B1 - B0)))));
    return { alpha: sqrt(kept), sigma: sqrt(sub(1, kept)) };
  },
  rate(t) {
    const { sigma } = this.levels(t);
    return div(add(mul(t, (B1 - B0) / 2), B0 / 2), square(sigma));
  },
  // ∫β = log(1 + ratio²)
  timeOf: (ratio) => (Math.sqrt(B0 ** 2 + 2 * (B1 - B0) * Math.log1p(ratio ** 2)) - B0) / (B1 - B0),
};

export const noiseProcesses = { cosine: cosineProcess, linear: linearProcess } as const;

/** A factor per row, `[batch]`, in the shape that multiplies samples `[batch, ...]`. */
export function perRow(t: Tensor, like: Tensor): Tensor {
  let x = t;
  while (x.rank < like.rank) x = expandDims(x, -1);
  return x;
}

const rows = ({ alpha, sigma }: Levels, like: Tensor): Levels => ({
  alpha: perRow(alpha, like),
  sigma: perRow(sigma, like),
});

/** x_t = α x₀ + σ ε. */
export function addNoise(x0: Tensor, eps: Tensor, levels: Levels): Tensor {
  const { alpha, sigma } = rows(levels, x0);
  return add(mul(alpha, x0), mul(sigma, eps));
}

/** v = α ε - σ x₀ (Salimans & Ho 2022). */
export function velocity(x0: Tensor, eps: Tensor, levels: Levels): Tensor {
  const { alpha, sigma } = rows(levels, x0);
  return sub(mul(alpha, eps), mul(sigma, x0));
}

/**
 * The clean sample that a network's output stands for: `(x - σ out) / α` for ε, `out` for x₀, `α x - σ out` for v.
 *
 * @param x the noisy samples `[batch, ...]` that the network saw
 */
export function predictedSample(output: Tensor, x: Tensor, levels: Levels, type: PredictionType): Tensor {
  const { alpha, sigma } = rows(levels, x);
  if (type === 'sample') return output;
  return type === 'epsilon' ? div(sub(x, mul(sigma, output)), alpha) : sub(mul(alpha, x), mul(sigma, output));
}

/** The noise that a network's output stands for: `out` for ε, `(x - α out) / σ` for x₀, `α out + σ x` for v. */
export function predictedNoise(output: Tensor, x: Tensor, levels: Levels, type: PredictionType): Tensor {
  const { alpha, sigma } = rows(levels, x);
  if (type === 'epsilon') return output;
  return type === 'sample' ? div(sub(x, mul(alpha, output)), sigma) : add(mul(alpha, output), mul(sigma, x));
}

/** x_s = α_s x₀ + σ_s (x_t - α_t x₀) / σ_t: the deterministic DDIM step from t to s (Song et al. 2020). */
export function ddimStep(x: Tensor, x0: Tensor, from: Levels, to: Levels): Tensor {
  const noise = predictedNoise(x0, x, from, 'sample');
  return addNoise(x0, noise, to);
}

/** out_u + w (out_c - out_u): classifier-free guidance (Ho & Salimans 2022), w = 1 is the plain conditional output. */
export const guided = (conditional: Tensor, unconditional: Tensor, weight: Tensor | number): Tensor =>
  add(unconditional, mul(sub(conditional, unconditional), weight));

/** Mean over all axes but the first: `[batch, ...]` to `[batch]`. */
export const rowMean = (x: Tensor): Tensor =>
  x.rank < 2
    ? x
    : mean(
        x,
        Array.from({ length: x.rank - 1 }, (_, i) => i + 1),
      );
