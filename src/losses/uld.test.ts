import { describe, expect, it } from 'vitest';
import { mean, type NDArray, ndarray, softmax, type Tensor, toNumbers } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import { alignByBytes, alignedSpanKl, alignedSpanMse, mergeGroups, spanLogLikelihood } from './alignment.ts';
import { generalizedJsd, temperedLogp } from './divergences.ts';
import {
  allFinite,
  distance,
  evaluate32,
  evaluate64,
  f64,
  i32,
  normals,
  takeColumns,
} from './testing/evaluate.ts';
import { hybridUld, sortedDistance, uld } from './uld.ts';

const rng = createRng('uld');

/** Columns of the last axis in another order. */
const permuteVocabulary = (a: NDArray, order: readonly number[]): NDArray => {
  const [b, s, v] = a.shape;
  return ndarray(toNumbers(takeColumns(ndarray(toNumbers(a), [b * s, v]), order)), [b, s, v]);
};

describe('uld', () => {
  const [s, t] = [normals(rng, [2, 4, 5], 2), normals(rng, [2, 6, 7], 2)];
  const [ms, mt] = [
    i32([
      [0, 1, 1, 1],
      [0, 0, 1, 1],
    ]),
    i32([
      [0, 0, 1, 1, 0, 0],
      [0, 1, 1, 1, 1, 0],
    ]),
  ];
  it('is the same through any permutation of either vocabulary, exactly', () => {
    const plain = evaluate64((a, b, x, y) => uld(a, b, x, y), [s, t, ms, mt]);
    const moved = evaluate64(
      (a, b, x, y) => uld(a, b, x, y),
      [permuteVocabulary(s, [3, 0, 4, 1, 2]), permuteVocabulary(t, [6, 5, 4, 3, 2, 1, 0]), ms, mt],
    );
    expect(distance(moved.value, plain.value)).toBeLessThan(1e-14);
  });
  it('compares as many positions as both answers have, and is 0 for equal models and without an answer', () => {
    // example 0: 3 student tokens, 2 teacher tokens; only the first two rows may matter
    const dirty = ndarray(toNumbers(s).slice(), [2, 4, 5]);
    (dirty.data as Float64Array).fill(Number.NaN, 15, 20);
    const plain = evaluate64((a, b, x, y) => uld(a, b, x, y), [s, t, ms, mt]);
    const got = evaluate64((a, b, x, y) => uld(a, b, x, y), [dirty, t, ms, mt]);
    expect(distance(got.value, plain.value)).toBeLessThan(1e-14);
    expect(allFinite(got)).toBe(true);
    const same = evaluate64((a, x) => uld(a, a, x, x), [s, ms]);
    expect([...same.value]).toEqual([0, 0]);
    const none = evaluate64((a, b, x, y) => uld(a, b, x, y), [s, t, i32(Array(2).fill([0, 0, 0, 0])), mt]);
    expect([...none.value]).toEqual([0, 0]);
    expect(allFinite(none)).toBe(true);
  });
  it('the bayesian strategy takes the row before: a shift by one of the logits', () => {
    const later = ndarray(
      toNumbers(s).map((_, i) => {
        const [b, p, v] = [Math.floor(i / 20), Math.floor((i % 20) / 5), i % 5];
        return toNumbers(s)[20 * b + 5 * Math.max(0, p - 1) + v];
      }),
      [2, 4, 5],
    );
    const laterT = ndarray(
      toNumbers(t).map((_, i) => {
        const [b, p, v] = [Math.floor(i / 42), Math.floor((i % 42) / 7), i % 7];
        return toNumbers(t)[42 * b + 7 * Math.max(0, p - 1) + v];
      }),
      [2, 6, 7],
    );
    const bayesian = evaluate64(
      (a, b, x, y) => uld(a, b, x, y, { strategy: 'bayesian' }),
      [s, t, ms, mt],
    ).value;
    const shifted = evaluate64((a, b, x, y) => uld(a, b, x, y), [later, laterT, ms, mt]).value;
    expect(distance(bayesian, shifted)).toBeLessThan(1e-14);
  });
  it('is finite on extreme logits and the same in float32', async () => {
    const big = ndarray(
      toNumbers(s).map((v) => 1e4 * v),
      [2, 4, 5],
    );
    const loss = (a: Tensor, b: Tensor, x: Tensor, y: Tensor) => uld(a, b, x, y);
    const got = evaluate64(loss, [big, t, ms, mt]);
    expect(allFinite(got)).toBe(true);
    const plain = evaluate64(loss, [s, t, ms, mt]);
    const single = await evaluate32(loss, [s, t, ms, mt]);
    expect(distance(single.value, plain.value)).toBeLessThan(1e-4);
    expect(distance(single.gradients[0], plain.gradients[0])).toBeLessThan(1e-4);
  });
});

