import { describe, expect, it } from 'vitest';
import { evaluate64, f64, i32 } from '../../losses/testing/evaluate.ts';
import { checkMethod } from '../testing/check-method.ts';
import { listwiseDistillation, pld, teacherRanking } from './pld.ts';
import { pldVectors } from './pld.vectors.ts';

checkMethod(pld, { vectors: pldVectors });

describe('pld', () => {
  it('ranks the label first, then by teacher logit, ties by id; unlabelled rows by the teacher alone', () => {
    const t = f64([
      [1, 3, 3, 2],
      [1, 3, 3, 2],
    ]);
    const { value } = evaluate64((x, y) => teacherRanking(x, y), [t, i32([3, -100])], []);
    expect([...value]).toEqual([3, 1, 2, 0, 1, 2, 3, 0]);
  });

  it('keeps small tails and large logits finite and exact', () => {
    const s = f64([[1000, -1000, 0, 3]]);
    const t = f64([[0, 1, 2, 3]]);
    const { value, gradients } = evaluate64(
      (x, y, l) => listwiseDistillation(x, y, l, pld.config.parse({})).loss,
      [s, t, i32([1])],
    );
    // label 1 first (2000 below the best), then 3, 2, 0: α weighs 2000, 997, 1000 and 0
    const z = [0, 1, 2, 3].map(Math.exp).reduce((a, b) => a + b);
    expect(value[0]).toBeCloseTo((Math.exp(1) * 2000 + Math.exp(3) * 997 + Math.exp(2) * 1000) / z, 8);
    expect(gradients[0].every(Number.isFinite)).toBe(true);
  });

  it('trains the ranking of the teacher, not its reverse', () => {
    const t = f64([[3, 2, 1, 0]]);
    const value = (s: number[]): number =>
      evaluate64(
        (x, y, l) => listwiseDistillation(x, y, l, pld.config.parse({ temperature: 4 })).loss,
        [f64([s]), t, i32([0])],
        [],
      ).value[0];
    expect(value([3, 2, 1, 0])).toBeLessThan(value([3, 0, 1, 2]));
  });
});
