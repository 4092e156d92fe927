import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextTokenTargets, packSequences } from './packing.ts';

const docs = (...lists: number[][]) => lists.map((ids) => ({ ids }));

describe('packing whole documents', () => {
  it('fills rows without splitting what fits', () => {
    const rows = packSequences(docs([1, 1, 1], [2, 2], [3, 3, 3, 3], [4]), { length: 5, padId: 0 });
    expect(rows.map((r) => r.ids)).toEqual([
      [3, 3, 3, 3, 4],
      [1, 1, 1, 2, 2],
    ]);
    expect(rows[1]).toEqual({
      ids: [1, 1, 1, 2, 2],
      mask: [1, 1, 1, 1, 1],
      segments: [1, 1, 1, 2, 2],
      positions: [0, 1, 2, 0, 1],
    });
  });

  it('pads, closes documents and cuts the ones that are too long', () => {
    const rows = packSequences(docs([1, 2, 3, 4, 5, 6], [7]), { length: 4, padId: 0, eosId: 9 });
    expect(rows.map((r) => r.ids)).toEqual([
      [1, 2, 3, 4],
      [5, 6, 9, 0],
      [7, 9, 0, 0],
    ]);
    expect(rows[1]).toMatchObject({ mask: [1, 1, 1, 0], segments: [1, 1, 1, 0], positions: [0, 1, 2, 0] });
  });

  it('keeps masks; the end mark is learned with the token before it', () => {
    const [row] = packSequences(
      [
        { ids: [1, 2], mask: [0, 1] },
        { ids: [3], mask: [0] },
      ],
      { length: 6, padId: 0, eosId: 9 },
    );
    expect(row.ids).toEqual([1, 2, 9, 3, 9, 0]);
    expect(row.mask).toEqual([0, 1, 1, 0, 0, 0]);
    expect(() => packSequences([{ ids: [1], mask: [] }], { length: 2, padId: 0 })).toThrow(/another length/);
    expect(() => packSequences([], { length: 0, padId: 0 })).toThrow(/length.*seen: 0/);
  });
});

describe('packing a stream', () => {
  it('cuts every length tokens and starts segments anew in each row', () => {
    const rows = packSequences(docs([1, 1, 1], [2, 2, 2, 2]), {
      length: 4,
      padId: 0,
      eosId: 9,
      mode: 'stream',
    });
    expect(rows.map((r) => r.ids)).toEqual([
      [1, 1, 1, 9],
      [2, 2, 2, 2],
      [9, 0, 0, 0],
    ]);
    expect(rows[2]).toMatchObject({ segments: [1, 0, 0, 0], positions: [4, 0, 0, 0], mask: [1, 0, 0, 0] });
    const full = packSequences(docs([1, 1, 1], [2]), { length: 3, padId: 0, mode: 'stream', dropLast: true });
    expect(full.map((r) => r.ids)).toEqual([[1, 1, 1]]);
  });
});

describe('packing in general', () => {
  it('keeps every token once, in order within its document', () => {
    const document = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 30 });
    fc.assert(
      fc.property(
        fc.array(document, { maxLength: 20 }),
        fc.integer({ min: 1, max: 16 }),
        fc.constantFrom<'whole' | 'stream'>('whole', 'stream'),
        (lists, length, mode) => {
          const rows = packSequences(docs(...lists), { length, padId: 0, eosId: 99, mode });
          const tokens = rows.flatMap((r) => r.ids.filter((_, i) => r.segments[i] > 0));
          const expected = lists.filter((l) => l.length > 0).flatMap((l) => [...l, 99]);
          if (mode === 'stream') expect(tokens).toEqual(expected);
          else expect([...tokens].sort()).toEqual([...expected].sort());
          for (const r of rows) {
            expect(r.ids.length).toBe(length);
            r.segments.forEach((s, i) => {
              if (s === 0) expect([r.ids[i], r.mask[i]]).toEqual([0, 0]);
            });
          }
          if (mode === 'whole') {
            const used = rows.map((r) => r.segments.filter((s) => s > 0).length).sort((a, b) => a - b);
            // best fit: no two rows could have been one
            if (used.length > 1) expect(used[0] + used[1]).toBeGreaterThan(length);
          }
        },
      ),
      { numRuns: 300, seed: 9 },
    );
  });
});

describe('next-token targets', () => {
  it('shift by one and never cross documents', () => {
    const [row] = packSequences(docs([1, 2], [3, 4]), { length: 5, padId: 0 });
    expect(nextTokenTargets(row)).toEqual({
      inputs: [1, 2, 3, 4],
      targets: [2, 3, 4, 0],
      mask: [1, 0, 1, 0],
    });
    expect(nextTokenTargets({ ids: [1, 2, 3], mask: [0, 0, 1] })).toEqual({
      inputs: [1, 2],
      targets: [2, 3],
      mask: [0, 1],
    });
  });
});
