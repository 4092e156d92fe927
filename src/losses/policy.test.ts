import { describe, expect, it } from 'vitest';
import { mean, type NDArray, ndarray, type Tensor, toNumbers } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import {
  grpo,
  grpoAdvantages,
  k3Kl,
  miniLlmAdvantages,
  miniLlmRewards,
  mixtureWeights,
  ppoClip,
  reinforce,
  rlooAdvantages,
  whiten,
} from './policy.ts';
import {
  embeddingMse,
  listMle,
  listwiseKl,
  marginMse,
  marginMseList,
  pointwiseMse,
  rankNet,
  rankNetDistillation,
} from './ranking.ts';
import { bradleyTerry } from './reward.ts';
import {
  allFinite,
  bools,
  distance,
  evaluate32,
  evaluate64,
  f64,
  normals,
  takeColumns,
} from './testing/evaluate.ts';

const rng = createRng('policy');

describe('policy objectives', () => {
  const [logp, old, a] = [normals(rng, [2, 4]), normals(rng, [2, 4]), normals(rng, [2, 4])];
  it('at the sampling policy PPO-clip has the gradient of REINFORCE', () => {
    const ppo = evaluate64((x, o, adv) => ppoClip(x, o, adv), [old, old, a]);
    const plain = evaluate64((x, adv) => reinforce(x, adv), [old, a]);
    expect(distance(ppo.gradients[0], plain.gradients[0])).toBeLessThan(1e-12);
    expect(
      distance(
        ppo.value,
        toNumbers(a).map((v) => -v),
      ),
    ).toBeLessThan(1e-12);
  });
  it('PPO-clip stops pushing beyond the clip, in the direction that is already gained', () => {
    const got = evaluate64(
      (x, o, adv) => ppoClip(x, o, adv),
      [f64([1, -1, 1, -1]), f64([0, 0, 0, 0]), f64([1, -1, -1, 1])],
    );
    expect([...got.gradients[0]].map((g) => g === 0)).toEqual([true, true, false, false]);
  });
  it('constants get no gradient, masked tokens count 0 whatever they hold', async () => {
    const loss = (x: Tensor, o: Tensor, adv: Tensor, m: Tensor) =>
      ppoClip(x, o, adv, { mask: m, clipHigh: 0.3 });
    const mask = bools([
      [true, true, false, true],
      [true, false, false, false],
    ]);
    const dirty = ndarray(
      toNumbers(logp).map((v, i) => (i === 2 || i === 5 ? Number.POSITIVE_INFINITY : v)),
      [2, 4],
    );
    const got = evaluate64(loss, [dirty, old, a, mask], [0, 1, 2]);
    expect(allFinite(got)).toBe(true);
    expect([got.value[2], got.value[5], got.gradients[0][2]]).toEqual([0, 0, 0]);
    expect([...got.gradients[1], ...got.gradients[2]].every((v) => v === 0)).toBe(true);
    const single = await evaluate32(loss, [logp, old, a, mask]);
    expect(distance(single.value, evaluate64(loss, [logp, old, a, mask]).value)).toBeLessThan(1e-4);
  });
  it('RLOO advantages sum to 0 and are n/(n-1) of the centred reward; GRPO ones are standardised', () => {
    const r = f64([
      [1, 2, 6],
      [3, 3, 3],
    ]);
    const rloo = evaluate64(rlooAdvantages, [r]);
    expect(distance(rloo.value, [-3, -1.5, 4.5, 0, 0, 0])).toBeLessThan(1e-12);
    expect(rloo.gradients[0].every((v) => v === 0)).toBe(true);
    const g = evaluate64((x) => grpoAdvantages(x, { eps: 0 }), [r]).value;
    expect(g.subarray(0, 3).reduce((u, v) => u + v * v, 0)).toBeCloseTo(2, 12);
    expect([...g.subarray(3)]).toEqual([0, 0, 0]);
    // 0.1 + 0.1 + 0.1 is not 3 × 0.1 in floats: a group of equal rewards must not come apart by that
    expect([...evaluate64((x) => grpoAdvantages(x, { eps: 0 }), [f64([[0.1, 0.1, 0.1]])]).value]).toEqual([
      0, 0, 0,
    ]);
    expect(
      distance(evaluate64((x) => grpoAdvantages(x, { scale: false }), [r]).value, [-2, -1, 3, 0, 0, 0]),
    ).toBeLessThan(1e-12);
  });
  it('the k3 estimate is 0 at equality and not negative; GRPO adds β times it', () => {
    const k3 = evaluate64(k3Kl, [logp, old]);
    expect(Math.min(...k3.value)).toBeGreaterThanOrEqual(0);
    expect([...evaluate64((x) => k3Kl(x, x), [logp]).value].every((v) => v === 0)).toBe(true);
    const adv = f64([1, -1]);
    const plain = evaluate64((x, o, b) => grpo(x, o, b, { beta: 0 }), [logp, old, adv]).value;
    const full = evaluate64(
      (x, o, b, r) => grpo(x, o, b, { beta: 0.5, refLogp: r }),
      [logp, old, adv, old],
    ).value;
    expect(
      distance(
        full,
        plain.map((v, i) => v + 0.5 * k3.value[i]),
      ),
    ).toBeLessThan(1e-12);
  });
  it('MiniLLM rewards are halved and clipped; mixture weights lie between 0 and 1/(1 - a)', () => {
    const r = evaluate64(
      (p, q, m) => miniLlmRewards(p, q, m),
      [f64([[-1, -900, -1]]), f64([[-4, -1, -9]]), f64([[1, 1, 0]])],
    );
    expect([...r.value]).toEqual([1.5, -100, 0]);
    const w = evaluate64((q, p) => mixtureWeights(q, p), [f64([-1, -1, -1e4]), f64([-1e4, -1, -1])]).value;
    expect(distance(w, [1 / 0.8, 1, 0])).toBeLessThan(1e-12);
  });
  it('MiniLLM advantages: γ = 0 is the reward over the remaining length, γ = 1 a reverse sum', () => {
    const r = f64([[1, 2, 3, 0]]);
    const mask = f64([[1, 1, 1, 0]]);
    const of = (gamma: number) => evaluate64((x, m) => miniLlmAdvantages(x, m, { gamma }), [r, mask]).value;
    expect(distance(of(0), [1 / 3, 1, 3, 0])).toBeLessThan(1e-12);
    expect(distance(of(1), [2, 2.5, 3, 0])).toBeLessThan(1e-12);
    const w = evaluate64((x) => whiten(x), [normals(rng, [3, 5], 4)]).value;
    expect(w.reduce((u, v) => u + v, 0)).toBeCloseTo(0, 10);
    expect(w.reduce((u, v) => u + v * v, 0) / 14).toBeCloseTo(1, 6);
  });
});

