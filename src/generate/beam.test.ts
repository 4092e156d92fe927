import { describe, expect, it } from 'vitest';
import { beamSearch, diverseBeamSearch } from './beam.ts';

const table = (rows: number[][]) => (prefixes: readonly (readonly number[])[]) =>
  prefixes.map((p) => rows[p[p.length - 1]].map(Math.log));

describe('beamSearch', () => {
  const rows = [
    [0.1, 0.5, 0.4],
    [0.4, 0.3, 0.3],
    [0.05, 0.05, 0.9],
  ];

  it('finds what greedy search misses', async () => {
    const greedy = await beamSearch({ score: table(rows), start: [0], width: 1, maxLength: 2 });
    const wide = await beamSearch({ score: table(rows), start: [0], width: 3, maxLength: 2 });
    expect(greedy[0].tokens).toEqual([1, 0]);
    expect(wide[0].tokens).toEqual([2, 2]);
    expect(wide[0].logp).toBeCloseTo(Math.log(0.36));
  });

  it('equals exhaustive search when the width holds everything', async () => {
    const all: [string, number][] = [];
    for (const a of [0, 1, 2])
      for (const b of [0, 1, 2])
        for (const c of [0, 1, 2]) all.push([`${a}${b}${c}`, rows[0][a] * rows[a][b] * rows[b][c]]);
    all.sort((x, y) => y[1] - x[1]);
    const beams = await beamSearch({ score: table(rows), start: [0], width: 27, maxLength: 3 });
    expect(beams).toHaveLength(27);
    beams.forEach((b, i) => {
      expect(Math.exp(b.logp)).toBeCloseTo(all[i][1]);
    });
  });

  it('ends at the end token and lets a length penalty favour longer results', async () => {
    const ends = [
      [0, 0.6, 0.4],
      [0, 0.45, 0.55],
      [0, 0, 1],
    ];
    const raw = await beamSearch({ score: table(ends), start: [0], eos: 2, width: 4, maxLength: 3 });
    expect(raw[0].tokens).toEqual([2]);
    expect(raw.every((b, i) => i === 0 || b.score <= raw[i - 1].score)).toBe(true);
    const mean = await beamSearch({
      score: table(ends),
      start: [0],
      eos: 2,
      width: 4,
      maxLength: 3,
      lengthPenalty: 1,
    });
    expect(mean[0].tokens.length).toBeGreaterThan(1);
  });

  it('never proposes tokens of probability 0', async () => {
    const beams = await beamSearch({
      score: table([
        [0, 1],
        [1, 0],
      ]),
      start: [0],
      width: 5,
      maxLength: 3,
    });
    expect(beams.map((b) => b.tokens)).toEqual([[1, 0, 1]]);
  });
});

describe('diverseBeamSearch', () => {
  const rows = [
    [0, 0.5, 0.3, 0.2],
    [0.7, 0.1, 0.1, 0.1],
    [0.7, 0.1, 0.1, 0.1],
    [0.7, 0.1, 0.1, 0.1],
  ];
  const search = (groups: number, diversity: number, width = groups, maxLength = 2) =>
    diverseBeamSearch({ score: table(rows), start: [0], width, groups, diversity, maxLength });

  it('is beam search with one group', async () => {
    const plain = await beamSearch({ score: table(rows), start: [0], width: 3, maxLength: 2 });
    expect((await search(1, 0.5, 3))[0]).toEqual(plain);
  });

  it('repeats itself without diversity and leaves what others chose with it', async () => {
    const same = await search(3, 0);
    expect(same.map(([b]) => b.tokens)).toEqual([
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
    // hand-computed: log 0.5 - 0.6 < log 0.3 at the first position; at the second 0 keeps its lead over 0.1
    const diverse = await search(3, 0.6);
    expect(diverse.map(([b]) => b.tokens)).toEqual([
      [1, 0],
      [2, 0],
      [1, 0],
    ]);
    const apart = await search(3, 5);
    expect(apart.map(([b]) => b.tokens[0])).toEqual([1, 2, 3]);
    // the term is no part of the log-probability
    expect(apart[0][0].logp).toBeCloseTo(Math.log(0.35));
    expect(apart[1][0].logp).toBeCloseTo(Math.log(0.3 * rows[2][apart[1][0].tokens[1]]));
  });

  it('refuses groups that do not divide the width', async () => {
    await expect(search(2, 1, 3)).rejects.toThrow(/divide/);
  });
});
