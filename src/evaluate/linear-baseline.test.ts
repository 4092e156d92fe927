import { describe, expect, it } from 'vitest';
import { createRng } from '../util/rng.ts';
import { accuracy } from './classification.ts';
import { minimizeLbfgs } from './lbfgs.ts';
import { fitLinearBaseline, linearBaselineLabels, linearBaselineLogits } from './linear-baseline.ts';
import { fitLogistic, logisticObjective } from './logistic.ts';
import { fitTfidf, takeRows, transformTfidf } from './tfidf.ts';

describe('tfidf', () => {
  const texts = ['The cat sat', 'the dog', 'the cat the cat'];
  it('weights by hand-computed values', () => {
    const t = fitTfidf(texts, { words: [1, 1], minDocuments: 1 });
    expect([...t.features.keys()]).toEqual(['wthe', 'wcat', 'wsat', 'wdog']);
    expect(t.idf[0]).toBeCloseTo(1, 12); // in all three: ln(4/4) + 1
    expect(t.idf[1]).toBeCloseTo(Math.log(4 / 3) + 1, 12);
    const m = transformTfidf(t, ['cat the cat zebra']);
    const cat = (1 + Math.log(2)) * t.idf[1];
    expect([...m.index]).toEqual([0, 1]);
    expect(m.value[1]).toBeCloseTo(cat / Math.hypot(cat, 1), 12);
  });
  it('makes word pairs and character n-grams, and normalizes each family', () => {
    const t = fitTfidf(texts, { words: [2, 2], chars: [3, 3], minDocuments: 2 });
    expect([...t.features.keys()]).toEqual(['wthe cat', 'c th', 'cthe', 'che ', 'c ca', 'ccat', 'cat ']);
    const m = transformTfidf(t, [texts[0]]);
    expect(m.value[0]).toBeCloseTo(1, 12);
    expect(m.value.slice(1).reduce((s, v) => s + v * v, 0)).toBeCloseTo(1, 12);
  });
  it('takes rows and keeps empty ones', () => {
    const t = fitTfidf(texts, { minDocuments: 1 });
    const m = transformTfidf(t, [...texts, '???']);
    const r = takeRows(m, [3, 1]);
    expect([...r.start]).toEqual([0, 0, 3]);
    expect([...r.index]).toEqual([...m.index.slice(m.start[1], m.start[2])]);
    expect(() => fitTfidf(['a'], {})).toThrow(/no text feature is left/);
  });
});

describe('minimizeLbfgs', () => {
  it("finds the minimum of Rosenbrock's function", () => {
    const x = Float64Array.from([-1.2, 1]);
    const r = minimizeLbfgs(
      x,
      (p, g) => {
        const a = p[1] - p[0] ** 2;
        g[0] = -400 * p[0] * a - 2 * (1 - p[0]);
        g[1] = 200 * a;
        return 100 * a * a + (1 - p[0]) ** 2;
      },
      { tolerance: 1e-8 },
    );
    expect(r.converged).toBe(true);
    expect(x[0]).toBeCloseTo(1, 6);
    expect(x[1]).toBeCloseTo(1, 6);
  });
});

/** Intents with shared words, typos and label noise. */
function requests(n: number, seed: string): { texts: string[]; labels: number[] } {
  const rng = createRng(seed);
  const topics = [
    ['refund', 'money'],
    ['card', 'lost'],
    ['login', 'password'],
    ['card', 'limit', 'money'],
  ];
  const filler = ['please', 'help', 'my', 'the', 'is', 'now', 'what', 'with', 'can', 'you'];
  const texts: string[] = [];
  const labels: number[] = [];
  for (let i = 0; i < n; i++) {
    const label = rng.int(topics.length);
    const words = Array.from({ length: 6 }, () => rng.pick(filler));
    words.splice(rng.int(6), 0, ...topics[label].filter(() => rng.uniform() < 0.8));
    texts.push(words.join(' '));
    labels.push(rng.uniform() < 0.05 ? rng.int(4) : label);
  }
  return { texts, labels };
}

describe('logistic regression', () => {
  const { texts, labels } = requests(60, 'gradient');
  const x = transformTfidf(fitTfidf(texts), texts);
  it('has the gradient of finite differences', () => {
    const f = logisticObjective(x, labels, 4, 2);
    const rng = createRng('w');
    const w = Float64Array.from({ length: (x.cols + 1) * 4 }, () => rng.normal());
    const g = new Float64Array(w.length);
    f(w, g);
    const unused = new Float64Array(w.length);
    for (const i of [0, 5, 17, w.length - 5, w.length - 1]) {
      const h = 1e-5;
      const old = w[i];
      w[i] = old + h;
      const up = f(w, unused);
      w[i] = old - h;
      const down = f(w, unused);
      w[i] = old;
      expect(g[i]).toBeCloseTo((up - down) / (2 * h), 8);
    }
  });
  it('reaches the unique optimum from another start', () => {
    const a = fitLogistic(x, labels, 4, 2, { tolerance: 1e-6, maxIterations: 500 });
    const rng = createRng('start');
    const b = fitLogistic(
      x,
      labels,
      4,
      2,
      { tolerance: 1e-6, maxIterations: 500 },
      Float64Array.from({ length: a.weights.length }, () => rng.normal()),
    );
    expect(a.fit.converged && b.fit.converged).toBe(true);
    expect(b.fit.value).toBeCloseTo(a.fit.value, 8);
    for (let i = 0; i < a.weights.length - 4; i++) expect(b.weights[i]).toBeCloseTo(a.weights[i], 3);
  });
});

describe('fitLinearBaseline', () => {
  it('learns generated requests far above chance, the same every time', () => {
    const train = requests(400, 'train');
    const test = requests(300, 'test');
    const a = fitLinearBaseline(train.texts, train.labels, 4);
    const b = fitLinearBaseline(train.texts, train.labels, 4);
    expect(b.model.weights).toEqual(a.model.weights);
    expect(a.tuning.length).toBeGreaterThan(2);
    expect(a.tuning.map((t) => t.c)).toContain(a.c);
    expect(accuracy(linearBaselineLabels(a, test.texts), test.labels)).toBeGreaterThan(0.75);
    expect(linearBaselineLogits(a, test.texts).shape).toEqual([300, 4]);
  });
  it('takes a fixed C, tiny data and names bad labels', () => {
    expect(fitLinearBaseline(['a b', 'c d', 'a b'], [0, 1, 0], 3, { c: 5, minDocuments: 1 })).toMatchObject({
      c: 5,
      tuning: [],
    });
    expect(fitLinearBaseline(['a b', 'c d'], [0, 1], 2, { minDocuments: 1 }).tuning).toEqual([]);
    expect(() => fitLinearBaseline(['a', 'b'], [0, 2], 2)).toThrow(/label of text 1.*seen: 2/);
  });
});