describe('ranking losses', () => {
  const [s, t] = [normals(rng, [3, 4], 2), normals(rng, [3, 4], 2)];
  const pair = (x: Tensor, y: Tensor) => ({ positive: x, negative: y });
  const vectors = [0, 1, 2, 3].map(() => normals(rng, [5], 3));
  it('Margin-MSE ignores a shift of either model and the order within the pair', () => {
    const loss = (a: Tensor, b: Tensor, c: Tensor, d: Tensor) => marginMse(pair(a, b), pair(c, d));
    const plain = evaluate64(loss, vectors).value;
    const shift = (x: NDArray) =>
      ndarray(
        toNumbers(x).map((v) => v + 100),
        [5],
      );
    expect(
      distance(evaluate64(loss, [shift(vectors[0]), shift(vectors[1]), vectors[2], vectors[3]]).value, plain),
    ).toBeLessThan(1e-10);
    expect(
      distance(evaluate64(loss, [vectors[1], vectors[0], vectors[3], vectors[2]]).value, plain),
    ).toBeLessThan(1e-12);
    const list = evaluate64((x, y) => mean(marginMseList(x, y)), [f64([[3, 1]]), f64([[5, 4]])]).value[0];
    expect(list).toBe(1);
    expect(evaluate64((x, y) => mean(pointwiseMse(x, y)), [s, s]).value[0]).toBe(0);
  });
  it('RankNet is Bradley-Terry; its distillation is least at the teacher; both finite at ±1e4', () => {
    const bt = evaluate64((a, b) => bradleyTerry(a, b), vectors.slice(0, 2)).value;
    expect(distance(evaluate64((a, b) => rankNet(a, b), vectors.slice(0, 2)).value, bt)).toBeLessThan(1e-14);
    const at = evaluate64((a, b) => rankNetDistillation(pair(a, b), pair(a, b)), vectors.slice(0, 2), [0, 1]);
    expect(Math.max(...at.gradients[0].map(Math.abs))).toBeLessThan(1e-12);
    const far = [f64([1e4, -1e4]), f64([-1e4, 1e4])];
    expect(allFinite(evaluate64((a, b) => rankNet(a, b), far, [0, 1]))).toBe(true);
    expect(
      allFinite(
        evaluate64((a, b, c, d) => rankNetDistillation(pair(a, b), pair(c, d)), [...far, ...far], [0, 1]),
      ),
    ).toBe(true);
  });
  it('list-wise KL is 0 at equality up to a shift, masked equals filtered, permutation invariant', async () => {
    const shifted = ndarray(
      toNumbers(s).map((v) => v + 9),
      [3, 4],
    );
    expect(
      Math.max(...evaluate64((x, y) => listwiseKl(x, y), [s, shifted]).value.map(Math.abs)),
    ).toBeLessThan(1e-12);
    const keep = bools(Array(3).fill([true, false, true, true]));
    const masked = evaluate64((x, y, m) => listwiseKl(x, y, { mask: m }), [s, t, keep]);
    const filtered = evaluate64(
      (x, y) => listwiseKl(x, y),
      [takeColumns(s, [0, 2, 3]), takeColumns(t, [0, 2, 3])],
    );
    expect(allFinite(masked)).toBe(true);
    expect(distance(masked.value, filtered.value)).toBeLessThan(1e-12);
    const order = [2, 3, 0, 1];
    const plain = evaluate64((x, y) => listwiseKl(x, y), [s, t]);
    expect(
      distance(
        evaluate64((x, y) => listwiseKl(x, y), [takeColumns(s, order), takeColumns(t, order)]).value,
        plain.value,
      ),
    ).toBeLessThan(1e-12);
    expect(distance((await evaluate32((x, y) => listwiseKl(x, y), [s, t])).value, plain.value)).toBeLessThan(
      1e-4,
    );
  });
  it('ListMLE scores the teacher’s order: permutation invariant, masked equals filtered, log n! for equal scores', async () => {
    const order = [1, 3, 2, 0];
    const plain = evaluate64((x, y) => listMle(x, y), [s, t]);
    expect(
      distance(
        evaluate64((x, y) => listMle(x, y), [takeColumns(s, order), takeColumns(t, order)]).value,
        plain.value,
      ),
    ).toBeLessThan(1e-12);
    const keep = bools(Array(3).fill([true, true, false, true]));
    const masked = evaluate64((x, y, m) => listMle(x, y, { mask: m }), [s, t, keep]);
    const filtered = evaluate64(
      (x, y) => listMle(x, y),
      [takeColumns(s, [0, 1, 3]), takeColumns(t, [0, 1, 3])],
    );
    expect(distance(masked.value, filtered.value)).toBeLessThan(1e-12);
    expect(allFinite(masked)).toBe(true);
    expect(
      evaluate64((x, y) => listMle(x, y), [f64([[5, 5, 5, 5]]), f64([[1, 2, 3, 4]])]).value[0],
    ).toBeCloseTo(Math.log(24), 12);
    const single = await evaluate32((x, y) => listMle(x, y), [s, t]);
    expect(distance(single.gradients[0], plain.gradients[0])).toBeLessThan(1e-4);
  });
  it('embedding MSE, plain and of directions', () => {
    const double = ndarray(
      toNumbers(s).map((v) => 2 * v),
      [3, 4],
    );
    expect(Math.min(...evaluate64((x, y) => embeddingMse(x, y), [s, double]).value)).toBeGreaterThan(0);
    expect(
      Math.max(...evaluate64((x, y) => embeddingMse(x, y, { normalized: true }), [s, double]).value),
    ).toBeLessThan(1e-12);
  });
});
