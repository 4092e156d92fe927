import { describe, expect, it } from 'vitest';
import { createRng } from '../util/rng.ts';
import { bootstrapInterval, meanInterval, seedInterval } from './bootstrap.ts';
import { latencyStats, measureLatency } from './latency.ts';
import { mcNemar, pairedBootstrap, pairedPermutation } from './paired-tests.ts';
import { gapClosed, retention } from './retention.ts';
import { lengthBands, sliceResults } from './slices.ts';
import {
  binomialCdf,
  erf,
  erfc,
  incompleteBeta,
  logGamma,
  normalCdf,
  normalQuantile,
  sortedQuantile,
  studentCdf,
  studentQuantile,
} from './special.ts';

const close = (got: number, want: number, relative = 1e-11): void =>
  expect(Math.abs(got - want) / Math.max(Math.abs(want), 1e-300)).toBeLessThan(relative);

describe('special functions', () => {
  it('agree with published values', () => {
    close(erf(0.5), 0.5204998778130465);
    close(erf(2), 0.9953222650189527);
    close(erf(-3), -0.9999779095030014);
    close(erfc(3), 2.209049699858544e-5);
    close(erfc(5), 1.5374597944280349e-12);
    close(normalQuantile(0.975), 1.959963984540054);
    close(normalQuantile(0.001), -3.090232306167813);
    close(logGamma(10), Math.log(362880));
    close(logGamma(0.5), Math.log(Math.PI) / 2);
    close(incompleteBeta(0.5, 2, 3), 0.6875);
    close(studentQuantile(0.975, 2), 4.302652729911275, 1e-9);
    close(studentQuantile(0.975, 9), 2.2621571628540993, 1e-9);
    close(studentCdf(1, 1), 0.75);
  });
  it('satisfy their identities', () => {
    for (const p of [1e-9, 0.01, 0.3, 0.5, 0.9, 0.9999]) close(normalCdf(normalQuantile(p)), p, 1e-10);
    for (let k = 0, sum = 0; k <= 12; k++) {
      let c = 1;
      for (let i = 0; i < k; i++) c = (c * (12 - i)) / (i + 1);
      sum += c * 0.3 ** k * 0.7 ** (12 - k);
      close(binomialCdf(k, 12, 0.3), sum);
    }
    expect(sortedQuantile([1, 2, 3, 4], 0.25)).toBe(1.75); // R: quantile(1:4, .25)
    expect(sortedQuantile([5], 0.9)).toBe(5);
  });
});

describe('bootstrap', () => {
  const rng = createRng('data');
  const values = Array.from({ length: 200 }, () => Math.exp(rng.normal()));
  it('gives the same interval for the same seed and another for another', () => {
    expect(meanInterval(values, { seed: 3 })).toEqual(meanInterval(values, { seed: 3 }));
    expect(meanInterval(values, { seed: 3 }).low).not.toBe(meanInterval(values, { seed: 4 }).low);
  });
  it('agrees with the normal approximation for a mean of many values', () => {
    const m = values.reduce((a, b) => a + b, 0) / 200;
    const se = Math.sqrt(values.reduce((s, v) => s + (v - m) ** 2, 0) / 200 / 200);
    const p = meanInterval(values, { method: 'percentile', resamples: 4000 });
    expect(p.estimate).toBeCloseTo(m, 12);
    expect(p.se / se).toBeGreaterThan(0.95);
    expect(p.se / se).toBeLessThan(1.05);
    expect(Math.abs(p.high - (m + 1.96 * se)) / se).toBeLessThan(0.25);
  });
  it('shifts BCa towards the long tail of a skewed sample', () => {
    const p = meanInterval(values, { method: 'percentile', resamples: 4000 });
    const b = meanInterval(values, { method: 'bca', resamples: 4000 });
    expect(b.method).toBe('bca');
    expect(b.low).toBeGreaterThan(p.low);
    expect(b.high).toBeGreaterThan(p.high);
  });
  it('covers the true mean about as often as it says', () => {
    let covered = 0;
    for (let t = 0; t < 200; t++) {
      const r = createRng(`cover${t}`);
      const x = Array.from({ length: 60 }, () => (r.uniform() < 0.8 ? 1 : 0));
      const i = meanInterval(x, { resamples: 400, seed: t });
      if (i.low <= 0.8 && 0.8 <= i.high) covered++;
    }
    expect(covered / 200).toBeGreaterThan(0.88);
    expect(covered / 200).toBeLessThan(0.99);
  });
  it('takes any statistic and says so where there is none', () => {
    const median = (i: Int32Array): number =>
      sortedQuantile(Float64Array.from(i, (j) => values[j]).sort(), 0.5);
    const i = bootstrapInterval(200, median, { resamples: 500 });
    expect(i.low).toBeLessThan(i.estimate);
    expect(i.high).toBeGreaterThan(i.estimate);
    expect(meanInterval([1])).toMatchObject({ estimate: 1, method: 'none' });
    expect(meanInterval([1, 1, 1])).toMatchObject({ low: 1, high: 1 });
  });
  it("gives Student's interval over seeds", () => {
    const i = seedInterval([0.9, 0.92, 0.94]);
    expect(i.estimate).toBeCloseTo(0.92, 12);
    expect(i.high - i.estimate).toBeCloseTo((4.302652729911275 * 0.02) / Math.sqrt(3), 9);
    expect(seedInterval([0.9]).method).toBe('none');
  });
});

