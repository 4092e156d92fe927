import { describe, expect, it } from 'vitest';
import { evaluate64, f64, i32 } from '../../losses/testing/evaluate.ts';
import { checkMethod } from '../testing/check-method.ts';
import { ffG2m, highFrequency, lowFrequency } from './ff-g2m.ts';
import { ffG2mVectors } from './ff-g2m.vectors.ts';

checkMethod(ffG2m, { vectors: ffG2mVectors });

const H = f64([
  [4, 0],
  [0, 4],
  [1, 0],
]);

describe('ff-g2m', () => {
  it('takes the student at the source of an edge and the teacher at its target', () => {
    const z = f64([
      [0, 4],
      [4, 0],
      [7, 7],
    ]);
    const kl = (source: number[], target: number[]): number[] => [
      ...evaluate64(
        (s, t, a, b) => lowFrequency(s, t, { source: a, target: b }),
        [z, H, i32(source), i32(target)],
        [],
      ).value,
    ];
    expect(kl([0, 1], [1, 0])[0]).toBeCloseTo(0, 12);
    expect(kl([0, 1], [1, 0])[1]).toBeCloseTo(0, 12);
    expect(kl([0], [0])[0]).toBeGreaterThan(3);
  });

  it('compares the size of differences of raw logits, softened by τ, with the teacher as reference', () => {
    const z = f64([
      [3, 1],
      [1, 0],
      [0, 0],
    ]);
    const { value } = evaluate64(
      (s, t, a, b) => highFrequency(s, t, { source: a, target: b }, 2),
      [z, H, i32([0]), i32([2])],
      [],
    );
    // |h_0 - h_2| / 2 = (1.5, 0), |z_0 - z_2| / 2 = (1.5, 0.5)
    const p = Math.exp(1.5) / (Math.exp(1.5) + 1);
    const q = Math.E / (Math.E + 1);
    expect(value[0]).toBeCloseTo(p * Math.log(p / q) + (1 - p) * Math.log((1 - p) / (1 - q)), 12);
  });

  it('has a gradient of 0 where neighbours agree exactly', () => {
    const z = f64([
      [1, 2],
      [1, 2],
      [0, 0],
    ]);
    const { gradients } = evaluate64(
      (s, t, a, b) => highFrequency(s, t, { source: a, target: b }, 1),
      [z, H, i32([0, 1]), i32([1, 0])],
    );
    expect([...gradients[0]].every((g) => g === 0)).toBe(true);
  });
});
