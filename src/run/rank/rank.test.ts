import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';
import { afterAll, describe, expect, it } from 'vitest';
import { heldSet } from '../../data/example-set.ts';
import { faqSearch } from '../../data/generators/faq-search.ts';
import { topicCollection } from '../../data/generators/topic-rank.ts';
import type { Example } from '../../data/types.ts';
import { createBm25 } from '../../evaluate/bm25.ts';
import { run } from '../../index.ts';
import { openEmbedder } from '../embed.ts';
import { collectionOf } from './collection.ts';
import { firstStageOf, trainingLists } from './lists.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-rank-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const row = (text: string | undefined, pair?: string, rest: Partial<Example> = {}): Example => ({
  file: 'x.csv',
  line: 1,
  ...(text === undefined ? {} : { text }),
  ...(pair === undefined ? {} : { pair }),
  ...rest,
});
const held = (items: Example[]) => heldSet(items);

describe('a collection', () => {
  const splits = {
    train: held([
      row('red fox', 'a fox that is red', { score: 2 }),
      row('red fox', 'a blue bird', { score: 0 }),
      row('old dog', 'a dog of old age', { rejected: 'a blue bird' }),
      row('held out', 'a fox that is red', { score: 1 }),
    ]),
    test: held([
      row('held out', 'a dog of old age', { score: 3 }),
      row('nothing', 'a blue bird', { score: 0 }),
    ]),
    unlabeled: held([row(undefined, 'a fox in the snow'), row('snow fox')]),
  };

  it('joins judged pairs, triples, further documents and unlabelled queries; test queries are not trained on', () => {
    const c = collectionOf({ splits });
    expect(c.documents).toEqual([
      'a fox that is red',
      'a blue bird',
      'a dog of old age',
      'a fox in the snow',
    ]);
    expect(c.train.map((q) => q.text)).toEqual(['red fox', 'old dog', 'snow fox']);
    expect([...c.train[1].grades]).toEqual([
      [2, 1],
      [1, 0],
    ]);
    expect(c.test.map((q) => q.text)).toEqual(['held out']);
    expect(c.unanswerable).toBe(1);
  });

  it('gives lists whose first document answers, and takes no judged answer as another', () => {
    const c = collectionOf({ splits });
    const search = firstStageOf(createBm25(c.documents), 10);
    const lists = trainingLists(c.train, c.documents.length, search, {
      lists: 20,
      negatives: 2,
      hard: 0.5,
      depth: 10,
      seed: 1,
    });
    const of = (query: string) => lists.filter((l) => l.query === query);
    expect(of('red fox').every((l) => l.labelled && l.documents[0] === 0)).toBe(true);
    expect(of('red fox').every((l) => new Set(l.documents).size === 3)).toBe(true);
    expect(of('snow fox').length).toBe(20);
    expect(of('snow fox').some((l) => l.labelled)).toBe(false);
    const again = trainingLists(c.train, c.documents.length, search, {
      lists: 20,
      negatives: 2,
      hard: 0.5,
      depth: 10,
      seed: 1,
    });
    expect(again).toEqual(lists);
  });

  it('says when nothing can be learned or measured', () => {
    expect(() => collectionOf({ splits: { ...splits, test: held([row('q', 'd', { score: 0 })]) } })).toThrow(
      /no test query has a relevant document/,
    );
    expect(() => collectionOf({ splits: { ...splits, train: held([row('q', 'd', { score: 0 })]) } })).toThrow(
      /no training query has a relevant document/,
    );
  });
});

describe('generated collections', () => {
  it('topic-rank: grades by true relevance, candidates mostly good', () => {
    const c = topicCollection({ documents: 200, train: 3, validation: 0, test: 2, seed: 3 });
    expect(c).toEqual(topicCollection({ documents: 200, train: 3, validation: 0, test: 2, seed: 3 }));
    for (const q of c.queries) {
      expect([1, 2, 3].map((g) => q.grades.filter((x) => x === g).length)).toEqual([30, 20, 10]);
      expect(q.grades[q.labelled]).toBe(3);
      const among = [...q.candidates].filter((d) => q.grades[d] === 3).length;
      expect(among).toBeGreaterThan(4);
    }
  });

  it('topic-rank: each word of a query is of either of its two topics', () => {
    const { queries } = topicCollection({ documents: 100, train: 100, validation: 0, test: 1, seed: 3 });
    const topics = queries.map((q) => new Set(Array.from(q.words, (w) => w % 20)).size);
    expect(Math.max(...topics)).toBe(2);
    // a query in 8 has all four words of one topic
    expect(topics.filter((n) => n === 1).length).toBeGreaterThan(4);
    const even = queries.filter(({ words: [first, ...rest] }) => {
      return rest.filter((w) => w % 20 === first % 20).length === 1;
    });
    expect(even.length).toBeLessThan(60);
  });

  it('faq-search: questions share few words with their articles', () => {
    const set = faqSearch({ train: 50, test: 50 });
    const rows = set.splits.test() as {
      query_id: string;
      query: string;
      document: string;
      relevance: number;
    }[];
    const articles = set.splits.documents().map((r) => String(r.document));
    const index = createBm25(articles);
    const queries = [...new Map(rows.map((r) => [r.query_id, r.query]))];
    const first = queries.filter(([id, query]) => {
      const [hit] = index.search(query, 1).documents;
      return rows.some((r) => r.query_id === id && r.relevance === 3 && r.document === articles[hit]);
    }).length;
    expect(first).toBeLessThan(25);
    expect(rows).toEqual(faqSearch({ train: 50, test: 50 }).splits.test());
  });
});

