import { describe, expect, it } from 'vitest';
import { forwardKl, reverseKl, temperedLogp } from '../../losses/divergences.ts';
import { evaluate64, f64, normals } from '../../losses/testing/evaluate.ts';
import { createRng } from '../../util/rng.ts';
import { checkMethod } from '../testing/check-method.ts';
import { interpolatedCrossEntropy, taid, taidSchedule } from './taid.ts';
import { taidVectors } from './taid.vectors.ts';

checkMethod(taid, { vectors: taidVectors });

describe('taid', () => {
  it('starts as a scaled step of the reverse KL', () => {
    const rng = createRng('taid');
    const [s, t] = [normals(rng, [4, 5]), normals(rng, [4, 5])];
    const gradient = (small: number): Float64Array =>
      evaluate64((x, y) => interpolatedCrossEntropy(x, y, small), [s, t]).gradients[0];
    const reverse = evaluate64((x, y) => reverseKl(temperedLogp(x), temperedLogp(y)), [s, t]).gradients[0];
    const off = (small: number): number =>
      Math.max(...gradient(small).map((g, i) => Math.abs(g / small - reverse[i])));
    expect(off(1e-3)).toBeLessThan(5e-3);
    expect(off(1e-4) / off(1e-3)).toBeCloseTo(0.1, 2);
  });

  it('gives classes that the teacher rules out no part in the target', () => {
    const [s, t] = [f64([[1, 2, 3]]), f64([[2, Number.NEGATIVE_INFINITY, 0]])];
    for (const at of [0, 0.5, 1]) {
      const { value, gradients } = evaluate64((x, y) => interpolatedCrossEntropy(x, y, at), [s, t]);
      expect(Number.isFinite(value[0])).toBe(true);
      expect(gradients[0][1]).toBeCloseTo(Math.exp(2) / (Math.exp(1) + Math.exp(2) + Math.exp(3)), 12);
    }
    const kl = evaluate64((x, y) => forwardKl(temperedLogp(x), temperedLogp(y)), [s, t]);
    const one = evaluate64((x, y) => interpolatedCrossEntropy(x, y, 1), [s, t]);
    one.gradients[0].forEach((g, i) => {
      expect(g).toBeCloseTo(kl.gradients[0][i], 12);
    });
  });

  it('never moves t back, and follows the line when alpha is 0', () => {
    const run = (alpha: number): number[] => {
      const config = taid.config.parse({ alpha });
      let state = taidSchedule.init(config);
      return Array.from({ length: 20 }, (_, step) => {
        state = taidSchedule.next(state, { terms: { taid: 2 + Math.sin(step) }, step, steps: 20 }, config);
        return state.t;
      });
    };
    const fast = run(0.3);
    expect(fast.every((t, i) => i === 0 || t >= fast[i - 1])).toBe(true);
    expect(fast[9]).toBeGreaterThan(0.4 + 0.6 * (9 / 20) + 0.1);
    expect(run(0).slice(1)).toEqual(Array.from({ length: 19 }, (_, i) => 0.4 + 0.6 * ((i + 1) / 20)));
  });
});
