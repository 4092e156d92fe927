import { describe, expect, it } from 'vitest';
import { hintonKl } from '../../losses/classification.ts';
import { classLogits, subclassKl } from '../../losses/subclasses.ts';
import { distance, evaluate64, f64 } from '../../losses/testing/evaluate.ts';
import { createRng } from '../../util/rng.ts';
import {
  nullSpaceProjector,
  randomRotation,
  subclassDirections,
  subclassLogits,
  subclassTargets,
} from './subclass-targets.ts';

const rng = createRng('subclasses');
const matrix = (rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, () => rng.normal()));
const times = (a: number[][], b: number[][]): number[][] =>
  a.map((row) => b[0].map((_, j) => row.reduce((s, v, k) => s + v * b[k][j], 0)));
const near = (a: number[][], b: number[][]): number => distance(a.flat(), b.flat());
const eye = (n: number): number[][] =>
  Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => +(i === j)));
const turned = (a: number[][]): number[][] => a[0].map((_, j) => a.map((row) => row[j]));

describe('subclass targets', () => {
  it('projects out what the output layer sees, also when its rows depend on each other', () => {
    const w = matrix(2, 6);
    const dependent = [...w, w[0].map((x, i) => x - 2 * w[1][i])];
    for (const weights of [w, dependent]) {
      const p = nullSpaceProjector(weights).to2DArray();
      expect(near(times(p, p), p)).toBeLessThan(1e-12);
      expect(
        near(
          times(weights, p),
          weights.map((r) => r.map(() => 0)),
        ),
      ).toBeLessThan(1e-12);
      expect(p.reduce((s, r, i) => s + r[i], 0)).toBeCloseTo(4, 10);
    }
  });

  it('rotations are orthonormal, seeded, and take both signs', () => {
    const q = randomRotation(4, createRng('q'));
    expect(near(times(turned(q), q), eye(4))).toBeLessThan(1e-12);
    expect(randomRotation(4, createRng('q'))).toEqual(q);
    const corners = Array.from({ length: 40 }, (_, i) => Math.sign(randomRotation(3, createRng(i))[0][0]));
    expect(new Set(corners)).toEqual(new Set([1, -1]));
  });

  const classes = 3;
  const h = matrix(30, 5);
  const w = matrix(classes, 5);
  const classOf = h.map((_, i) => i % classes);
  const logits = times(h, turned(w));

  it('split every class without changing its probability', () => {
    const rotations = Array.from({ length: classes }, (_, c) => randomRotation(2, createRng(`r${c}`)));
    const d = subclassDirections(h, classOf, rotations, { subclasses: 2, weights: w });
    const logp = subclassTargets(logits, subclassLogits(h, d), { beta: 0.3, temperature: 2 });
    const plain = subclassTargets(
      logits,
      logits.map((r) => r.map(() => [0])),
      { beta: 1, temperature: 2 },
    );
    const summed = logp.map((r) =>
      Array.from({ length: classes }, (_, c) => Math.exp(r[2 * c]) + Math.exp(r[2 * c + 1])),
    );
    expect(
      near(
        summed,
        plain.map((r) => r.map(Math.exp)),
      ),
    ).toBeLessThan(1e-12);
    // and they do split: subclasses of one class differ from row to row
    const shares = logp.map((r) => Math.exp(r[0] - Math.log(Math.exp(r[0]) + Math.exp(r[1]))));
    expect(Math.max(...shares) - Math.min(...shares)).toBeGreaterThan(0.3);
  });

  it('with one subclass per class it is plain distillation', () => {
    const d = subclassDirections(h, classOf, [[[1]], [[1]], [[1]]], { subclasses: 1, weights: w });
    const logp = subclassTargets(logits, subclassLogits(h, d), { beta: 0.3, temperature: 2 });
    const student = f64(matrix(30, classes));
    const got = evaluate64((x, y) => subclassKl(x, y, { temperature: 2 }), [student, f64(logp)]);
    const want = evaluate64((x, y) => hintonKl(x, y, { temperature: 2 }), [student, f64(logits)]);
    expect(distance(got.value, want.value)).toBeLessThan(1e-10);
    expect(distance(got.gradients[0], want.gradients[0])).toBeLessThan(1e-10);
  });

  it('class probabilities are sums of subclass probabilities', () => {
    const { value } = evaluate64((x) => classLogits(x, 2), [f64([[0, Math.log(3), Math.log(4), 0]])], []);
    expect([...value].map(Math.exp)).toEqual([expect.closeTo(4 / 9, 12), expect.closeTo(5 / 9, 12)]);
    expect(() => evaluate64((x) => classLogits(x, 3), [f64([[0, 0, 0, 0]])], [])).toThrow(/multiples of 3/);
  });

  it('says when a class has too few rows', () => {
    expect(() => subclassDirections(h.slice(0, 6), classOf.slice(0, 6), [w, w], { subclasses: 2 })).toThrow(
      /class 0, 2 rows.*at most 1 subclasses/,
    );
  });
});