const words = (rows: readonly Record<string, unknown>[]): string =>
  `${rows.map((r) => JSON.stringify(r)).join('\n')}\n`;
const file = (name: string, rows: readonly Record<string, unknown>[]): string => {
  const path = join(dir, name);
  writeFileSync(path, words(rows));
  return path;
};

const set = faqSearch({ train: 40, test: 12, queries: 10, seed: 5 });
const small = { layers: 1, hidden: 16, heads: 2 };
const recipe = (
  student: unknown,
  teacher: unknown = { architecture: 'kernel-pooling', options: { hidden: 16 } },
) => ({
  version: 1,
  name: 'ranked',
  task: 'rank',
  data: {
    train: file('train.jsonl', set.splits.train()),
    test: file('test.jsonl', set.splits.test()),
    // two files of different columns: documents, and queries that nobody judged
    unlabeled: {
      source: [
        file('documents.jsonl', set.splits.documents().slice(0, 200)),
        file('queries.jsonl', set.splits.queries()),
      ],
    },
    validation: 0.1,
    ranking: { lists: 2, depth: 20 },
  },
  teacher: {
    kind: 'trained',
    train: { steps: 12, batchSize: 16, optimizer: { lr: 0.01 } },
    ...(teacher as object),
  },
  student,
  method: 'margin-mse',
  train: { steps: 8, batchSize: 16, threads: 1 },
  evaluate: { bootstrap: 100, latency: { repeats: 2 } },
});

describe('a run', () => {
  it.each([
    ['dual-bag', { width: 8, shared: false }],
    ['cross-encoder', small],
  ])(
    'distils into %s %o, measures and exports it',
    async (architecture, options) => {
      const out = join(dir, `${architecture}-${JSON.stringify(options).length}`);
      const { report, model, askedOfTeacher } = await run(recipe({ architecture, options }), { out });
      expect(report.arms.map((a) => a.role)).toEqual(['teacher', 'distilled', 'alone', 'linear']);
      const rows = (name: string) => report.data.splits.find((s) => s.name === name)!.rows;
      expect(rows('training queries')).toBeGreaterThan(40);
      for (const arm of report.arms) {
        expect(arm.values.ndcg.mean).toBeGreaterThan(0);
        expect(arm.values.ndcg.mean).toBeLessThanOrEqual(1);
      }
      expect(askedOfTeacher).toBeGreaterThan(200);
      expect(model.parity[0].maxDifference).toBeLessThan(1e-4);
      expect(model.files.map((f) => f.path)).toContain('onnx/model.onnx');
    },
    180_000,
  );

  it('teaches by a folder of an earlier run, and its dual encoder opens as an embedder', async () => {
    const teacher = { kind: 'folder', path: join(dir, 'cross-encoder-34', 'model') };
    const { model } = await run(
      { ...recipe({ architecture: 'dual-bag', options: { width: 8 } }), teacher },
      { out: join(dir, 'from-folder') },
    );
    const embedder = await openEmbedder(model.folder);
    const { vectors } = await embedder.embed(['get rid of my plastic', 'stocks']);
    expect(vectors.map((v) => v.length)).toEqual([8, 8]);
    await embedder.close();
    // and other programs read the same vectors
    env.localModelPath = join(dir, 'from-folder');
    env.allowRemoteModels = false;
    const extract = await pipeline('feature-extraction', 'model', { dtype: 'fp32' });
    const out = await extract(['get rid of my plastic', 'stocks'], { pooling: 'mean', normalize: true });
    expect(out.dims).toEqual([2, 8]);
    vectors
      .flatMap((v) => [...v])
      .forEach((x, i) => {
        expect(out.data[i]).toBeCloseTo(x, 5);
      });
  }, 180_000);
});
