import { createRng } from '../util/rng.ts';
import { mean, standardDeviation } from './matrix.ts';
import { normalCdf, normalQuantile, sortedQuantile, studentQuantile } from './special.ts';

/** An estimate with its confidence interval. */
export interface Interval {
  estimate: number;
  low: number;
  high: number;
  /** Coverage, 0.95 for 95 %. */
  level: number;
  /** How the interval was made. */
  method: 'percentile' | 'bca' | 'student' | 'none';
  /** Standard error: standard deviation of the resampled estimates. */
  se: number;
}

export interface BootstrapOptions {
  /** Resamples, default 2,000. */
  resamples?: number;
  level?: number;
  seed?: number | string;
  method?: 'percentile' | 'bca';
}

/** A statistic of the examples with these indices (with repeats). */
export type Statistic = (indices: Int32Array) => number;

/**
 * Bootstrap interval of any statistic over n examples, resampled with replacement (Efron & Tibshirani 1993).
 * `percentile`: quantiles α/2 and 1-α/2 of the resampled values (chapter 13). `bca` (default): bias-corrected and
 * accelerated (chapter 14), with acceleration from a jackknife over at most 400 groups. Same seed, same interval.
 */
export function bootstrapInterval(n: number, statistic: Statistic, options: BootstrapOptions = {}): Interval {
  const { resamples = 2000, level = 0.95, seed = 0, method = 'bca' } = options;
  const all = Int32Array.from({ length: n }, (_, i) => i);
  const estimate = statistic(all);
  if (n < 2 || !Number.isFinite(estimate)) return noInterval(estimate, level);
  const rng = createRng(`bootstrap/${seed}`);
  const values = new Float64Array(resamples);
  const sample = new Int32Array(n);
  for (let b = 0; b < resamples; b++) {
    for (let i = 0; i < n; i++) sample[i] = rng.int(n);
    values[b] = statistic(sample);
  }
  const jackknife = method === 'bca' ? jackknifeValues(n, statistic) : undefined;
  return intervalFromResamples(estimate, values, level, jackknife);
}

/** Bootstrap interval of the mean of `values`; the same numbers as {@link bootstrapInterval}, faster. */
export function meanInterval(values: ArrayLike<number>, options: BootstrapOptions = {}): Interval {
  return bootstrapInterval(
    values.length,
    (indices) => {
      let sum = 0;
      for (let i = 0; i < indices.length; i++) sum += values[indices[i]];
      return sum / indices.length;
    },
    options,
  );
}

/** Interval from resampled estimates; BCa where jackknife values are given, else percentile. */
export function intervalFromResamples(
  estimate: number,
  resampled: ArrayLike<number>,
  level = 0.95,
  jackknife?: ArrayLike<number>,
): Interval {
  const sorted = Float64Array.from(resampled).filter(Number.isFinite).sort();
  if (sorted.length < 2) return noInterval(estimate, level);
  const alpha = (1 - level) / 2;
  const se = standardDeviation(sorted);
  if (!jackknife || se === 0)
    return {
      estimate,
      low: sortedQuantile(sorted, alpha),
      high: sortedQuantile(sorted, 1 - alpha),
      level,
      method: 'percentile',
      se,
    };
  let below = 0;
  for (const v of sorted) below += v < estimate ? 1 : v === estimate ? 0.5 : 0;
  const clipped = Math.min(Math.max(below / sorted.length, 0.5 / sorted.length), 1 - 0.5 / sorted.length);
  const z0 = normalQuantile(clipped); // Efron & Tibshirani, eq. 14.14 (ties count half)
  const a = acceleration(jackknife);
  const adjusted = (z: number): number => normalCdf(z0 + (z0 + z) / (1 - a * (z0 + z))); // eq. 14.10
  return {
    estimate,
    low: sortedQuantile(sorted, adjusted(normalQuantile(alpha))),
    high: sortedQuantile(sorted, adjusted(normalQuantile(1 - alpha))),
    level,
    method: 'bca',
    se,
  };
}

/** Mean over seeds with Student's interval, mean ± t(1-α/2, n-1)·sd/√n; no interval for a single seed. */
export function seedInterval(perSeed: ArrayLike<number>, level = 0.95): Interval {
  const estimate = mean(perSeed);
  if (perSeed.length < 2) return noInterval(estimate, level);
  const se = standardDeviation(perSeed) / Math.sqrt(perSeed.length);
  const half = studentQuantile(1 - (1 - level) / 2, perSeed.length - 1) * se;
  return { estimate, low: estimate - half, high: estimate + half, level, method: 'student', se };
}

/** a = Σ d³ / (6 (Σ d²)^{3/2}), d = mean of the leave-out values minus each (eq. 14.15). */
function acceleration(leaveOut: ArrayLike<number>): number {
  const center = mean(leaveOut);
  let cubes = 0;
  let squares = 0;
  for (let i = 0; i < leaveOut.length; i++) {
    const d = center - leaveOut[i];
    cubes += d ** 3;
    squares += d ** 2;
  }
  return squares > 0 ? cubes / (6 * squares ** 1.5) : 0;
}

function jackknifeValues(n: number, statistic: Statistic): Float64Array {
  const groups = Math.min(n, 400);
  return Float64Array.from({ length: groups }, (_, g) => {
    const from = Math.floor((g * n) / groups);
    const to = Math.floor(((g + 1) * n) / groups);
    const rest = new Int32Array(n - (to - from));
    for (let i = 0, o = 0; i < n; i++) if (i < from || i >= to) rest[o++] = i;
    return statistic(rest);
  });
}

const noInterval = (estimate: number, level: number): Interval => ({
  estimate,
  low: Number.NaN,
  high: Number.NaN,
  level,
  method: 'none',
  se: Number.NaN,
});
