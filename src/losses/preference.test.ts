import { describe, expect, it } from 'vitest';
import { mul, type NDArray, ndarray, type Tensor, toNumbers } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import {
  aot,
  aotUnpaired,
  apoZero,
  bcoPair,
  dpo,
  exoPair,
  fScores,
  hinge,
  ipo,
  lengthNormalized,
  robustDpo,
} from './preference.ts';
import { PREFERENCE_LOSSES, preferenceLoss } from './preference-family.ts';
import { alphaPo, cpo, orpo, simpo, slic } from './reference-free.ts';
import { bradleyTerry, plackettLuce } from './reward.ts';
import { lengthDesensitized, sequenceLogp, tokenLogp, wpoWeight } from './sequence.ts';
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
import { apoZeroUnpaired, bco, bcoShift, kto, ktoReferencePoint } from './unpaired.ts';

const rng = createRng('preference');
const logps = (n: number, scale = 10): NDArray =>
  ndarray(
    Float64Array.from({ length: n }, () => -scale * rng.uniform() - 0.1),
    [n],
  );
const ratios = (w: Tensor, l: Tensor) => ({ chosen: w, rejected: l });

describe.each(PREFERENCE_LOSSES.map((loss) => ({ loss })))('preference loss $loss', ({ loss }) => {
  const lengths = { chosen: [3, 7, 2], rejected: [5, 4, 9] };
  const fn = (w: Tensor, l: Tensor, rw: Tensor, rl: Tensor, nw: Tensor, nl: Tensor): Tensor =>
    preferenceLoss(
      loss,
      { chosen: w, rejected: l, refChosen: rw, refRejected: rl },
      { lengths: { chosen: nw, rejected: nl } },
    );
  const counts = [f64(lengths.chosen), f64(lengths.rejected)];
  it('is finite with its gradient for log-ratios up to ±1e4, and the same in float32', async () => {
    for (const scale of [10, 1e4]) {
      const inputs = [logps(3, scale), logps(3, scale), logps(3, scale), logps(3, scale), ...counts];
      const got = evaluate64(fn, inputs, [0, 1]);
      expect(allFinite(got), `scale ${scale}`).toBe(true);
      const single = await evaluate32(fn, inputs, [0, 1]);
      expect(distance(single.value, got.value), `scale ${scale}`).toBeLessThan(1e-4);
      got.gradients.forEach((g, i) => {
        expect(distance(single.gradients[i], g), `scale ${scale}`).toBeLessThan(1e-4);
      });
    }
  });
  it('gives the reference no gradient, and does not depend on the order of pairs', () => {
    const inputs = [logps(3), logps(3), logps(3), logps(3), ...counts];
    const got = evaluate64(fn, inputs, [2, 3]);
    expect(got.gradients.every((g) => g.every((v) => v === 0))).toBe(true);
    const order = [2, 0, 1];
    const moved = evaluate64(
      fn,
      inputs.map((a) => takeRows(a, order)),
      [],
    ).value;
    // AOT is by rank: the set of values is what stays
    const byRank = loss === 'aot' || loss === 'aot_unpaired';
    expect(distance(moved, byRank ? got.value : order.map((i) => got.value[i]))).toBeLessThan(1e-12);
  });
});

