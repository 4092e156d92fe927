import { describe, expect, it } from 'vitest';
import { add, mean, mul, type NDArray, ndarray, type Tensor, toNumbers } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import {
  decoupledKd,
  dist,
  hintonKd,
  hintonKl,
  normalizedKd,
  standardizedKd,
  standardizeLogits,
} from './classification.ts';
import { forwardKl, temperedLogp } from './divergences.ts';
import { crossEntropyWithLabels } from './labels.ts';
import { maskedMean } from './reduce.ts';
import {
  allFinite,
  bools,
  distance,
  evaluate32,
  evaluate64,
  f64,
  i32,
  normals,
  takeColumns,
  takeRows,
} from './testing/evaluate.ts';

const rng = createRng('classification');
type Loss = (s: Tensor, t: Tensor, y: Tensor, mask?: Tensor) => Tensor;
const distLoss: Loss = (s, t) => {
  const d = dist(s, t, { temperature: 2 });
  return add(mul(mean(d.inter), 2), mul(mean(d.intra), 2));
};
const LOSSES: [string, Loss, { zero: boolean; masked: boolean }][] = [
  ['Hinton KL', (s, t, _y, mask) => hintonKl(s, t, { mask }), { zero: true, masked: true }],
  ['Hinton KD', (s, t, y, mask) => hintonKd(s, t, y, { mask }), { zero: false, masked: true }],
  ['standardized KD', (s, t, y, mask) => standardizedKd(s, t, y, { mask }), { zero: false, masked: true }],
  [
    'standardized KL',
    (s, t, y, mask) => standardizedKd(s, t, y, { alpha: 0, mask }),
    { zero: true, masked: true },
  ],
  ['decoupled KD', (s, t, y, mask) => decoupledKd(s, t, y, { mask }), { zero: true, masked: true }],
  ['normalized KD', (s, t, y, mask) => normalizedKd(s, t, y, { mask }), { zero: false, masked: true }],
  ['DIST', distLoss, { zero: true, masked: false }],
];

describe.each(LOSSES)('%s', (_, loss, { zero, masked }) => {
  const [n, c] = [4, 6];
  const y = i32(Array.from({ length: n }, () => rng.int(c)));
  it('is finite with its gradient on extreme logits, and the same in float32', async () => {
    const extreme = (): NDArray =>
      ndarray(
        toNumbers(normals(rng, [n, c])).map((v) => (Math.abs(v) > 0.8 ? Math.sign(v) * 1e4 : v)),
        [n, c],
      );
    const drawn = (): [NDArray, NDArray, NDArray] => {
      const shape = [1 + rng.int(5), 2 + rng.int(8)];
      const labels = i32(Array.from({ length: shape[0] }, () => rng.int(shape[1])));
      return [normals(rng, shape, 3), normals(rng, shape, 3), labels];
    };
    for (const inputs of [drawn(), drawn(), [extreme(), extreme(), y]]) {
      const got = evaluate64(loss, inputs);
      expect(allFinite(got)).toBe(true);
      const single = await evaluate32(loss, inputs);
      expect(distance(single.value, got.value)).toBeLessThan(1e-4);
      expect(distance(single.gradients[0], got.gradients[0])).toBeLessThan(1e-4);
    }
  });
  if (zero)
    it('is zero with zero gradient at equality, and not below zero elsewhere', () => {
      const s = normals(rng, [n, c], 2);
      const same = evaluate64(loss, [s, s, y]);
      expect(Math.max(...same.value.map(Math.abs))).toBeLessThan(1e-10);
      expect(Math.max(...same.gradients[0].map(Math.abs))).toBeLessThan(1e-6);
      expect(Math.min(...evaluate64(loss, [s, normals(rng, [n, c], 2), y]).value)).toBeGreaterThan(0);
    });
  if (masked)
    it('masked equals filtered', () => {
      const [s, t] = [normals(rng, [n, c], 2), normals(rng, [n, c], 2)];
      (s.data as Float64Array).fill(Number.NaN, c, 2 * c);
      const got = evaluate64((a, b, l, m) => loss(a, b, l, m), [s, t, y, bools([true, false, true, true])]);
      const keep = [0, 2, 3];
      const filtered = evaluate64(loss, [takeRows(s, keep), takeRows(t, keep), takeRows(y, keep)]);
      expect(allFinite(got)).toBe(true);
      expect(
        distance(
          keep.map((i) => got.value[i]),
          filtered.value,
        ),
      ).toBeLessThan(1e-12);
    });
  it('does not depend on the order of classes or examples', () => {
    const [s, t] = [normals(rng, [n, c], 2), normals(rng, [n, c], 2)];
    const classes = rng.shuffle([0, 1, 2, 3, 4, 5]);
    const order = rng.shuffle([0, 1, 2, 3]);
    const plain = evaluate64(loss, [s, t, y]).value;
    const relabelled = i32([...toNumbers(y)].map((label) => classes.indexOf(label)));
    const byClass = evaluate64(loss, [takeColumns(s, classes), takeColumns(t, classes), relabelled]).value;
    expect(distance(byClass, plain)).toBeLessThan(1e-10);
    const byExample = evaluate64(loss, [takeRows(s, order), takeRows(t, order), takeRows(y, order)]).value;
    expect(distance(byExample, plain.length === 1 ? plain : order.map((i) => plain[i]))).toBeLessThan(1e-10);
  });
  it('classes of no mass in both models keep it finite', () => {
    if (loss === LOSSES[2][1] || loss === LOSSES[3][1]) return; // z-scores of -∞ are not defined
    const holes = (): NDArray =>
      ndarray(
        toNumbers(normals(rng, [3, 4])).map((v, i) => (i % 4 === 3 ? Number.NEGATIVE_INFINITY : v)),
        [3, 4],
      );
    expect(allFinite(evaluate64(loss, [holes(), holes(), i32([0, 1, 2])]))).toBe(true);
  });
});

