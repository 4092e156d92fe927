import { createRng } from '../util/rng.ts';
import { type BootstrapOptions, type Interval, intervalFromResamples } from './bootstrap.ts';
import { mean, sameLength } from './matrix.ts';
import { binomialCdf, erfc } from './special.ts';

/** Per-example scores of one arm: `[n]`, or `[seeds][n]` when the arm was trained with several seeds. */
export type ArmScores = ArrayLike<number> | readonly ArrayLike<number>[];

export interface PairedDifference extends Interval {
  /** Two-sided bootstrap p-value: twice the share of resamples on the other side of 0, at least 2/(B + 1). */
  p: number;
}

/** The arm's seeds as rows; a single run is one row. */
export const seedsOf = (arm: ArmScores): readonly ArrayLike<number>[] =>
  arm.length && typeof arm[0] === 'object'
    ? (arm as readonly ArrayLike<number>[])
    : [arm as ArrayLike<number>];

/** Mean over seeds of every example's score, `[n]`. */
export function seedMean(arm: ArmScores): Float64Array {
  const rows = seedsOf(arm);
  const out = new Float64Array(rows[0].length);
  for (const row of rows) {
    sameLength(out, row, "seeds' scores");
    for (let i = 0; i < out.length; i++) out[i] += row[i] / rows.length;
  }
  return out;
}

/**
 * Difference a - b of two arms' means on the same examples with a paired bootstrap interval and test
 * (Koehn 2004; Efron & Tibshirani 1993, chapter 16). Examples are resampled in pairs; with several seeds each arm's
 * seeds are resampled too (jointly where `sameSeeds`), so that the interval covers another set of seeds.
 */
export function pairedBootstrap(
  a: ArmScores,
  b: ArmScores,
  options: BootstrapOptions & { sameSeeds?: boolean } = {},
): PairedDifference {
  const { resamples = 2000, level = 0.95, seed = 0 } = options;
  const rowsA = seedsOf(a);
  const rowsB = seedsOf(b);
  const n = sameLength(rowsA[0], rowsB[0], 'the scores of both arms');
  const joint = options.sameSeeds ?? rowsA.length === rowsB.length;
  const estimate = mean(seedMean(a)) - mean(seedMean(b));
  const rng = createRng(`paired/${seed}`);
  const values = new Float64Array(resamples);
  const sample = new Int32Array(n);
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < n; i++) sample[i] = rng.int(n);
    const seedsA = rowsA.map(() => rng.int(rowsA.length));
    const seedsB = joint && rowsA.length === rowsB.length ? seedsA : rowsB.map(() => rng.int(rowsB.length));
    values[r] = resampledMean(rowsA, seedsA, sample) - resampledMean(rowsB, seedsB, sample);
  }
  let low = 0;
  let high = 0;
  for (const v of values) {
    if (v <= 0) low++;
    if (v >= 0) high++;
  }
  const p = Math.min(1, (2 * (Math.min(low, high) + 1)) / (resamples + 1));
  return { ...intervalFromResamples(estimate, values, level), p };
}

export interface McNemarResult {
  /** Examples only the first (b) or only the second (c) has right. */
  onlyFirst: number;
  onlySecond: number;
  /** Exact two-sided binomial p-value of b against b + c at 1/2. */
  exact: number;
  /** Mid-p value: the exact one less half of the observed outcome's probability, twice (Fagerland et al. 2013). */
  midP: number;
  /** χ² = (|b - c| - 1)² / (b + c) with continuity correction (Edwards 1948), and its p-value. */
  chiSquare: number;
  chiSquareP: number;
}

/** McNemar's test on two classifiers' right/wrong marks of the same examples, `[n]` each (McNemar 1947). */
export function mcNemar(first: ArrayLike<number>, second: ArrayLike<number>): McNemarResult {
  const n = sameLength(first, second, 'the marks of both arms');
  let b = 0;
  let c = 0;
  for (let i = 0; i < n; i++) {
    if (first[i] && !second[i]) b++;
    if (!first[i] && second[i]) c++;
  }
  const small = Math.min(b, c);
  const total = b + c;
  const tail = binomialCdf(small, total, 0.5);
  const point = tail - binomialCdf(small - 1, total, 0.5);
  const chiSquare = total ? Math.max(0, Math.abs(b - c) - 1) ** 2 / total : 0;
  return {
    onlyFirst: b,
    onlySecond: c,
    exact: total ? Math.min(1, 2 * tail) : 1,
    midP: total ? Math.min(1, 2 * (tail - point / 2)) : 1,
    chiSquare,
    chiSquareP: erfc(Math.sqrt(chiSquare / 2)),
  };
}

/**
 * Paired permutation (sign-flip) test of mean difference 0 (Fisher 1935; Noreen 1989): p = share of sign patterns with
 * |Σ ±d| ≥ |Σ d|. All 2^m patterns when m ≤ 16 differences are not 0, else `permutations` random ones with +1 in
 * numerator and denominator.
 */
export function pairedPermutation(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  options: { permutations?: number; seed?: number | string } = {},
): { difference: number; p: number; exact: boolean } {
  const n = sameLength(a, b, 'the scores of both arms');
  const d: number[] = [];
  let observed = 0;
  for (let i = 0; i < n; i++) {
    const x = a[i] - b[i];
    observed += x;
    if (x !== 0) d.push(x);
  }
  const limit = Math.abs(observed) - 1e-12 * d.reduce((s, x) => s + Math.abs(x), 0);
  const difference = n ? observed / n : Number.NaN;
  if (d.length <= 16) {
    let extreme = 0;
    for (let pattern = 0; pattern < 2 ** d.length; pattern++) {
      let sum = 0;
      for (let i = 0; i < d.length; i++) sum += (pattern >> i) & 1 ? d[i] : -d[i];
      if (Math.abs(sum) >= limit) extreme++;
    }
    return { difference, p: extreme / 2 ** d.length, exact: true };
  }
  const { permutations = 5000, seed = 0 } = options;
  const rng = createRng(`permutation/${seed}`);
  let extreme = 0;
  for (let r = 0; r < permutations; r++) {
    let sum = 0;
    for (let i = 0; i < d.length; ) {
      let bits = rng.uint32();
      for (let j = 0; j < 32 && i < d.length; j++, i++, bits >>>= 1) sum += bits & 1 ? d[i] : -d[i];
    }
    if (Math.abs(sum) >= limit) extreme++;
  }
  return { difference, p: (extreme + 1) / (permutations + 1), exact: false };
}

/** Mean of the examples in `sample` over the chosen seeds. */
export function resampledMean(
  rows: readonly ArrayLike<number>[],
  seeds: readonly number[],
  sample: Int32Array,
): number {
  let sum = 0;
  for (const s of seeds) {
    const row = rows[s];
    for (let i = 0; i < sample.length; i++) sum += row[sample[i]];
  }
  return sum / (seeds.length * sample.length);
}
