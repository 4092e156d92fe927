import { describe, expect, it } from 'vitest';
import { createRng } from '../util/rng.ts';
import {
  argmax,
  chooseToken,
  draw,
  logProbabilities,
  logSumExp,
  penalize,
  type SamplingOptions,
  samplingDistribution,
  topEntries,
} from './sampling.ts';

// logits whose softmax is 0.4, 0.3, 0.2, 0.1
const row = (): Float32Array => Float32Array.from([0.4, 0.3, 0.2, 0.1], (p) => Math.log(p) + 3);
const distribution = (o: SamplingOptions): number[] => [...samplingDistribution(row(), o)];
const near = (got: number[], want: number[]): void =>
  want.forEach((w, i) => {
    expect(got[i]).toBeCloseTo(w, 6);
  });

describe('the distribution that is sampled from', () => {
  it('is the softmax without options', () => near(distribution({}), [0.4, 0.3, 0.2, 0.1]));

  it('is sharpened by a temperature below 1: squares at 1/2', () =>
    near(distribution({ temperature: 0.5 }), [16 / 30, 9 / 30, 4 / 30, 1 / 30]));

  it('keeps the k likeliest', () => near(distribution({ topK: 2 }), [4 / 7, 3 / 7, 0, 0]));

  it('keeps the fewest that reach p, the one that crosses it included', () => {
    near(distribution({ topP: 0.5 }), [4 / 7, 3 / 7, 0, 0]);
    near(distribution({ topP: 0.39 }), [1, 0, 0, 0]);
    near(distribution({ topP: 0.75 }), [4 / 9, 3 / 9, 2 / 9, 0]);
  });

  it('measures p within the k likeliest', () =>
    // within {4/9, 3/9, 2/9}, 7/9 is reached by two
    near(distribution({ topK: 3, topP: 0.7 }), [4 / 7, 3 / 7, 0, 0]));

  it('drops what is less likely than minP times the likeliest', () => {
    near(distribution({ minP: 0.6 }), [4 / 7, 3 / 7, 0, 0]);
    near(distribution({ minP: 0.3 }), [4 / 9, 3 / 9, 2 / 9, 0]);
  });

  it('gives no probability to excluded tokens', () => {
    const logits = row();
    logits[0] = Number.NEGATIVE_INFINITY;
    near([...samplingDistribution(logits, { topP: 0.99 })], [0, 3 / 6, 2 / 6, 1 / 6]);
  });
});

describe('penalties', () => {
  it('divide positive and multiply negative logits of tokens seen, prompt included', () => {
    const logits = Float32Array.from([2, -2, 1, -1]);
    penalize(logits, { context: [0, 0], ids: [1] }, { repetitionPenalty: 2 });
    expect([...logits]).toEqual([1, -4, 1, -1]);
  });

  it('take off once per occurrence and once at all, for generated tokens only', () => {
    const logits = Float32Array.from([2, 2, 2]);
    penalize(logits, { context: [2], ids: [0, 0, 1] }, { frequencyPenalty: 0.5, presencePenalty: 0.25 });
    expect([...logits]).toEqual([0.75, 1.25, 2]);
  });
});

describe('choosing', () => {
  it('draws with the frequencies of the distribution', () => {
    const p = samplingDistribution(row(), {});
    const rng = createRng('draws');
    const counts = [0, 0, 0, 0];
    const n = 20_000;
    for (let i = 0; i < n; i++) counts[draw(p, rng)]++;
    // five standard deviations
    counts.forEach((c, i) => {
      expect(Math.abs(c / n - p[i])).toBeLessThan(5 * Math.sqrt((p[i] * (1 - p[i])) / n));
    });
  });

  it('never draws a token of probability 0', () => {
    const rng = createRng(1);
    for (let i = 0; i < 500; i++)
      expect(chooseToken(row(), { temperature: 5, topK: 2 }, rng)).toBeLessThan(2);
  });

  it('takes the first of equals at temperature 0', () => {
    expect(argmax(Float32Array.of(1, 3, 3))).toBe(1);
    expect(chooseToken(Float32Array.of(1, 3, 3), {}, createRng(0))).toBe(1);
  });
});

describe('log-probabilities', () => {
  it('are exact for large and excluded logits', () => {
    expect(logSumExp(Float32Array.of(1000, 1000))).toBeCloseTo(1000 + Math.log(2), 9);
    expect([...logProbabilities(Float32Array.of(5, Number.NEGATIVE_INFINITY))]).toEqual([
      0,
      Number.NEGATIVE_INFINITY,
    ]);
  });

  it('give the k largest in order, equals by index', () => {
    expect(topEntries(Float32Array.of(1, 4, 2, 4, 3), 3)).toEqual({ ids: [1, 3, 4], values: [4, 4, 3] });
    expect(topEntries(Float32Array.of(1, 2), 5).ids).toEqual([1, 0]);
  });
});
