import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { faqSearch } from '../../data/generators/faq-search.ts';
import { createBm25 } from '../../evaluate/bm25.ts';
import { run } from '../../index.ts';
import { tokenizerFor } from '../text.ts';
import { buildRanker } from './build.ts';
import { pairScores, withFirstStage } from './first-stage.ts';
import { firstStageOf, trainingLists } from './lists.ts';
import { pseudoQueries } from './pseudo-queries.ts';
import { wordsOfCollection } from './word-vectors.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-few-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const tokenizer = { kind: 'wordpiece', vocabSize: 200, minFrequency: 1, lowercase: true } as const;
const documents = [
  'the wing lifts the plane. air over the wing is fast and thin here.',
  'the wing and the flap lift a plane in thin air',
  'the soup has salt and pepper and leek',
  'salt the leek soup and stir the pepper in',
];

describe('word vectors of a collection', () => {
  it('are near for words of the same documents, and as long as they are rare', async () => {
    const words = await tokenizerFor(tokenizer, documents, 64);
    const { vectors, idf } = wordsOfCollection(words, documents, 3);
    const of = (word: string): number[] => {
      const id = words.id(word)!;
      return [...(vectors.data as Float32Array).subarray(3 * id, 3 * id + 3)];
    };
    const cosine = (a: number[], b: number[]): number =>
      a.reduce((s, x, i) => s + x * b[i], 0) / Math.hypot(...a) / Math.hypot(...b);
    expect(cosine(of('plane'), of('wing'))).toBeGreaterThan(cosine(of('plane'), of('soup')) + 0.5);
    const rarity = (word: string): number => (idf.data as Float32Array)[words.id(word)!];
    // one of four documents, ln(1 + 3.5 / 1.5); all of them, ln(1 + 0.5 / 4.5)
    expect(rarity('flap')).toBeCloseTo(Math.log(1 + 3.5 / 1.5), 5);
    expect(rarity('the')).toBeCloseTo(Math.log(1 + 0.5 / 4.5), 5);
    expect(rarity('[CLS]')).toBe(0);
  });
});

describe('queries made of sentences', () => {
  it('are sentences of five words and more, drawn by the seed, whose document is no candidate', () => {
    const queries = pseudoQueries(documents, 1, 1);
    expect(queries).toEqual(pseudoQueries(documents, 1, 1));
    expect(queries.length).toBe(4);
    for (const q of queries) expect(documents[q.cutFrom!]).toContain(q.text);
    expect(pseudoQueries(documents, 2, 1).map((q) => q.text)).toContain('the wing lifts the plane.');
    const search = firstStageOf(createBm25(documents), 10);
    const lists = trainingLists(queries, 4, search, {
      lists: 9,
      negatives: 1,
      hard: 0.5,
      depth: 10,
      seed: 1,
    });
    expect(lists.length).toBe(36);
    for (const l of lists) {
      expect(l.labelled).toBe(false);
      expect(l.documents).not.toContain(queries.find((q) => q.text === l.query)!.cutFrom);
    }
  });
});

describe('a ranker with the first stage', () => {
  it('takes the scores of BM25 beside the texts', async () => {
    const index = createBm25(documents);
    const score = pairScores(index, documents);
    const hits = index.search('thin air', 1);
    expect(score('thin air', documents[hits.documents[0]])).toBe(hits.scores[0]);
    expect(score('thin air', documents[2])).toBe(0);
    const built = withFirstStage(
      await buildRanker(
        { architecture: 'dual-bag', options: { width: 2 } },
        { documents, queries: ['thin air'], baseDir: '.', at: 'teacher' },
      ),
      score,
    );
    const inputs = built.lists([{ query: 'thin air', documents: documents.slice(0, 3) }]).inputs([0]);
    expect([...(inputs.first_stage_scores.data as Float32Array)]).toEqual(
      documents.slice(0, 3).map((d) => Math.fround(score('thin air', d))),
    );
  });
});

it('a run with all of it: the exported encoder knows no scale', async () => {
  const set = faqSearch({ train: 30, test: 10, queries: 5, seed: 5 });
  const file = (name: string, rows: readonly Record<string, unknown>[]): string => {
    const path = join(dir, name);
    writeFileSync(path, `${rows.map((r) => JSON.stringify(r)).join('\n')}\n`);
    return path;
  };
  const bag = { architecture: 'dual-bag', options: { width: 16, vectors: 'collection', scale: 20 } };
  const { report, model } = await run(
    {
      version: 1,
      task: 'rank',
      data: {
        train: file('train.jsonl', set.splits.train()),
        test: file('test.jsonl', set.splits.test()),
        unlabeled: file('documents.jsonl', set.splits.documents().slice(0, 120)),
        validation: 0.1,
        ranking: { lists: 2, depth: 20, pseudo: 1 },
      },
      teacher: { kind: 'trained', ...bag, firstStage: true, train: { steps: 4, batchSize: 16 } },
      student: bag,
      method: 'margin-mse',
      train: { steps: 6, batchSize: 16, threads: 1 },
      evaluate: { bootstrap: 100, latency: { repeats: 2 } },
    },
    { out: join(dir, 'run') },
  );
  const arm = (role: string): number => report.arms.find((a) => a.role === role)!.values.rerankNdcg.mean;
  expect(report.arms[0].about).toContain('with BM25');
  expect(arm('teacher')).toBeGreaterThan(0.1);
  expect(report.data.splits.find((s) => s.name === 'training queries')!.rows).toBeGreaterThan(60);
  expect(model.parity[0].maxDifference).toBeLessThan(1e-4);
  expect(readFileSync(join(model.folder, 'model.safetensors')).includes('log_scale')).toBe(false);
}, 60_000);
