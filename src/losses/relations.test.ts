import { describe, expect, it } from 'vitest';
import { mean, mul, type NDArray, ndarray, sub, type Tensor, toNumbers } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import { crdLoss, crdScores, crdUpdateMemory, infoNce } from './contrastive.ts';
import {
  adaptiveAveragePool,
  attentionMap,
  attentionTransfer,
  convProjector,
  fitnetHint,
  hiddenStateCosine,
  hiddenStateMse,
  linearProjector,
  mlpProjector,
} from './features.ts';
import { miniLmRelation, miniLmV1, miniLmV2 } from './minilm.ts';
import {
  linearCka,
  pairwiseDistances,
  probabilisticTransfer,
  rkdAngle,
  rkdDistance,
  similarityPreserving,
} from './relations.ts';
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

const rng = createRng('relations');
type Pair = (s: Tensor, t: Tensor) => Tensor;
const RELATIONS: { name: string; loss: Pair; scale: boolean }[] = [
  { name: 'RKD distance', loss: (s, t) => mean(rkdDistance(s, t)), scale: true },
  { name: 'RKD angle', loss: (s, t) => mean(rkdAngle(s, t)), scale: true },
  { name: 'PKT', loss: (s, t) => mean(probabilisticTransfer(s, t)), scale: true },
  { name: 'similarity preserving (L2)', loss: (s, t) => mean(similarityPreserving(s, t)), scale: true },
  {
    name: 'similarity preserving (L1)',
    loss: (s, t) => mean(similarityPreserving(s, t, { norm: 'l1' })),
    scale: true,
  },
  { name: '1 - CKA', loss: (s, t) => sub(1, linearCka(s, t)), scale: true },
];

describe.each(RELATIONS)('$name', ({ loss, scale }) => {
  const [s, t] = [normals(rng, [5, 3], 2), normals(rng, [5, 4], 2)];
  const t4 = normals(rng, [3, 5, 1, 1]);
  it('is not negative, 0 with its gradient for equal relations, the same in float32', async () => {
    const drawn = (): [NDArray, NDArray] => {
      const batch = 3 + rng.int(4);
      return [normals(rng, [batch, 2 + rng.int(5)], 2), normals(rng, [batch, 2 + rng.int(5)], 2)];
    };
    for (const inputs of [[s, t], drawn(), drawn()]) {
      const got = evaluate64(loss, inputs);
      expect(got.value[0]).toBeGreaterThan(0);
      const single = await evaluate32(loss, inputs);
      expect(distance(single.value, got.value)).toBeLessThan(1e-4);
      expect(distance(single.gradients[0], got.gradients[0])).toBeLessThan(1e-4);
    }
    const same = evaluate64(loss, [s, s]);
    expect(Math.abs(same.value[0])).toBeLessThan(1e-9);
    expect(Math.max(...same.gradients[0].map(Math.abs))).toBeLessThan(1e-6);
  });
  it('does not depend on the order of the batch, on rotation, or on the scale of a model', () => {
    const order = rng.shuffle([0, 1, 2, 3, 4]);
    const plain = evaluate64(loss, [s, t]).value;
    expect(distance(evaluate64(loss, [takeRows(s, order), takeRows(t, order)]).value, plain)).toBeLessThan(
      1e-10,
    );
    const [c, d] = [Math.cos(1), Math.sin(1)];
    const x = toNumbers(s);
    const rotated = ndarray(
      Float64Array.from({ length: 15 }, (_, i) => {
        const r = 3 * Math.floor(i / 3);
        return i % 3 === 0 ? c * x[r] - d * x[r + 1] : i % 3 === 1 ? d * x[r] + c * x[r + 1] : x[i];
      }),
      [5, 3],
    );
    expect(distance(evaluate64(loss, [rotated, t]).value, plain)).toBeLessThan(1e-6);
    if (scale) {
      const wider = ndarray(
        x.map((v) => 3 * v),
        [5, 3],
      );
      expect(distance(evaluate64(loss, [wider, t]).value, plain)).toBeLessThan(1e-6);
    }
  });
  it('is finite with its gradient for equal rows, zero rows, a single row and large features', () => {
    const odd: NDArray[] = [
      f64([
        [1, 2, 3],
        [1, 2, 3],
        [0, 0, 0],
      ]),
      f64([
        [0, 0, 0],
        [0, 0, 0],
        [0, 0, 0],
      ]),
      f64([[1, 2, 3]]),
      f64([
        [1e4, -1e4, 0],
        [-1e4, 1e4, 1],
        [1e4, 1e4, 1e4],
      ]),
    ];
    for (const a of odd) {
      const b = normals(rng, [a.shape[0], 4]);
      expect(allFinite(evaluate64(loss, [a, b]))).toBe(true);
    }
  });
  it('takes trailing axes as one', () => {
    const maps = normals(rng, [3, 2, 2, 3]);
    const flat = ndarray(toNumbers(maps), [3, 12]);
    const [a, b] = [evaluate64(loss, [maps, t4]), evaluate64(loss, [flat, t4])];
    expect(distance(a.value, b.value)).toBe(0);
    expect(distance(a.gradients[0], b.gradients[0])).toBe(0);
  });
  it('gives the teacher no gradient', () => {
    expect(evaluate64(loss, [s, t], [1]).gradients[0].every((v) => v === 0)).toBe(true);
  });
});