describe('hybrid uld', () => {
  const [s, t] = [normals(rng, [3, 4]), normals(rng, [3, 5])];
  it('all tokens matched: the generalized JSD; none matched: the sorted distance', () => {
    const all = { student: [0, 1, 2, 3], teacher: [3, 1, 0, 2] };
    const four = normals(rng, [3, 4]);
    const got = evaluate64((a, b) => hybridUld(softmax(a), softmax(b), all, { beta: 0.5 }), [s, four]).value;
    const want = evaluate64(
      (a, b) => generalizedJsd(temperedLogp(a), temperedLogp(b)),
      [s, takeColumns(four, all.teacher)],
    ).value;
    expect(distance(got, want)).toBeLessThan(1e-6);
    const none = evaluate64(
      (a, b) => hybridUld(softmax(a), softmax(b), { student: [], teacher: [] }),
      [s, t],
    ).value;
    expect(
      distance(none, evaluate64((a, b) => sortedDistance(softmax(a), softmax(b)), [s, t]).value),
    ).toBeLessThan(1e-14);
  });
});

describe('alignment', () => {
  it('groups tokens that end at the same byte, for any two tokenizations', () => {
    for (let round = 0; round < 20; round++) {
      const length = 1 + rng.int(20);
      const cut = (): number[][] => {
        const ends = [...Array(length - 1).keys()].map((i) => i + 1).filter(() => rng.int(3) === 0);
        return [...ends, length].map((end, i, all) => [i === 0 ? 0 : all[i - 1], end]);
      };
      const [a, b] = [cut(), cut()];
      const groups = alignByBytes(a, b);
      expect(groups.student.flat()).toEqual(a.map((_, i) => i));
      expect(groups.teacher.flat()).toEqual(b.map((_, i) => i));
      groups.student.forEach((g, k) => {
        const other = groups.teacher[k];
        expect(a[g[0]][0]).toBe(b[other[0]][0]);
        expect(a[g[g.length - 1]][1]).toBe(b[other[other.length - 1]][1]);
      });
    }
  });
  it('leftovers form a last group', () => {
    expect(
      alignByBytes(
        [
          [0, 1],
          [1, 3],
        ],
        [[0, 1]],
      ),
    ).toEqual({ student: [[0], [1]], teacher: [[0], []] });
  });
  it('merging groups of one changes nothing; a merged row holds the chain of actual tokens', () => {
    const p = f64([
      [0.5, 0.5],
      [0.25, 0.75],
      [0.1, 0.9],
    ]);
    const ids = i32([0, 1, 0]);
    const alone = evaluate64((x, y) => mergeGroups(x, y, [[0], [1], [2]]), [p, ids]).value;
    expect([...alone]).toEqual([...toNumbers(p)]);
    const merged = evaluate64((x, y) => mergeGroups(x, y, [[0, 1, 2]]), [p, ids]);
    expect(distance(merged.value, [0.5 * 0.75 * 0.1, 0.5 * 0.75 * 0.1])).toBeLessThan(1e-12);
    expect(allFinite(merged)).toBe(true);
    expect(() => evaluate64((x, y) => mergeGroups(x, y, [[]]), [p, ids])).toThrow(/empty/);
  });
  it('span likelihoods add up over any segmentation, and their KL is 0 at equality, not negative, finite', async () => {
    const logp = f64([-1, -2, -0.5, -3]);
    const spans = evaluate64((x, i) => spanLogLikelihood(x, i, 2), [logp, i32([0, 0, 1, 1])]).value;
    expect([...spans]).toEqual([-3, -3.5]);
    const [q, p] = [f64([-3, -1e-4, -1e4, -20]), f64([-1, -0.2, -2, -1e4])];
    const got = evaluate64(alignedSpanKl, [q, p]);
    expect(allFinite(got)).toBe(true);
    expect(Math.min(...got.value)).toBeGreaterThan(0);
    const single = await evaluate32(alignedSpanKl, [q, p]);
    expect(distance(single.value, got.value)).toBeLessThan(1e-4);
    expect(Math.max(...evaluate64((x) => alignedSpanKl(x, x), [q]).value.map(Math.abs))).toBeLessThan(1e-12);
    expect(evaluate64((a, b) => mean(alignedSpanMse(a, b)), [f64([1]), f64([3])]).value[0]).toBe(4);
  });
});
