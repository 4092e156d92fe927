import { describe, expect, it } from 'vitest';
import { log1mExp, logSumExp, normalize, safeDiv, safeNorm, safeSqrt, weigh } from './numerics.ts';
import { allFinite, distance, evaluate32, evaluate64, f64 } from './testing/evaluate.ts';

const I = Number.NEGATIVE_INFINITY;

describe('logSumExp', () => {
  const x = f64([
    [I, I, -2e4, I],
    [I, 0, I, I],
    [I, I, I, I],
    [1e4, 1e4, I, -1e4],
  ]);
  it('handles -∞ anywhere, on both engines, with a finite gradient', async () => {
    const want = [-2e4, 0, I, 1e4 + Math.LN2];
    for (const keep of [false, true]) {
      const got = evaluate64((t) => logSumExp(t, -1, keep), [x]);
      expect(distance(got.value, want)).toBeLessThan(1e-12);
      expect(got.gradients[0].every(Number.isFinite)).toBe(true);
      const single = await evaluate32((t) => logSumExp(t, -1, keep), [x]);
      expect(distance(single.value, want)).toBeLessThan(1e-6);
      expect(distance(single.gradients[0], got.gradients[0])).toBeLessThan(1e-6);
    }
  });
});

describe('log1mExp', () => {
  it('is accurate near 0 and far from it, in value and gradient', async () => {
    const at = [-1e-7, -0.1, -Math.LN2, -1, -50];
    const got = evaluate64(log1mExp, [f64(at)]);
    const want = at.map((v) => (v > -0.7 ? Math.log(-Math.expm1(v)) : Math.log1p(-Math.exp(v))));
    expect(distance(got.value, want)).toBeLessThan(1e-12);
    expect(allFinite(got)).toBe(true);
    expect(distance((await evaluate32(log1mExp, [f64(at)])).value, want)).toBeLessThan(1e-5);
    expect([...evaluate64(log1mExp, [f64([0])]).value]).toEqual([I]);
    expect([...evaluate64(log1mExp, [f64([0])]).gradients[0]]).toEqual([0]);
  });
});

describe('guards', () => {
  it('roots, norms and quotients have a zero gradient at 0', () => {
    for (const f of [safeSqrt, safeNorm, normalize]) {
      const got = evaluate64((t) => f(t), [f64([[0, 0]])]);
      expect(allFinite(got)).toBe(true);
      expect([...got.gradients[0]].every((v) => Math.abs(v) < 1e13)).toBe(true);
    }
    expect([...evaluate64((a, b) => safeDiv(a, b, 7), [f64([1, 1]), f64([0, 2])], [0, 1]).value]).toEqual([
      7, 0.5,
    ]);
  });
  it('a zero weight silences infinities', () => {
    const got = evaluate64(
      (a, x, y) => weigh(a, x, y),
      [f64([0, 0, 1]), f64([I, 3, 2]), f64([I, I, 1])],
      [0, 1, 2],
    );
    expect([...got.value]).toEqual([0, 0, 1]);
    expect(allFinite(got)).toBe(true);
  });
});
