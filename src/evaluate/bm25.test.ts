import { describe, expect, it } from 'vitest';
import { createRng } from '../util/rng.ts';
import { bestOf, createBm25 } from './bm25.ts';

describe('BM25', () => {
  const documents = ['the cat sat', 'the dog sat on the dog', 'a bird', ''];
  const index = createBm25(documents, { k1: 1.2, b: 0.75 });

  it('scores by the formula', () => {
    const { documents: found, scores } = index.search('Dog sat!', 10);
    const usual = (3 + 6 + 2 + 0) / 4;
    const idf = (df: number): number => Math.log(1 + (4 - df + 0.5) / (df + 0.5));
    const part = (tf: number, length: number): number =>
      (tf * 2.2) / (tf + 1.2 * (0.25 + (0.75 * length) / usual));
    expect([...found]).toEqual([1, 0]);
    expect(scores[0]).toBeCloseTo(idf(1) * part(2, 6) + idf(2) * part(1, 6), 5);
    expect(scores[1]).toBeCloseTo(idf(2) * part(1, 3), 5);
  });

  it('finds nothing for words it has not seen, and no more than asked', () => {
    expect(index.search('zebra', 5).documents).toHaveLength(0);
    expect(index.search('the', 1).documents).toHaveLength(1);
  });
});

it('bestOf is the head of a full sort, ties by index', () => {
  const rng = createRng('best');
  for (const k of [0, 1, 3, 10, 50]) {
    const scores = Array.from({ length: 40 }, () => rng.int(12));
    const sorted = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a] || a - b);
    expect([...bestOf(scores, k).documents]).toEqual(sorted.slice(0, k));
  }
});
