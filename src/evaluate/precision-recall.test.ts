import { describe, expect, it } from 'vitest';
import { cutoffAtRecall, precisionAbove, precisionRecall, rocArea } from './precision-recall.ts';

describe('precision and recall', () => {
  // by hand: descending 0.9+ 0.8- 0.7+ 0.7- 0.3+ 0.1-
  const scores = [0.9, 0.8, 0.7, 0.7, 0.3, 0.1];
  const labels = [1, 0, 1, 0, 1, 0];

  it('gives one point per distinct score and ends where recall is full', () => {
    const c = precisionRecall(scores, labels);
    expect([...c.thresholds]).toEqual([0.3, 0.7, 0.8, 0.9]);
    expect([...c.recall]).toEqual([1, 2 / 3, 1 / 3, 1 / 3]);
    expect([...c.precision]).toEqual([3 / 5, 2 / 4, 1 / 2, 1]);
  });

  it('cuts at the first recall that is low enough, and keeps strictly more', () => {
    expect(cutoffAtRecall(precisionRecall(scores, labels), 0.7).cutoff).toBe(0.7);
    expect(cutoffAtRecall(precisionRecall(scores, labels), 0.4).cutoff).toBe(0.8);
    expect(precisionAbove(scores, labels, 0.7)).toEqual({ precision: 0.5, kept: 2 });
    expect(precisionAbove(scores, labels, 0.9)).toEqual({ precision: Number.NaN, kept: 0 });
    expect(() => cutoffAtRecall(precisionRecall(scores, labels), 0.2)).toThrow(/more rated rows/);
    expect(() => precisionRecall([1, 2], [0, 0])).toThrow(/positive/);
  });

  it('measures the area by pairs', () => {
    let [wins, pairs] = [0, 0];
    for (let i = 0; i < 6; i++)
      for (let j = 0; j < 6; j++)
        if (labels[i] && !labels[j]) {
          pairs++;
          wins += scores[i] > scores[j] ? 1 : scores[i] === scores[j] ? 0.5 : 0;
        }
    expect(rocArea(scores, labels)).toBeCloseTo(wins / pairs, 12);
    expect(rocArea([1, 2, 3, 4], [0, 0, 1, 1])).toBe(1);
  });
});
