import { describe, expect, it } from 'vitest';
import { mul, sub, sum } from '../graph/index.ts';
import {
  adaptiveTemperature,
  anchoredCrossEntropy,
  anchoredLogp,
  anchoredOptimum,
  hardTargets,
  kernelRanks,
  softLabelDpo,
  softTargets,
  standardizedScores,
} from './anchored.ts';
import { dpo } from './preference.ts';
import { evaluate64, f64 } from './testing/evaluate.ts';

const logp = f64([
  [-3, -1, -2],
  [-4, -5, -6],
]);
const anchor = f64([
  [-2, -2, -1],
  [-6, -5, -5],
]);
const scores = f64([
  [0.4, -1, 2],
  [1, 1, -3],
]);

describe('anchored losses', () => {
  it('have the gradient (p - q)/τ per prompt, and none into the anchor', () => {
    const tau = 0.7;
    const { gradients } = evaluate64(
      (l, a, s) => sum(anchoredCrossEntropy(l, a, softTargets(s), { tau })),
      [logp, anchor, scores],
      [0, 1, 2],
    );
    const { value: slope } = evaluate64(
      (l, a, s) =>
        mul(sub(softTargets(anchoredLogp(l, a, { tau }), { temperature: 1 }), softTargets(s)), 1 / tau),
      [logp, anchor, scores],
      [],
    );
    gradients[0].forEach((g, i) => {
      expect(g).toBeCloseTo(slope[i], 12);
    });
    expect([...gradients[1], ...gradients[2]].every((g) => g === 0)).toBe(true);
  });

  it('are smallest at π* ∝ π_anchor q^τ; a uniform q gives the anchor back', () => {
    const tau = 1.7;
    const at = (uniform: boolean) =>
      evaluate64(
        (a, s) => {
          const q = uniform ? softTargets(mul(s, 0)) : softTargets(s);
          return anchoredOptimum(a, q, { tau });
        },
        [anchor, scores],
        [],
      ).value;
    const best = at(false);
    const { gradients } = evaluate64(
      (l, a, s) => anchoredCrossEntropy(l, a, softTargets(s), { tau }),
      [f64([[...best.slice(0, 3)].map(Math.log), [...best.slice(3)].map(Math.log)]), anchor, scores],
      [0],
    );
    gradients[0].forEach((g) => {
      expect(Math.abs(g)).toBeLessThan(1e-12);
    });
    const z = Math.exp(-2) + Math.exp(-2) + Math.exp(-1);
    expect(at(true)[2]).toBeCloseTo(Math.exp(-1) / z, 12);
  });

  it('leave absent responses out, whatever stands there', () => {
    const long = f64([[-3, -1, Number.NaN]]);
    const present = f64([[1, 1, 0]]);
    const { value, gradients } = evaluate64(
      (l, a, s, p) => anchoredCrossEntropy(l, a, softTargets(s, { present: p }), { tau: 2, present: p }),
      [long, f64([[-2, -2, 5]]), f64([[1, 0, Number.NaN]]), present],
      [0],
    );
    const short = evaluate64(
      (l, a, s) => anchoredCrossEntropy(l, a, softTargets(s), { tau: 2 }),
      [f64([[-3, -1]]), f64([[-2, -2]]), f64([[1, 0]])],
      [0],
    );
    expect(value[0]).toBeCloseTo(short.value[0], 12);
    expect(gradients[0][0]).toBeCloseTo(short.gradients[0][0], 12);
    expect(gradients[0][2]).toBe(0);
  });

  it('with hard labels on pairs are DPO with β = 1/τ', () => {
    const pair = [f64([1.5, -0.3]), f64([0.2, 0.9])];
    const { value } = evaluate64((w, l) => softLabelDpo(w, l, mul(w, 0), { tau: 4 }), pair, []);
    const { value: want } = evaluate64((w, l) => dpo({ chosen: l, rejected: w }, { beta: 0.25 }), pair, []);
    value.forEach((v, i) => {
      expect(v).toBeCloseTo(want[i], 12);
    });
  });

  it('hard targets: the first of equal scores, smoothing shared by the others', () => {
    const { value } = evaluate64((s) => hardTargets(s, { labelSmoothing: 0.3 }), [scores], []);
    expect([...value].map((v) => +v.toFixed(12))).toEqual([0.15, 0.15, 0.7, 0.7, 0.15, 0.15]);
    const one = evaluate64(
      (s, p) => hardTargets(s, { labelSmoothing: 0.3, present: p }),
      [
        scores,
        f64([
          [1, 0, 0],
          [1, 1, 0],
        ]),
      ],
      [],
    );
    expect([...one.value].map((v) => +v.toFixed(12))).toEqual([1, 0, 0, 0.7, 0.3, 0]);
  });

  it('standardized scores are 0 in a list of equal scores, even where their mean is rounded', () => {
    const of = (list: number[], there: number[]): number[] => [
      ...evaluate64((x, m) => standardizedScores(x, { present: m, eps: 0 }), [f64([list]), f64([there])])
        .value,
    ];
    expect(of([0.1, 0.1, 0.1, 9], [1, 1, 1, 0])).toEqual([0, 0, 0, 0]);
    expect(of([0, 7, 2, 0], [1, 0, 1, 0]).map((x) => x * Math.SQRT2)).toEqual([
      expect.closeTo(-1, 12),
      0,
      expect.closeTo(1, 12),
      0,
    ]);
  });

  it('kernel ranks keep the order, tame outliers and ignore absent scores', () => {
    const wild = f64([[0, 1, 2, 3, 1e6]]);
    const { value } = evaluate64((s) => kernelRanks(s), [wild], []);
    expect([...value]).toEqual([...value].sort((a, b) => a - b));
    expect(value[4]).toBeLessThanOrEqual(1);
    expect(value[4] - value[3]).toBeLessThan(0.35);
    // h by hand: quartiles 1 and 3
    const h = ((1.06 * 2) / 1.34) * 5 ** -0.2;
    const phi = (x: number): number => {
      const n = 20000;
      let sum = 0;
      for (let i = 0; i < n; i++) sum += Math.exp(-((-8 + ((x + 8) * (i + 0.5)) / n) ** 2 / 2));
      return (sum * (x + 8)) / n / Math.sqrt(2 * Math.PI);
    };
    expect(value[1]).toBeCloseTo((phi(1 / h) + 0.5 + phi(-1 / h) + phi(-2 / h)) / 5, 5);
    const masked = evaluate64(
      (s, p) => kernelRanks(s, { present: p }),
      [f64([[0, 1, 2, 3, 1e6, 7]]), f64([[1, 1, 1, 1, 1, 0]])],
      [],
    );
    value.forEach((v, i) => {
      expect(masked.value[i]).toBeCloseTo(v, 12);
    });
  });

  it('the adaptive temperature is clipped and ½ stands for equal rewards', () => {
    const flat = f64([[-10, -10]]);
    const even = evaluate64((l, r) => adaptiveTemperature(l, r, 10, { base: 4 }), [flat, f64([[1, 1]])], []);
    expect(even.value[0]).toBe(5);
    const sure = evaluate64((l, r) => adaptiveTemperature(l, r, 10), [f64([[0, 0]]), f64([[1, 1]])], []);
    expect(sure.value[0]).toBeCloseTo(0.8 * 1.25, 12);
  });
});