describe('identities of the DPO family', () => {
  const [w, l] = [normals(rng, [5], 4), normals(rng, [5], 4)];
  const of = (fn: (w: Tensor, l: Tensor) => Tensor, a = w, b = l) => evaluate64(fn, [a, b], [0, 1]);
  it('DPO is log 2 where the policy is the reference, and falls with the margin', () => {
    const zero = f64([0, 0]);
    expect(distance(of((a, b) => dpo(ratios(a, b)), zero, zero).value, [Math.LN2, Math.LN2])).toBeLessThan(
      1e-15,
    );
    expect(of((a, b) => dpo(ratios(a, b))).gradients[0].every((g) => g < 0)).toBe(true);
  });
  it('ε = 0 makes cDPO and robust DPO the plain one; ε = ½ makes cDPO blind to the order', () => {
    const plain = of((a, b) => dpo(ratios(a, b)));
    expect(
      distance(of((a, b) => robustDpo(ratios(a, b), { labelSmoothing: 0 })).value, plain.value),
    ).toBeLessThan(1e-14);
    const half = (a: Tensor, b: Tensor) => dpo(ratios(a, b), { labelSmoothing: 0.5 });
    expect(distance(of(half).value, of(half, l, w).value)).toBeLessThan(1e-12);
  });
  it('robust DPO is unbiased: (1 - ε) loss(h) + ε loss(-h) is DPO without noise', () => {
    const robust = (a: Tensor, b: Tensor) => robustDpo(ratios(a, b), { labelSmoothing: 0.2 });
    const [right, flipped] = [of(robust).value, of(robust, l, w).value];
    const mixed = right.map((v, i) => 0.8 * v + 0.2 * flipped[i]);
    expect(distance(mixed, of((a, b) => dpo(ratios(a, b))).value)).toBeLessThan(1e-12);
    expect(() => of((a, b) => robustDpo(ratios(a, b), { labelSmoothing: 0.5 }))).toThrow(/flip probability/);
  });
  it('IPO vanishes at a margin of 1/(2β), the hinge beyond 1/β, EXO at the label itself', () => {
    const at = (margin: number, fn: (w: Tensor, l: Tensor) => Tensor) =>
      of(fn, f64([margin]), f64([0])).value[0];
    expect(at(5, (a, b) => ipo(ratios(a, b), { beta: 0.1 }))).toBe(0);
    expect(at(11, (a, b) => hinge(ratios(a, b), { beta: 0.1 }))).toBe(0);
    expect(
      Math.abs(at(Math.log(9), (a, b) => exoPair(ratios(a, b), { beta: 1, labelSmoothing: 0.1 }))),
    ).toBeLessThan(1e-12);
    expect(of((a, b) => exoPair(ratios(a, b), { labelSmoothing: 0.1 })).value.every((v) => v > 0)).toBe(true);
  });
  it('one pair makes both AOTs plain DPO', () => {
    const [a, b, c, d] = [-3, -5, -4, -1].map((v) => f64([v]));
    const plain = evaluate64(
      (x, y, rx, ry) => preferenceLoss('sigmoid', { chosen: x, rejected: y, refChosen: rx, refRejected: ry }),
      [a, b, c, d],
    );
    const paired = evaluate64(
      (x, y, rx, ry) => aot({ chosen: x, rejected: y, refChosen: rx, refRejected: ry }),
      [a, b, c, d],
    );
    expect(distance(paired.value, plain.value)).toBeLessThan(1e-14);
    expect(
      distance(
        of((x, y) => aotUnpaired(ratios(x, y)), f64([2]), f64([3])).value,
        of((x, y) => dpo(ratios(x, y)), f64([2]), f64([3])).value,
      ),
    ).toBeLessThan(1e-14);
  });
  it('f-divergences: reverse KL changes nothing, α = 1 is reverse KL, JS saturates chosen ratios', () => {
    const score = (kind: Parameters<typeof fScores>[1], alpha?: number) =>
      of((a, b) => fScores(ratios(a, b), kind, { alpha }).chosen).value;
    expect(distance(score('reverse_kl'), toNumbers(w))).toBe(0);
    expect(distance(score('alpha_divergence', 1), toNumbers(w))).toBe(0);
    expect(score('js_divergence').every((v) => v < 0)).toBe(true);
    const huge = evaluate64(
      (a, b) => dpo(fScores(ratios(a, b), 'forward_kl')),
      [f64([1e4, -1e4]), f64([-1e4, 1e4])],
      [0, 1],
    );
    expect(allFinite(huge)).toBe(true);
    // the forward KL's exponent is not capped at 80 where the float has room
    const far = evaluate64((a, b) => fScores(ratios(a, b), 'forward_kl').chosen, [f64([-90]), f64([0])]);
    expect(far.value[0] / Math.exp(90)).toBeCloseTo(-1, 12);
  });
  it('BCO for pairs is its unpaired halves; APO-zero too', () => {
    const delta = f64(0.3);
    const pair = evaluate64((a, b, d) => bcoPair(ratios(a, b), { delta: d }), [w, l, delta], [0, 1, 2]);
    const good = evaluate64((a, d) => bco(a, true, d), [w, delta]).value;
    const bad = evaluate64((a, d) => bco(a, false, d), [l, delta]).value;
    expect(
      distance(
        pair.value,
        good.map((v, i) => v + bad[i]),
      ),
    ).toBeLessThan(1e-12);
    expect(pair.gradients[2][0]).toBe(0);
    const zero = of((a, b) => apoZero(ratios(a, b))).value;
    const halves = [true, false].map(
      (kind, i) => evaluate64((x) => apoZeroUnpaired(x, kind), [[w, l][i]]).value,
    );
    expect(
      distance(
        zero,
        halves[0].map((v, i) => v + halves[1][i]),
      ),
    ).toBeLessThan(1e-12);
  });
  it('KTO: half where ratio meets the reference point, which has no gradient and is not negative', () => {
    const got = evaluate64((r, k) => kto(r, true, ktoReferencePoint(k)), [f64([2]), f64([1, 3])], [0, 1]);
    expect(got.value[0]).toBe(0.5);
    expect([...got.gradients[1]]).toEqual([0, 0]);
    expect(evaluate64((k) => ktoReferencePoint(k), [f64([-3, 1])]).value[0]).toBe(0);
  });
  it("BCO's shift is the mean of all rewards so far, by example or by batch", () => {
    const by = (count: 'example' | 'batch') =>
      evaluate64(
        (a, b) => bcoShift(b, bcoShift(a, undefined, { count }), { count }).mean,
        [f64([1, 1, 1]), f64([5])],
      ).value[0];
    expect(by('example')).toBeCloseTo(2, 12);
    expect(by('batch')).toBeCloseTo(3, 12);
  });
});

