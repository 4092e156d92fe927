import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { faqSearch } from '../../data/generators/faq-search.ts';
import { ndarray } from '../../graph/index.ts';
import { run } from '../../index.ts';
import { evaluate64, f64 } from '../../losses/testing/evaluate.ts';
import { embeddingDistance, embeddingKd, SENTENCE } from '../../methods/ranking/embedding-kd.ts';
import { createRng } from '../../util/rng.ts';
import { openEmbedder } from '../embed.ts';
import { reduceTo } from './reduce.ts';
import { embedBed, embedScores, embedValues } from './report.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-embed-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('vectors of a teacher', () => {
  it('are matched by squared difference, direction, or as the nearest of the batch', () => {
    const s = f64([
      [1, 0],
      [0, 2],
    ]);
    const t = f64([
      [1, 2],
      [0, 1],
    ]);
    const value = (loss: 'mse' | 'cosine' | 'infonce'): number[] => [
      ...evaluate64(
        (a, b) => embeddingDistance(a, b, embeddingKd.config.parse({ loss, temperature: 1 })),
        [s, t],
        [],
      ).value,
    ];
    expect(value('mse')).toEqual([2, 0.5]);
    expect(value('cosine')[0]).toBeCloseTo(1 - 1 / Math.sqrt(5), 12);
    expect(value('cosine')[1]).toBeCloseTo(0, 12);
    const near = 2 / Math.sqrt(5);
    expect(value('infonce')[1]).toBeCloseTo(Math.log(Math.exp(1) + Math.exp(near)) - 1, 12);
  });

  it('are reduced so that products stay: all of a plane in three dimensions', () => {
    const rng = createRng('plane');
    const rows = Array.from({ length: 20 }, () => {
      const [a, b] = [rng.normal(), rng.normal()];
      return [a, b, a - 2 * b];
    });
    const x = ndarray(Float32Array.from(rows.flat()), [20, 3]);
    const { kept, apply } = reduceTo(x, 2);
    expect(kept).toBeCloseTo(1, 6);
    const y = apply(x).data as Float32Array;
    const dot = (v: ArrayLike<number>, w: number, i: number, j: number): number =>
      Array.from({ length: w }, (_, k) => v[i * w + k] * v[j * w + k]).reduce((p, q) => p + q);
    for (const [i, j] of [
      [0, 1],
      [3, 7],
      [5, 5],
    ])
      expect(dot(y, 2, i, j)).toBeCloseTo(dot(x.data as Float32Array, 3, i, j), 4);
  });
});

it('figures: places of the other text, correlation with scores', () => {
  const pairs = [
    { text: 'a', pair: 'b', score: 5 },
    { text: 'a', pair: 'c', score: 1 },
    { text: 'b', pair: 'c', score: 4 },
  ];
  const bed = embedBed(pairs, []);
  expect(bed.texts).toEqual(['a', 'b', 'c']);
  expect(bed.sought).toEqual([0, 2]);
  // cosines: ab 0.8, ac 0, bc 0.6
  const x = ndarray(Float32Array.from([1, 0, 1.6, 1.2, 0, 3]), [3, 2]);
  const scores = embedScores(bed, x);
  expect([...scores.cosines].map((c) => Math.round(c * 1e4) / 1e4)).toEqual([0.8, 0, 0.6]);
  expect([...scores.mrr]).toEqual([1, 0.5]);
  const values = embedValues(bed, [scores], scores, { resamples: 100, level: 0.95 });
  expect(values.spearman.mean).toBeCloseTo(1, 12);
  expect(values.mrr.mean).toBe(0.75);
  expect(values.neighbours.mean).toBe(1);
});

const set = faqSearch({ train: 60, test: 30, seed: 3 });
const file = (name: string, rows: readonly Record<string, unknown>[]): string => {
  const path = join(dir, name);
  writeFileSync(path, `${rows.map((r) => JSON.stringify(r)).join('\n')}\n`);
  return path;
};
const best = (rows: Record<string, unknown>[]) => {
  const seen = new Set<unknown>();
  return rows
    .filter((r) => r.relevance === 3 || r.relevance === 1)
    .filter((r) => !seen.has(r.query) && seen.add(r.query))
    .map((r) => ({ text: r.query, pair: r.document }));
};
const recipe = (teacher: unknown, options: unknown) => ({
  version: 1,
  name: 'embedded',
  task: 'embed',
  data: {
    train: file('train.jsonl', best(set.splits.train())),
    test: file('test.jsonl', best(set.splits.test())),
    validation: 0,
  },
  teacher,
  student: { architecture: 'sentence-bag', options },
  method: { name: 'embedding-kd', options: { loss: 'cosine' } },
  train: { steps: 12, batchSize: 16, threads: 1, optimizer: { lr: 0.01 } },
  evaluate: { bootstrap: 100, latency: { repeats: 2 } },
});

it('a run: a teacher trained in place, a narrower student, and that student’s folder as the next teacher', async () => {
  const trained = {
    kind: 'trained',
    architecture: 'sentence',
    options: { layers: 1, hidden: 16, heads: 2 },
    train: { steps: 10, batchSize: 16 },
  };
  const first = await run(recipe(trained, { width: 8 }), { out: join(dir, 'first') });
  expect(first.report.arms.map((a) => a.role)).toEqual(['teacher', 'distilled', 'alone', 'linear']);
  expect(first.report.warnings.join()).toMatch(/16 numbers were reduced to the student's 8/);
  expect(first.model.parity[0].maxDifference).toBeLessThan(1e-4);
  const embedder = await openEmbedder(first.model.folder);
  expect((await embedder.embed(['stocks'])).vectors[0]).toHaveLength(8);
  await embedder.close();

  const folder = { kind: 'folder', path: first.model.folder };
  const second = await run(recipe(folder, { width: 8 }), { out: join(dir, 'second') });
  const student = second.report.arms.find((a) => a.role === 'distilled')!;
  expect(student.values.neighbours.mean).toBeGreaterThan(0);
  await expect(run(recipe(folder, { width: 12 }), { out: join(dir, 'third') })).rejects.toThrow(
    /wider than the teacher's.*projection: 8/,
  );
  expect(SENTENCE).toBe('sentence_embedding');
}, 180_000);
