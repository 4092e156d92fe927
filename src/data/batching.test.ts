import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toNested } from '../graph/ndarray.ts';
import { batchesByLength, chooseBuckets, encodeBatch, padBatch, paddedLength } from './batching.ts';
import { createTokenizer } from './tokenizer/tokenizer.ts';
import { trainTokenizer } from './tokenizer/train.ts';

describe('padding', () => {
  it('pads to the longest row, a length or the smallest bucket, on either side', () => {
    const rows = [[5, 6, 7], [8], []];
    const a = padBatch(rows, { padId: 9 });
    expect(toNested(a.inputIds)).toEqual([
      [5, 6, 7],
      [8, 9, 9],
      [9, 9, 9],
    ]);
    expect(toNested(a.attentionMask)).toEqual([
      [1, 1, 1],
      [1, 0, 0],
      [0, 0, 0],
    ]);
    expect(a.lengths).toEqual([3, 1, 0]);
    expect(a.inputIds.dtype).toBe('int64');
    const b = padBatch(rows, { padId: 0, to: [8, 4, 2], side: 'left' });
    expect(toNested(b.inputIds)).toEqual([
      [0, 5, 6, 7],
      [0, 0, 0, 8],
      [0, 0, 0, 0],
    ]);
    expect(toNested(b.attentionMask)).toEqual([
      [0, 1, 1, 1],
      [0, 0, 0, 1],
      [0, 0, 0, 0],
    ]);
    expect(padBatch([], { padId: 0 }).inputIds.shape).toEqual([0, 0]);
    expect(() => padBatch(rows, { padId: 0, to: 2 })).toThrow(/seen: 3; allowed: up to 2/);
  });

  it('encodes texts and pairs', () => {
    const { tokenizer, tokenizerConfig } = trainTokenizer('wordpiece', Array(9).fill('a b c d e f'), {
      vocabSize: 40,
    });
    const t = createTokenizer(tokenizer, tokenizerConfig);
    const { cls, sep, pad } = t.special;
    const [a, b, c] = ['a', 'b', 'c'].map((x) => t.id(x)!);
    const batch = encodeBatch(t, [['a b', 'c'], 'c'], { to: 8 });
    expect(toNested(batch.inputIds)).toEqual([
      [cls, a, b, sep, c, sep, pad, pad],
      [cls, c, sep, pad, pad, pad, pad, pad],
    ]);
    expect(toNested(batch.tokenTypeIds!)).toEqual([
      [0, 0, 0, 0, 1, 1, 0, 0],
      [0, 0, 0, 0, 0, 0, 0, 0],
    ]);
    expect(encodeBatch(t, ['a b c'], { maxLength: 3 }).lengths).toEqual([3]);
    const bare = createTokenizer(tokenizer, {});
    expect(() => encodeBatch(bare, ['a'])).toThrow(/neither a pad nor an eos/);
  });
});

describe('buckets', () => {
  it('hold every length, and every row lands once in the smallest that fits', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(200), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 9 }),
        (lengths, count, batchSize) => {
          const buckets = chooseBuckets(lengths, count);
          expect(buckets.length).toBeLessThanOrEqual(count);
          expect(Math.max(...buckets)).toBeGreaterThanOrEqual(Math.max(...lengths));
          const batches = batchesByLength(lengths, { batchSize, buckets, seed: 1 });
          const seen = batches.flatMap((b) => b.rows).sort((x, y) => x - y);
          expect(seen).toEqual(lengths.map((_, i) => i));
          for (const b of batches) {
            expect(b.rows.length).toBeLessThanOrEqual(batchSize);
            for (const r of b.rows) expect(paddedLength(lengths[r], buckets)).toBe(b.length);
          }
        },
      ),
      { numRuns: 200, seed: 4 },
    );
  });

  it('are shuffled by the seed and by nothing else', () => {
    const lengths = Array.from({ length: 60 }, (_, i) => i);
    const make = (seed: number) => batchesByLength(lengths, { batchSize: 4, buckets: [16, 32, 64], seed });
    expect(make(1)).toEqual(make(1));
    expect(make(1)).not.toEqual(make(2));
  });
});