describe('losses without a reference', () => {
  const [w, l] = [logps(5, 2), logps(5, 2)];
  const of = (fn: (w: Tensor, l: Tensor) => Tensor, a = w, b = l) => evaluate64(fn, [a, b], [0, 1]);
  it('CPO is DPO on plain log-probabilities; SimPO at γ = 0 is CPO on means', () => {
    expect(distance(of((a, b) => cpo(a, b)).value, of((a, b) => dpo(ratios(a, b))).value)).toBeLessThan(
      1e-14,
    );
    expect(distance(of((a, b) => slic(a, b)).value, of((a, b) => hinge(ratios(a, b))).value)).toBeLessThan(
      1e-14,
    );
    expect(
      distance(of((a, b) => simpo(a, b, { beta: 0.1, gamma: 0 })).value, of((a, b) => cpo(a, b)).value),
    ).toBeLessThan(1e-14);
  });
  it('AlphaPO tends to SimPO for α → 0', () => {
    for (const alpha of [0, 1e-7]) {
      const [x, y] = [of((a, b) => alphaPo(a, b, { alpha })), of((a, b) => simpo(a, b))];
      expect(distance(x.value, y.value)).toBeLessThan(1e-5);
      expect(distance(x.gradients[0], y.gradients[0])).toBeLessThan(1e-5);
    }
  });
  it('ORPO is β log 2 at equality and finite up to completions of probability nearly 1', async () => {
    expect(distance(of((a, b) => orpo(a, b), w, w).value, Array(5).fill(0.1 * Math.LN2))).toBeLessThan(1e-12);
    const near = [f64([-1e-6, -40, -1e4]), f64([-40, -1e-6, -1])];
    const got = evaluate64((a, b) => orpo(a, b), near, [0, 1]);
    expect(allFinite(got)).toBe(true);
    const single = await evaluate32((a, b) => orpo(a, b), near, [0, 1]);
    expect(distance(single.value, got.value)).toBeLessThan(1e-4);
    expect(distance(single.gradients[0], got.gradients[0])).toBeLessThan(1e-4);
  });
});

describe('reward models', () => {
  it('Plackett-Luce of two is Bradley-Terry; absent entries do not count; top 1 is a softmax cross-entropy', () => {
    const r = normals(rng, [4, 3], 2);
    const pl = evaluate64(
      (x) => plackettLuce(x),
      [
        ndarray(
          toNumbers(r).filter((_, i) => i % 3 < 2),
          [4, 2],
        ),
      ],
    );
    const bt = evaluate64(
      (a, b) => bradleyTerry(a, b),
      [0, 1].map((k) =>
        ndarray(
          toNumbers(r).filter((_, i) => i % 3 === k),
          [4],
        ),
      ),
      [0, 1],
    );
    expect(distance(pl.value, bt.value)).toBeLessThan(1e-12);
    const mask = bools(Array.from({ length: 4 }, () => [true, true, false]));
    expect(
      distance(evaluate64((x, m) => plackettLuce(x, { mask: m }), [r, mask]).value, pl.value),
    ).toBeLessThan(1e-12);
    const top = evaluate64((x) => plackettLuce(x, { top: 1 }), [f64([[0, 0, 0, 0]])]).value[0];
    expect(top).toBeCloseTo(Math.log(4), 12);
  });
  it('a shift of all rewards changes nothing; extreme rewards stay finite', () => {
    const r = f64([[1e4, -1e4, 0]]);
    expect(allFinite(evaluate64((x) => plackettLuce(x), [r]))).toBe(true);
    const s = normals(rng, [2, 4]);
    const moved = ndarray(
      toNumbers(s).map((v) => v + 5),
      [2, 4],
    );
    expect(
      distance(
        evaluate64((x) => plackettLuce(x), [s]).value,
        evaluate64((x) => plackettLuce(x), [moved]).value,
      ),
    ).toBeLessThan(1e-12);
  });
});