describe('identities of classification losses', () => {
  const [s, t] = [normals(rng, [5, 4], 2), normals(rng, [5, 4], 2)];
  const y = i32([0, 3, 1, 2, 2]);
  it('Hinton KD at τ = 1, α = 0 is the forward KL; at α = 1 the cross-entropy', () => {
    const kl = evaluate64((a, b) => forwardKl(temperedLogp(a), temperedLogp(b)), [s, t]);
    const kd = evaluate64((a, b, l) => hintonKd(a, b, l, { temperature: 1, alpha: 0 }), [s, t, y]);
    expect(distance(kd.gradients[0], kl.gradients[0])).toBeLessThan(1e-12);
    const ce = evaluate64((a, _b, l) => crossEntropyWithLabels(a, l), [s, t, y]);
    expect(
      distance(evaluate64((a, b, l) => hintonKd(a, b, l, { alpha: 1 }), [s, t, y]).value, ce.value),
    ).toBeLessThan(1e-12);
  });
  it('decoupled KD with β = 1 - p_τ(y) is the Hinton KL', () => {
    for (let i = 0; i < 5; i++) {
      const [a, b, l] = [takeRows(s, [i]), takeRows(t, [i]), takeRows(y, [i])];
      const p = evaluate64((x) => temperedLogp(x, 3), [b], []).value.map(Math.exp)[toNumbers(l)[0]];
      const dkd = evaluate64((x, z, w) => decoupledKd(x, z, w, { beta: 1 - p, temperature: 3 }), [a, b, l]);
      const kl = evaluate64((x, z) => hintonKl(x, z, { temperature: 3 }), [a, b]);
      expect(distance(dkd.value, kl.value)).toBeLessThan(1e-10);
      expect(distance(dkd.gradients[0], kl.gradients[0])).toBeLessThan(1e-10);
    }
  });
  it('standardized logits do not see shift or scale; DIST sees neither per-model scale of relations', () => {
    const moved = ndarray(
      toNumbers(s).map((v) => 7 * v - 3),
      [5, 4],
    );
    const z = (a: NDArray) => evaluate64((x) => standardizeLogits(x), [a], []).value;
    expect(distance(z(moved), z(s))).toBeLessThan(1e-6);
  });
  it('constant logits standardize to 0 with a finite gradient', () => {
    const got = evaluate64((x) => standardizeLogits(x), [f64([[2, 2, 2]])]);
    expect([...got.value]).toEqual([0, 0, 0]);
    expect(allFinite(got)).toBe(true);
  });
  it('one class is refused where nothing could be distilled, and 0 for the Hinton KL', () => {
    const one = f64([[3], [1]]);
    const l = i32([0, 0]);
    expect([...evaluate64((a, b) => hintonKl(a, b), [one, one]).value]).toEqual([0, 0]);
    for (const fn of [decoupledKd, normalizedKd, standardizedKd])
      expect(() => evaluate64((a, b, w) => fn(a, b, w), [one, one, l])).toThrow(/two classes or more/);
  });
  it('label smoothing and ignored labels', () => {
    const got = evaluate64(
      (x, l) => crossEntropyWithLabels(x, l, { labelSmoothing: 0.3 }),
      [s, i32([0, -100, 1, 2, 2])],
    );
    expect(got.value[1]).toBe(0);
    expect(got.gradients[0].subarray(4, 8).every((v) => v === 0)).toBe(true);
    const logp = evaluate64((x) => temperedLogp(x), [s], []).value;
    const want = -0.7 * logp[0] - (0.3 / 4) * logp.subarray(0, 4).reduce((a, b) => a + b, 0);
    expect(got.value[0]).toBeCloseTo(want, 10);
  });
  it('a masked mean of nothing is 0', () => {
    expect(
      evaluate64((x, m) => maskedMean(x, m), [f64([1, Number.NaN]), bools([false, false])]).value[0],
    ).toBe(0);
  });
});
