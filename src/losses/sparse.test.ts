import { describe, expect, it } from 'vitest';
import { type NDArray, ndarray, type Tensor } from '../graph/index.ts';
import { createRng, type Rng } from '../util/rng.ts';
import {
  alphaDivergence,
  forwardKl,
  generalizedJsd,
  reverseKl,
  skewedForwardKl,
  skewedReverseKl,
  temperedLogp,
  totalVariation,
} from './divergences.ts';
import { maskedMean } from './reduce.ts';
import {
  sparseHinge,
  sparseJsd,
  sparseKl,
  sparseLogisticRanking,
  sparseTotalVariation,
  type TopKTeacher,
  tailLabels,
  withTail,
} from './sparse.ts';
import {
  allFinite,
  bools,
  distance,
  evaluate32,
  evaluate64,
  f64,
  i32,
  normals,
  takeRows,
} from './testing/evaluate.ts';

/** The k most likely classes of each row of logits, with exact log-probabilities and tails. */
function topOf(logits: NDArray, k: number): { ids: NDArray; logp: NDArray; logTail: NDArray } {
  const [n, c] = logits.shape;
  const logp = evaluate64((x) => temperedLogp(x), [logits], []).value;
  const ids = new Int32Array(n * k);
  const values = new Float64Array(n * k);
  const tails = new Float64Array(n);
  for (let r = 0; r < n; r++) {
    const row = [...logp.subarray(r * c, (r + 1) * c)];
    const order = row.map((_, i) => i).sort((a, b) => row[b] - row[a]);
    order.slice(0, k).forEach((id, j) => {
      ids[r * k + j] = id;
      values[r * k + j] = row[id];
    });
    tails[r] = Math.log(order.slice(k).reduce((sum, id) => sum + Math.exp(row[id]), 0));
  }
  return { ids: ndarray(ids, [n, k]), logp: ndarray(values, [n, k]), logTail: ndarray(tails, [n]) };
}

const shapes = (rng: Rng): [n: number, c: number, k: number] => {
  const c = 3 + rng.int(20);
  return [1 + rng.int(4), c, 1 + rng.int(c - 1)];
};

type Divergence = (q: Tensor, p: Tensor) => Tensor;
const F_DIVERGENCES: [string, Divergence][] = [
  ['forward KL', forwardKl],
  ['reverse KL', reverseKl],
  ['JSD', generalizedJsd],
  ['JSD 0.2', (q, p) => generalizedJsd(q, p, { beta: 0.2 })],
  ['skewed forward KL', skewedForwardKl],
  ['skewed reverse KL', skewedReverseKl],
  ['total variation', totalVariation],
  ['α-divergence 0.5', alphaDivergence],
  ['α-divergence 1.5', (q, p) => alphaDivergence(q, p, { alpha: 1.5 })],
];

describe.each(F_DIVERGENCES)('%s over the top k and the tail', (name, fn) => {
  const rng = createRng(`top-k ${name}`);
  it('never exceeds the dense value, is not negative, and is finite with its gradient', () => {
    for (let round = 0; round < 6; round++) {
      const [n, c, k] = shapes(rng);
      const scale = rng.pick([0.5, 3]);
      const [s, t] = [normals(rng, [n, c], scale), normals(rng, [n, c], scale)];
      const { ids, logp, logTail } = topOf(t, k);
      const dense = evaluate64((x, y) => fn(temperedLogp(x), temperedLogp(y)), [s, t]);
      const sparse = evaluate64(
        (x, i, v, tail) => {
          const both = withTail(x, { ids: i, logp: v, logTail: tail });
          return fn(both.studentLogp, both.teacherLogp);
        },
        [s, ids, logp, logTail],
      );
      expect(allFinite(sparse)).toBe(true);
      sparse.value.forEach((v, i) => {
        expect(v).toBeGreaterThanOrEqual(-1e-12);
        expect(v).toBeLessThanOrEqual(dense.value[i] + 1e-7);
      });
    }
  });
});

const SPARSE = [
  ['KL', sparseKl],
  ['JSD', sparseJsd],
  ['TV', sparseTotalVariation],
] as const;