describe('features', () => {
  const [s, t] = [normals(rng, [2, 3, 4]), normals(rng, [2, 3, 4])];
  it('hints are 0 at equality and refuse other widths', () => {
    expect(evaluate64((a) => mean(fitnetHint(a, a)), [s]).value[0]).toBe(0);
    expect(() => evaluate64(fitnetHint, [f64([[1, 2]]), f64([[1]])])).toThrow(/project the student/);
  });
  it('hidden-state losses: masked equals filtered; cosine sees directions only', () => {
    const mask = bools([
      [true, false, true],
      [true, true, false],
    ]);
    const dirty = ndarray(toNumbers(s).slice(), [2, 3, 4]);
    (dirty.data as Float64Array).fill(Number.NaN, 4, 8);
    for (const fn of [hiddenStateMse, hiddenStateCosine]) {
      const clean = evaluate64((a, b) => fn(a, b), [s, t]).value;
      const got = evaluate64((a, b, m) => fn(a, b, m), [dirty, t, mask]);
      expect(allFinite(got)).toBe(true);
      expect(distance(got.value, [clean[0], 0, clean[2], clean[3], clean[4], 0])).toBeLessThan(1e-12);
    }
    const double = evaluate64((a) => hiddenStateCosine(a, mul(a, 2)), [s]);
    expect(Math.max(...double.value.map(Math.abs))).toBeLessThan(1e-12);
  });
  it('attention maps have unit length; transfer is 0 at equality in both modes, over different channels and sizes', async () => {
    const [a, b] = [normals(rng, [2, 3, 4, 4]), normals(rng, [2, 5, 6, 2])];
    const map = evaluate64((x) => attentionMap(x), [a]).value;
    expect(map.subarray(0, 16).reduce((u, v) => u + v * v, 0)).toBeCloseTo(1, 12);
    for (const mode of ['code', 'paper'] as const) {
      expect(allFinite(evaluate64((x) => attentionTransfer(x, x, { mode }), [a]))).toBe(true);
      expect(Math.max(...evaluate64((x) => attentionTransfer(x, x, { mode }), [a]).value)).toBeLessThan(
        1e-12,
      );
      const got = evaluate64((x, y) => attentionTransfer(x, y, { mode }), [a, b]);
      expect(allFinite(got)).toBe(true);
      const single = await evaluate32((x, y) => attentionTransfer(x, y, { mode }), [a, b]);
      expect(distance(single.value, got.value)).toBeLessThan(1e-4);
    }
  });
  it('adaptive pooling covers unequal cells like PyTorch: 3 into 2 overlaps in the middle', () => {
    const got = evaluate64((x) => adaptiveAveragePool(x, [1, 2]), [f64([[[[1, 2, 6]]]])]).value;
    expect(distance(got, [1.5, 4])).toBeLessThan(1e-12);
  });
  it('projectors change widths', () => {
    const w = normals(rng, [6, 4]);
    expect(evaluate64((x, m) => linearProjector(x, { weight: m }), [s, w]).shape).toEqual([2, 3, 6]);
    expect(
      evaluate64(
        (x, m, n) => mlpProjector(x, { first: { weight: m }, second: { weight: n } }),
        [s, w, normals(rng, [5, 6])],
      ).shape,
    ).toEqual([2, 3, 5]);
    expect(
      evaluate64((x, m) => convProjector(x, { weight: m }), [normals(rng, [2, 4, 3, 3]), w]).shape,
    ).toEqual([2, 6, 3, 3]);
  });
  it('pairwise distances are symmetric with a zero diagonal', () => {
    const d = evaluate64((x) => pairwiseDistances(x), [normals(rng, [3, 2])]).value;
    expect([d[0], d[4], d[8]]).toEqual([0, 0, 0]);
    expect(d[1]).toBeCloseTo(d[3], 14);
  });
});