describe('paired tests', () => {
  const rng = createRng('paired');
  const a: number[] = Array.from({ length: 400 }, () => (rng.uniform() < 0.9 ? 1 : 0));
  const b: number[] = a.map((x) => (x && rng.uniform() < 0.08 ? 0 : x));
  it('sees a paired difference that unpaired intervals would hide', () => {
    const d = pairedBootstrap(a, b);
    expect(d.estimate).toBeCloseTo((a.reduce((s, x) => s + x, 0) - b.reduce((s, x) => s + x, 0)) / 400, 12);
    expect(d.low).toBeGreaterThan(0);
    expect(d.p).toBeLessThan(0.01);
    expect(mcNemar(a, b).exact).toBeLessThan(0.001);
    expect(pairedPermutation(a, b).p).toBeLessThan(0.001);
  });
  it('finds nothing between equal arms', () => {
    expect(pairedBootstrap(a, a)).toMatchObject({ estimate: 0, low: 0, high: 0, p: 1 });
    expect(mcNemar(a, a)).toMatchObject({ exact: 1, midP: 1, chiSquareP: 1 });
    expect(pairedPermutation(a, a)).toEqual({ difference: 0, p: 1, exact: true });
  });
  it('widens the interval when the seeds disagree', () => {
    const noisy = [a, a.map((x, i) => (i < 60 ? 0 : x)), a];
    const one = pairedBootstrap(a, b);
    const several = pairedBootstrap(noisy, [b, b, b]);
    expect(several.high - several.low).toBeGreaterThan(one.high - one.low);
  });
  it("gives McNemar's values for b = 12, c = 5", () => {
    const first = [...Array(12).fill(1), ...Array(5).fill(0), 1, 0];
    const second = [...Array(12).fill(0), ...Array(5).fill(1), 1, 0];
    const r = mcNemar(first, second);
    // Σ_{k≤5} C(17,k) = 1 + 17 + 136 + 680 + 2380 + 6188 = 9402
    expect(r).toMatchObject({ onlyFirst: 12, onlySecond: 5 });
    expect(r.exact).toBeCloseTo((2 * 9402) / 131072, 12);
    expect(r.midP).toBeCloseTo((2 * 9402 - 6188) / 131072, 12);
    expect(r.chiSquare).toBeCloseTo(36 / 17, 12);
    expect(r.chiSquareP).toBeCloseTo(0.14561, 4);
  });
  it('enumerates all signs of few differences', () => {
    // 3 differences 1, 2, 3: only +++ and --- reach 6
    expect(pairedPermutation([1, 2, 3, 5], [0, 0, 0, 5])).toEqual({ difference: 1.5, p: 2 / 8, exact: true });
    const random = pairedPermutation(
      Array.from({ length: 40 }, (_, i) => (i < 26 ? 1 : 0)),
      Array.from({ length: 40 }, (_, i) => (i < 26 ? 0 : 1)),
      { permutations: 20000 },
    );
    // equals a binomial sign test: 2 P(X ≤ 14 | 40, 1/2)
    expect(random.p).toBeCloseTo(2 * binomialCdf(14, 40, 0.5), 2);
  });
});

describe('retention', () => {
  const teacher = Array.from({ length: 500 }, (_, i) => (i % 10 ? 1 : 0)); // 0.9
  const student = teacher.map((x, i) => (i % 25 === 1 ? 0 : x)); // 0.86
  const alone = teacher.map((x, i) => (i % 5 === 1 ? 0 : x)); // 0.7
  it('gives the share kept and the gap closed, with intervals around them', () => {
    const kept = retention(student, teacher);
    expect(kept.estimate).toBeCloseTo(0.86 / 0.9, 12);
    expect(kept.low).toBeLessThan(kept.estimate);
    expect(kept.high).toBeLessThan(1);
    const gap = gapClosed(student, alone, teacher);
    expect(gap.estimate).toBeCloseTo((0.86 - 0.7) / (0.9 - 0.7), 12);
    expect(gap.low).toBeGreaterThan(0.6);
    expect(gapClosed(student, teacher, teacher).estimate).toBeNaN();
  });
  it('knows losses and perplexities', () => {
    expect(retention([2, 2], [1, 1], { kind: 'loss' }).estimate).toBe(0.5);
    expect(retention([1.5, 2.5], [1, 2], { kind: 'nll' }).estimate).toBeCloseTo(Math.exp(-0.5), 12);
    expect(retention([student, teacher], teacher).estimate).toBeCloseTo((0.86 + 0.9) / 2 / 0.9, 12);
  });
});

describe('slices and latency', () => {
  it('groups, sorts worst first and marks small slices', () => {
    const r = sliceResults([1, 0, 1, 1], [['a', 'all'], ['b', 'all'], 'a', 'a'], { small: 2 });
    expect(r.map((s) => [s.slice, s.count, s.estimate, s.small])).toEqual([
      ['b', 1, 0, true],
      ['all', 2, 0.5, false],
      ['a', 3, 1, false],
    ]);
    expect(lengthBands([1, 2, 3, 4, 5, 6, 7, 8], 2)).toEqual([
      ...Array(4).fill('1–4'),
      ...Array(4).fill('5–8'),
    ]);
    expect(lengthBands([3, 3, 3], 4)).toEqual(['3', '3', '3']);
  });
  it('gives quantiles and throughput', async () => {
    const s = latencyStats([4, 2, 8, 6, 10], 32);
    expect(s).toMatchObject({ p50: 6, min: 2, max: 10, mean: 6, runs: 5 });
    expect(s.p95).toBeCloseTo(9.6, 12);
    expect(s.throughput).toBeCloseTo(32_000 / 6, 9);
    let calls = 0;
    const m = await measureLatency(() => calls++, { warmup: 2, runs: 7 });
    expect([calls, m.runs]).toEqual([9, 7]);
    expect(() => latencyStats([])).toThrow(/at least one/);
  });
});
