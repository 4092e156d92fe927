import { describe, expect, it } from 'vitest';
import { add, mul, type Tensor } from '../../graph/index.ts';
import { evaluate64, f64 } from '../../losses/testing/evaluate.ts';
import { checkMethod } from '../testing/check-method.ts';
import { adpo } from './adpo.ts';
import { adpoVectors } from './adpo.vectors.ts';
import { type AdpoInput, adpoTargets, adpoTerms } from './adpo-terms.ts';

checkMethod(adpo, { vectors: adpoVectors });

const logp = f64([[-40, -20, -90]]);
const reference = f64([[-44, -20, -30]]);
const scores = f64([[3, 1, 1]]);
const input = (l: Tensor, r: Tensor, s: Tensor, length: number): AdpoInput => ({
  logp: l,
  reference: r,
  scores: s,
  length: add(mul(l, 0), length),
  present: add(mul(l, 0), 1),
  tokens: { logp: l, reference: r },
});
const loss = (options: Record<string, unknown>, length = 4) =>
  evaluate64(
    (l, r, s) => adpoTerms(input(l, r, s, length), adpo.config.parse(options), 50).adpo.value,
    [logp, reference, scores],
  );
const crossEntropy = (u: number[], q: number[]): number => {
  const z = Math.log(u.reduce((n, x) => n + Math.exp(x), 0));
  return -u.reduce((n, x, i) => n + q[i] * (x - z), 0);
};
const softmax = (x: number[]): number[] => {
  const e = x.map(Math.exp);
  return e.map((v) => v / e.reduce((a, b) => a + b));
};

describe('adpo', () => {
  it('per token: divided by lengths, clipped at ±5 and, over τ, at ±10', () => {
    const q = softmax([6, 2, 2]);
    // log-ratios 4, 0, -60 over 4 tokens: 1, 0, -15 → -5; over τ 0.4: 2.5, 0, -12.5 → -10
    const { value, gradients } = loss({ per_token: true, tau: 0.4 });
    expect(value[0]).toBeCloseTo(crossEntropy([2.5, 0, -10], q), 10);
    expect(gradients[0][0]).not.toBe(0);
    expect(gradients[0][2]).toBe(0);
  });

  it('on-policy: at the anchor itself the list is uniform, and the gradient (1/n - q)/τ', () => {
    const { value, gradients } = loss({ anchor: 'policy', tau: 2 });
    const q = softmax([6, 2, 2]);
    expect(value[0]).toBeCloseTo(Math.log(3), 12);
    q.forEach((p, i) => {
      expect(gradients[0][i]).toBeCloseTo((1 / 3 - p) / 2, 12);
    });
  });

  it('standardized scores and ranks forget the scale of the scores', () => {
    const targets = (options: Record<string, unknown>, by: number) =>
      evaluate64(
        (s) => adpoTargets({ scores: mul(s, by), present: add(mul(s, 0), 1) }, adpo.config.parse(options)),
        [scores],
        [],
      ).value;
    for (const options of [{ advantages: true }, { target: 'ranks' }]) {
      const [one, many] = [targets(options, 1), targets(options, 1000)];
      one.forEach((v, i) => {
        expect(many[i]).toBeCloseTo(v, 6);
      });
    }
    expect(targets({}, 1000)[0]).toBe(1);
    expect(targets({ target: 'label', label_smoothing: 0.2 }, 1)[0]).toBeCloseTo(0.8, 12);
  });

  it('says when there is no teacher to learn from', () => {
    expect(() => loss({ target: 'teacher' })).toThrow(/target is the teacher, and the recipe has none/);
  });
});