describe('contrastive', () => {
  const memory = () => [normals(rng, [6, 4]), normals(rng, [6, 4])];
  it('CRD is finite, and the update moves only the rows of the batch onto the unit sphere', async () => {
    const [ms, mt] = memory();
    const e = normals(rng, [2, 4]);
    const loss = (x: Tensor, y: Tensor, a: Tensor, b: Tensor, p: Tensor, n: Tensor) =>
      crdLoss(x, y, { student: a, teacher: b }, p, n, {
        zStudent: 9,
        zTeacher: 8,
        examples: 6,
        temperature: 0.5,
      });
    const inputs = [
      e,
      normals(rng, [2, 4]),
      ms,
      mt,
      i32([1, 4]),
      i32([
        [0, 2, 3],
        [5, 5, 0],
      ]),
    ];
    const got = evaluate64(loss, inputs, [0, 1]);
    expect(allFinite(got)).toBe(true);
    const single = await evaluate32(loss, inputs, [0, 1]);
    expect(distance(single.value, got.value)).toBeLessThan(1e-4);
    const after = evaluate64((m, i, x) => crdUpdateMemory(m, i, x), [ms, i32([1, 4]), e], []).value;
    const before = toNumbers(ms);
    for (const r of [0, 2, 3, 5])
      expect([...after.subarray(4 * r, 4 * r + 4)]).toEqual([...before.subarray(4 * r, 4 * r + 4)]);
    for (const r of [1, 4])
      expect(after.subarray(4 * r, 4 * r + 4).reduce((u, v) => u + v * v, 0)).toBeCloseTo(1, 12);
    expect(
      evaluate64(
        (x, m, i, n) => crdScores(x, m, i, n).negatives,
        inputs.length ? [e, mt, i32([1, 4]), i32([[0], [5]])] : [],
      ).value.every((v) => v > 0),
    ).toBe(true);
  });
  it('InfoNCE: log n for equal candidates, 0 for a single one; a mask takes candidates out', () => {
    const same = f64([
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
    expect(
      distance(evaluate64((a, b) => infoNce(a, b), [same, same], [0, 1]).value, Array(3).fill(Math.log(3))),
    ).toBeLessThan(1e-12);
    const one = f64([[1, 2]]);
    expect(Math.abs(evaluate64((a, b) => infoNce(a, b), [one, one]).value[0])).toBeLessThan(1e-12);
    const mask = bools([
      [true, false, true],
      [true, true, true],
      [true, true, true],
    ]);
    expect(evaluate64((a, b, m) => infoNce(a, b, { mask: m }), [same, same, mask]).value[0]).toBeCloseTo(
      Math.log(2),
      12,
    );
  });
});

describe('MiniLM', () => {
  const mask = i32([
    [1, 1, 1, 0],
    [1, 1, 0, 0],
  ]);
  const vectors = (hidden: number) => normals(rng, [2, 4, hidden]);
  it('is 0 at equality, not negative, and blind to what padding holds', () => {
    const [s, t] = [vectors(4), vectors(6)];
    const loss = (a: Tensor, b: Tensor, m: Tensor) => miniLmRelation({ student: a, teacher: b }, m, 2);
    expect(Math.max(...evaluate64((a, m) => loss(a, a, m), [s, mask]).value.map(Math.abs))).toBeLessThan(
      1e-12,
    );
    const plain = evaluate64(loss, [s, t, mask]);
    expect(Math.min(...plain.value)).toBeGreaterThan(0);
    const dirty = ndarray(toNumbers(s).slice(), [2, 4, 4]);
    (dirty.data as Float64Array).fill(Number.NaN, 12, 16);
    (dirty.data as Float64Array).fill(1e4, 24, 32);
    const got = evaluate64(loss, [dirty, t, mask]);
    expect(allFinite(got)).toBe(true);
    expect(distance(got.value, plain.value)).toBeLessThan(1e-12);
  });
  it('a whole batch equals its sequences cut to length', () => {
    const [s, t] = [vectors(4), vectors(4)];
    const all = evaluate64((a, b, m) => miniLmRelation({ student: a, teacher: b }, m, 1), [s, t, mask]).value;
    const cut = (a: NDArray) => ndarray(toNumbers(a).slice(16, 24), [1, 2, 4]);
    const alone = evaluate64(
      (a, b, m) => miniLmRelation({ student: a, teacher: b }, m, 1),
      [cut(s), cut(t), i32([[1, 1]])],
    ).value;
    expect(alone[0]).toBeCloseTo(all[1], 12);
  });
  it('v2 is the mean over its kinds, v1 adds the attention map to the values; heads must divide the width', () => {
    const [s, t] = [vectors(4), vectors(4)];
    const one = evaluate64((a, b, m) => miniLmRelation({ student: a, teacher: b }, m, 2), [s, t, mask]).value;
    const pair = (a: Tensor, b: Tensor) => ({ student: a, teacher: b });
    const v2 = evaluate64(
      (a, b, m) => miniLmV2([pair(a, b), pair(a, b), pair(a, b)], m, 2),
      [s, t, mask],
    ).value;
    expect(distance(v2, one)).toBeLessThan(1e-12);
    const v1 = evaluate64(
      (a, b, m) => miniLmV1({ queries: pair(a, b), keys: pair(a, b), values: pair(a, b) }, m, 2),
      [s, t, mask],
    ).value;
    expect(
      distance(
        v1,
        one.map((v) => 2 * v),
      ),
    ).toBeLessThan(1e-12);
    expect(() =>
      evaluate64((a, b, m) => miniLmRelation({ student: a, teacher: b }, m, 3), [s, t, mask]),
    ).toThrow(/divide the hidden size/);
  });
});