describe('sequences', () => {
  const logits = normals(rng, [2, 5, 4], 2);
  const labels = i32([
    [-100, -100, 1, 3, 0],
    [-100, 2, 2, -100, -100],
  ]);
  it('sums equal means times lengths; an empty completion is 0', () => {
    const s = evaluate64((x, y) => sequenceLogp(x, y).sum, [logits, labels]).value;
    const m = evaluate64((x, y) => sequenceLogp(x, y).mean, [logits, labels]).value;
    expect(distance(s, [3 * m[0], 2 * m[1]])).toBeLessThan(1e-12);
    const none = evaluate64(
      (x, y) => sequenceLogp(x, y).mean,
      [logits, i32(Array(2).fill(Array(5).fill(-100)))],
    );
    expect([...none.value]).toEqual([0, 0]);
    expect(allFinite(none)).toBe(true);
  });
  it('padding may hold anything', () => {
    const dirty = ndarray(toNumbers(logits).slice(), [2, 5, 4]);
    // row 1 after its completion, and the last position of every row, score nothing
    (dirty.data as Float64Array).fill(Number.NaN, 20 + 8, 40);
    (dirty.data as Float64Array).fill(Number.NaN, 16, 20);
    const clean = evaluate64((x, y) => sequenceLogp(x, y).sum, [logits, labels]);
    const got = evaluate64((x, y) => sequenceLogp(x, y).sum, [dirty, labels]);
    expect(distance(got.value, clean.value)).toBeLessThan(1e-12);
    expect(allFinite(got)).toBe(true);
  });
  it('LD-DPO sums: α = 1 are plain sums, α = 0 cuts the longer completion', () => {
    const one = (alpha: number) =>
      evaluate64(
        (x, y) => {
          const t = tokenLogp(x, y);
          const shorter = tokenLogp(x, mul(y, 1));
          return lengthDesensitized(t, { ...shorter, mask: tokenLogp(x, y).mask }, alpha).chosen;
        },
        [logits, labels],
      ).value;
    const plain = evaluate64((x, y) => sequenceLogp(x, y).sum, [logits, labels]).value;
    expect(distance(one(1), plain)).toBeLessThan(1e-12);
    const cut = evaluate64(
      (lc, mc, lr, mr) => lengthDesensitized({ logp: lc, mask: mc }, { logp: lr, mask: mr }, 0).chosen,
      [
        f64([[0, -1, -2, -4]]),
        bools([[false, true, true, true]]),
        f64([[-3, -3, 0, 0]]),
        bools([[true, true, false, false]]),
      ],
    ).value[0];
    expect(cut).toBe(-3);
  });
  it('WPO weights are positive, without gradient; the clamped ones at most 1', () => {
    const got = evaluate64((x, y) => wpoWeight(x, y), [logits, labels]);
    expect(got.value.every((v) => v > 0)).toBe(true);
    expect(got.gradients[0].every((v) => v === 0)).toBe(true);
    expect(
      Math.max(...evaluate64((x, y) => wpoWeight(x, y, { clamp: true }), [logits, labels]).value),
    ).toBeLessThanOrEqual(1);
  });
  it('length-normalised ratios are ratios per token', () => {
    const n = evaluate64(
      (a, b, c, d) => lengthNormalized(ratios(a, b), { chosen: c, rejected: d }).chosen,
      [f64([6]), f64([1]), f64([3]), f64([1])],
    );
    expect(n.value[0]).toBe(2);
  });
});