describe.each(SPARSE)('sparse %s', (name, fn) => {
  const rng = createRng(`sparse ${name}`);
  const dense = { KL: forwardKl, JSD: generalizedJsd, TV: totalVariation }[name];

  it('with a tail is the dense divergence of the K+1 distributions, and the dense one when k is all but one class', () => {
    const [s, t] = [normals(rng, [3, 5], 2), normals(rng, [3, 5], 2)];
    const { ids, logp } = topOf(t, 4);
    const direct = evaluate64((x, i, v) => fn(x, { ids: i, logp: v }), [s, ids, logp]);
    const generic = evaluate64(
      (x, i, v) => {
        const both = withTail(x, { ids: i, logp: v });
        return dense(both.studentLogp, both.teacherLogp);
      },
      [s, ids, logp],
    );
    const whole = evaluate64((x, y) => dense(temperedLogp(x), temperedLogp(y)), [s, t]);
    for (const other of [generic, whole]) {
      expect(distance(direct.value, other.value)).toBeLessThan(1e-9);
      expect(distance(direct.gradients[0], other.gradients[0])).toBeLessThan(1e-9);
    }
  });

  it('is finite on extreme logits, with padding, and the same in float32; both kinds of missing mass', async () => {
    const s = f64([
      [1e4, -1e4, 0, 3, 2],
      [0, 1, -1, 2, 0],
    ]);
    const ids = i32([
      [1, 3, -1],
      [4, 0, 2],
    ]);
    const logp = f64([
      [-0.2, -3, 7],
      [-1, -1.5, -2],
    ]);
    for (const missing of ['tail', 'zero'] as const) {
      const loss = (x: Tensor, i: Tensor, v: Tensor) =>
        fn(x, { ids: i, logp: v }, { missing, temperature: 1.5 });
      const got = evaluate64(loss, [s, ids, logp]);
      expect(allFinite(got), missing).toBe(true);
      const single = await evaluate32(loss, [s, ids, logp]);
      expect(distance(single.value, got.value), missing).toBeLessThan(1e-4);
      expect(distance(single.gradients[0], got.gradients[0]), missing).toBeLessThan(1e-4);
    }
  });

  it('padding does not matter, nor does the order of the top k', () => {
    const s = normals(rng, [1, 6], 2);
    const plain = evaluate64((x, i, v) => fn(x, { ids: i, logp: v }), [s, i32([[3, 1]]), f64([[-1, -1.2]])]);
    const padded = evaluate64(
      (x, i, v) => fn(x, { ids: i, logp: v }),
      [s, i32([[-1, 1, 3, -1]]), f64([[9, -1.2, -1, Number.NaN]])],
    );
    expect(distance(padded.value, plain.value)).toBeLessThan(1e-12);
    expect(distance(padded.gradients[0], plain.gradients[0])).toBeLessThan(1e-12);
  });

  it('masked equals filtered', () => {
    const s = normals(rng, [4, 6], 2);
    const { ids, logp } = topOf(normals(rng, [4, 6], 2), 2);
    (s.data as Float64Array).fill(Number.NaN, 6, 12);
    const mask = bools([true, false, true, true]);
    const masked = evaluate64((x, i, v, m) => fn(x, { ids: i, logp: v }, { mask: m }), [s, ids, logp, mask]);
    const keep = [0, 2, 3];
    const filtered = evaluate64(
      (x, i, v) => fn(x, { ids: i, logp: v }),
      [takeRows(s, keep), takeRows(ids, keep), takeRows(logp, keep)],
    );
    expect(allFinite(masked)).toBe(true);
    expect(
      distance(
        keep.map((i) => masked.value[i]),
        filtered.value,
      ),
    ).toBeLessThan(1e-12);
  });
});

describe('edges of the top k', () => {
  it('all classes listed: the tail is the clamped 1e-8 on both sides', () => {
    const { ids, logp } = topOf(f64([[1, 0, 2]]), 3);
    const got = evaluate64((x, i, v) => sparseKl(x, { ids: i, logp: v }), [f64([[1, 0, 2]]), ids, logp]);
    expect(Math.abs(got.value[0])).toBeLessThan(1e-6);
    expect(allFinite(got)).toBe(true);
  });
  it('a vocabulary of one token', () => {
    const got = evaluate64(
      (x, i, v) => sparseKl(x, { ids: i, logp: v }),
      [f64([[3]]), i32([[0]]), f64([[0]])],
    );
    expect(Math.abs(got.value[0])).toBeLessThan(1e-6);
    expect(allFinite(got)).toBe(true);
  });
  it('a label becomes its place among the ids, or the tail', () => {
    expect([
      ...evaluate64(
        tailLabels,
        [
          i32([5, 9]),
          i32([
            [5, 7],
            [5, 7],
          ]),
        ],
        [],
      ).value,
    ]).toEqual([0, 2]);
  });
});

describe('pairs of the top k', () => {
  const teacher = (i: Tensor, v: Tensor): TopKTeacher => ({ ids: i, logp: v });
  const rng = createRng('pairs');
  const ids = i32([
    [4, 0, 2],
    [1, 3, -1],
  ]);
  const logp = f64([
    [-0.3, -2, -2],
    [-0.1, -4, 0],
  ]);
  const s = normals(rng, [2, 5]);
  it('count preferred pairs only: no ties, no padding, no masked rows', () => {
    const count = (mask?: NDArray) =>
      evaluate64(
        (x, i, v, m) => sparseLogisticRanking(x, teacher(i, v), { mask: m }).pairs,
        mask ? [s, ids, logp, mask] : [s, ids, logp],
        [],
      ).value.reduce((a, b) => a + b, 0);
    expect(count()).toBe(3);
    expect(count(bools([true, false]))).toBe(2);
  });
  it('are finite with their gradients at extreme logits', () => {
    const extreme = f64([
      [1e4, 0, -1e4, 0, -1e4],
      [1e4, -1e4, 0, 1e4, 0],
    ]);
    for (const fn of [sparseLogisticRanking, sparseHinge]) {
      const got = evaluate64(
        (x, i, v) => {
          const { values, pairs } = fn(x, teacher(i, v));
          return maskedMean(values, pairs);
        },
        [extreme, ids, logp],
      );
      expect(allFinite(got)).toBe(true);
    }
  });
});
