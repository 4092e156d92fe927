import { describe, expect, it } from 'vitest';
import type { PreferenceRows } from '../../train/preference.ts';
import { preferenceFigures } from './figures.ts';
import { policyHeadline, policyValues } from './report.ts';

const rows = (lists: number[][], scores: number[][]): PreferenceRows =>
  ({ width: Math.max(...lists.map((l) => l.length)), lists, scores }) as unknown as PreferenceRows;
const scored = (logp: number[], reference: number[]) => ({
  tokens: Int32Array.from(logp, () => 2),
  logp: Float64Array.from(logp),
  reference: Float64Array.from(reference),
  kl: Float64Array.from(logp, (_, i) => 0.1 * i),
});

describe('figures of preferences', () => {
  it('of pairs: log-ratios decide, ties count half', () => {
    const f = preferenceFigures(
      rows(
        [
          [0, 1],
          [2, 3],
        ],
        [
          [1, 0],
          [1, 0],
        ],
      ),
      scored([-4, -2, -6, -5], [-5, -1, -6, -5]),
    );
    expect([...f.accuracy]).toEqual([1, 0.5]);
    expect([...f.margin]).toEqual([2, 0]);
    expect([...f.ranking]).toEqual([0, 0]);
    expect([...f.chosenDrift, ...f.rejectedDrift]).toEqual([1, 0, -1, 0]);
    expect(f.kl).toBeCloseTo(0.6 / 8, 12);
    expect(f.perplexity).toBeCloseTo(Math.exp(10 / 4), 12);
  });

  it('of lists: all comparisons of a row, none of equal scores', () => {
    const f = preferenceFigures(
      rows(
        [
          [0, 1, 2],
          [3, 4],
        ],
        [
          [3, 1, 2],
          [1, 1],
        ],
      ),
      scored([0, -1, 1, 5, 6], [0, 0, 0, 0, 0]),
    );
    // 3 > 2: wrong, 3 > 1: right, 2 > 1: right
    expect(f.accuracy).toHaveLength(1);
    expect(f.accuracy[0]).toBeCloseTo(2 / 3, 12);
    expect(f.chosenDrift[0]).toBe(0);
    expect(f.rejectedDrift[0]).toBe(-1);
  });

  it('of single responses: the area under the ROC curve', () => {
    const f = preferenceFigures(
      rows([[0], [1], [2], [3]], [[1], [0], [1], [0]]),
      scored([3, 2, 1, 0], [0, 0, 0, 0]),
    );
    // good 3 and 1 against bad 2 and 0: three of four comparisons
    const mean = f.accuracy.reduce((a, b) => a + b) / f.accuracy.length;
    expect(mean).toBeCloseTo(0.75, 12);
    expect([...f.chosenDrift]).toEqual([3, 1]);
  });

  it('are put in words, chance included', () => {
    const values = (accuracy: number[]) => {
      const figures = [
        {
          accuracy: Float64Array.from(accuracy),
          margin: Float64Array.from(accuracy),
          ranking: Float64Array.from(accuracy),
          chosenDrift: Float64Array.of(-1),
          rejectedDrift: Float64Array.of(-3),
          kl: 0.2,
          perplexity: 9,
        },
      ];
      const options = { resamples: 200, level: 0.95 };
      return { figures, values: policyValues(figures, options) };
    };
    const arm = (id: string, role: string, accuracy: number[]) =>
      ({ id, role, name: id, seeds: [1], ...values(accuracy) }) as never;
    const say = (accuracy: number[]): string =>
      policyHeadline(
        [
          arm('distilled', 'distilled', accuracy),
          arm(
            'reference',
            'other',
            accuracy.map(() => 0.5),
          ),
          arm(
            'alone',
            'alone',
            accuracy.map(() => 0),
          ),
        ],
        { resamples: 200, level: 0.95 },
      ).sentence;
    expect(say(Array.from({ length: 40 }, (_, i) => (i % 10 ? 1 : 0)))).toMatch(
      /better response in 90\.0 % .*\)\. It beats .* alone \(0\.0 %\)\. Better responses moved by -1\.00 nats, worse ones by -3\.00/,
    );
    expect(say(Array.from({ length: 40 }, (_, i) => i % 2))).toMatch(/cannot be told from chance/);
  });
});
