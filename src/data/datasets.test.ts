import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../util/node/hash.ts';
import { openBuiltin } from './builtins.ts';
import { datasets } from './datasets.ts';
import { supportRequests } from './generators/support-requests.ts';
import { graphFromTables } from './graph-tables.ts';
import { readRetrieval } from './retrieval.ts';
import { csvSource } from './sources/csv.ts';
import { openDataset } from './sources/dataset.ts';
import { jsonlSource } from './sources/jsonl.ts';
import { openReference } from './sources/open.ts';
import { openGraph, openRetrieval } from './sources/structured.ts';
import { folderWith, readSource } from './testing/files.ts';

const accept = { acceptChanged: true };

describe('dataset:', () => {
  it('lists an origin, a licence and a content hash for every file of every set', () => {
    for (const [name, d] of Object.entries(datasets)) {
      expect(d.origin, name).toMatch(/^github\.com\/.+/);
      expect(d.licence, name).not.toBe('');
      for (const hash of Object.values(d.files)) expect(hash, name).toMatch(/^[0-9a-f]{64}$/);
      for (const split of Object.values(d.splits))
        expect(
          [split.file, `${split.file}.gz`].some((f) => f in d.files),
          `${name} ${split.file}`,
        ).toBe(true);
    }
  });

  it('reads a set only when its content is the published one, plain or gzipped', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `name${i}`).join('\n');
    const root = folderWith({ 'names/names.txt.gz': gzipSync(names) });
    const refused = await openDataset('names', { root });
    await expect(readSource(refused.splits.train)).rejects.toThrow(
      new RegExp(
        `names\\.txt\\.gz: the content is not that of dataset:names; seen: "sha256 ${sha256(names).slice(0, 16)}`,
      ),
    );
    const { splits } = await openDataset('names', { root, ...accept });
    const [train, test] = [(await readSource(splits.train)).rows, (await readSource(splits.test)).rows];
    expect([train.length, test.length]).toEqual([45, 5]);
    expect(new Set([...train, ...test].map((r) => r.values.text)).size).toBe(50);
    expect((await readSource(splits.test)).rows).toEqual(test);
  });

  it('takes splits by position, by column and classes from a file', async () => {
    const lines = (rows: object[]) => rows.map((r) => JSON.stringify(r)).join('\n');
    const train = Array.from({ length: 6 }, (_, i) => ({
      text: `t${i}`,
      intent: i % 2 ? 'b' : 'a',
      small: i < 2,
    }));
    const others = ['val', 'test', 'oos_train', 'oos_val', 'oos_test'].map((f) => [
      `clinc150/${f}.jsonl`,
      lines([{ text: f, intent: 'a' }]),
    ]);
    const root = folderWith({
      'clinc150/train.jsonl': lines(train),
      'clinc150/labels.json': '{"intents":["b","a"]}',
      ...Object.fromEntries(others),
      'letter-recognition/letter-recognition.csv': `lettr,x\n${Array.from({ length: 16_003 }, (_, i) => `A,${i % 16}`).join('\n')}\n`,
    });
    const clinc = await openDataset('clinc150', { root, ...accept });
    expect(clinc.classes).toEqual(['b', 'a']);
    expect((await readSource(clinc.splits.small)).rows.map((r) => r.values.text)).toEqual(['t0', 't1']);
    const letters = await openDataset('letter-recognition', { root, ...accept });
    expect((await readSource(letters.splits.test)).rows.map((r) => r.line)).toEqual([16_002, 16_003, 16_004]);
  });

  it('says where to get what is not there', async () => {
    await expect(openDataset('mnist', { root: undefined })).rejects.toThrow(
      /DECANT_DATA is not set; fix: get it from github\.com\/rasbt/,
    );
    await expect(openDataset('mnist', { root: folderWith() })).rejects.toThrow(/header\.json was not found/);
    await expect(openDataset('mnits', { root: undefined })).rejects.toThrow(
      /unknown data set.*did you mean "mnist"/,
    );
  });
});

describe('test collections', () => {
  const files = {
    'queries.jsonl': Array.from({ length: 10 }, (_, i) =>
      JSON.stringify({ id: i + 1, text: `query ${i + 1}` }),
    ).join('\n'),
    'docs.jsonl': '{"id":1,"title":"T","text":"one"}\n{"id":2,"title":"","text":"two"}',
    'qrels.csv': `query_id,doc_id,relevance\n${Array.from({ length: 10 }, (_, i) => `${i + 1},${1 + (i % 2)},${i}`).join('\n')}\n`,
  };
  it('are read whole, and as judged pairs split by query', async () => {
    const set = await openReference(folderWith(files), { baseDir: '/' });
    const sizes = await Promise.all(
      ['train', 'validation', 'test'].map(async (s) => (await readSource(set.splits[s])).rows.length),
    );
    expect(sizes).toEqual([6, 2, 2]);
    const [row] = (await readSource(set.splits.test)).rows;
    expect(row.values).toEqual({
      query_id: '5',
      query: 'query 5',
      doc_id: '1',
      document: 'T. one',
      relevance: 4,
    });
  });
  it('are read whole from a folder', async () => {
    const folder = folderWith(files);
    const { queries, documents, relevance } = await openRetrieval(folder, { baseDir: '/' });
    expect([queries.length, documents.length]).toEqual([10, 2]);
    expect(relevance.get('4')).toEqual(new Map([['2', 3]]));
    await expect(openRetrieval(folderWith(), { baseDir: '/' })).rejects.toThrow(/queries\.jsonl is missing/);
  });
  it('refuse judgements of unknown documents', async () => {
    const source = (name: keyof typeof files, content = files[name]) =>
      (name.endsWith('csv') ? csvSource : jsonlSource)({ path: name, content: Buffer.from(content) });
    await expect(
      readRetrieval({
        label: 'x',
        queries: source('queries.jsonl'),
        documents: source('docs.jsonl'),
        judgements: source('qrels.csv', 'query_id,doc_id,relevance\n1,99,1\n'),
      }),
    ).rejects.toThrow(/qrels\.csv:2: a judgement of an unknown query or document/);
  });
});

describe('graphs', () => {
  const nodes = 'id,label,x,y\na,red,1,0\nb,blue,0,1\nc,red,1,1\nd,,0,0\n';
  const table = (path: string, content: string) => csvSource({ path, content: Buffer.from(content) });
  it('are read from two tables, undirected and without repeats', async () => {
    const g = await graphFromTables(
      table('nodes.csv', nodes),
      table('edges.csv', 'source,target\na,b\nb,a\nc,c\nd,a\n'),
    );
    expect(g).toMatchObject({ nodes: 4, features: 2, classes: ['blue', 'red'] });
    expect([...g.labels]).toEqual([1, 0, 1, -1]);
    expect([...g.edges]).toEqual([0, 1, 0, 3]);
    expect([...g.x]).toEqual([1, 0, 0, 1, 1, 1, 0, 0]);
    expect(
      Object.values(g.split)
        .flatMap((s) => [...s])
        .sort(),
    ).toEqual([0, 1, 2]);
  });
  it('are opened from a folder of tables or a graph.json', async () => {
    const tables = await openGraph(folderWith({ 'nodes.csv': nodes, 'edges.csv': 'source,target\na,b\n' }), {
      baseDir: '/',
    });
    expect([...tables.edges]).toEqual([0, 1]);
    const json = {
      numNodes: 2,
      numFeatures: 2,
      numClasses: 2,
      labels: [0, 1],
      train: [0],
      val: [],
      test: [1],
      edges: [[0, 1]],
      features: [[0], [0, 1]],
    };
    const g = await openGraph(folderWith({ 'graph.json': JSON.stringify(json) }), { baseDir: '/' });
    expect([[...g.x], [...g.split.test]]).toEqual([[1, 0, 1, 1], [1]]);
    await expect(
      openGraph(folderWith({ 'graph.json': JSON.stringify({ ...json, features: [[9], []] }) }), {
        baseDir: '/',
      }),
    ).rejects.toThrow(/node 0 has a feature outside the range; seen: 9/);
  });
  it('refuse edges of unknown nodes and features that are no numbers', async () => {
    await expect(
      graphFromTables(table('nodes.csv', nodes), table('edges.csv', 'source,target\na,z\n')),
    ).rejects.toThrow(/edges\.csv:2: an edge of an unknown node/);
    await expect(
      graphFromTables(table('nodes.csv', 'id,label,x\na,red,one\n'), table('edges.csv', 'source,target\n')),
    ).rejects.toThrow(/nodes\.csv:2: x is not a number; seen: "one"/);
  });
});

describe('builtin:support-requests', () => {
  const small = { train: 200, validation: 20, test: 400, unlabeled: 50, history: 50 };
  it('is a function of its options, with balanced classes', () => {
    const texts = (seed: number, split = 'train') =>
      supportRequests({ ...small, seed })
        .splits[split]()
        .map((r) => r.text);
    expect(texts(1)).toEqual(texts(1));
    expect(texts(1)).not.toEqual(texts(2));
    expect(texts(1).slice(0, 20)).not.toEqual(texts(1, 'test').slice(0, 20));
    const rows = supportRequests({ ...small, vague: 0 }).splits.train();
    const counts = new Map<unknown, number>();
    for (const r of rows) counts.set(r.intent, (counts.get(r.intent) ?? 0) + 1);
    expect([...counts.values()]).toEqual(Array(20).fill(10));
  });
  it('stays the same text for the same seed', () => {
    // A change here changes every figure measured on this set.
    const all = Object.values(supportRequests(small).splits).flatMap((make) => make());
    expect(sha256(JSON.stringify(all))).toBe(
      '9b6724d9cab92b7c617217a420e2823a5211b36398c8b43bc62bd82cebafd821',
    );
  });
  it('obeys typos, vagueness and noise, and hides labels of the pool', () => {
    const rows = (o: object, split = 'train') => supportRequests({ ...small, ...o }).splits[split]();
    expect(rows({}, 'unlabeled').every((r) => Object.keys(r).join() === 'text')).toBe(true);
    const words = (o: object) =>
      new Set(rows(o).flatMap((r) => String(r.text).toLowerCase().split(/\W+/))).size;
    expect(words({ typos: 0.3 })).toBeGreaterThan(1.5 * words({ typos: 0 }));
    const wrong = rows({ noise: 0.5, vague: 0 }).filter(
      (r, i) => r.intent !== rows({ vague: 0 })[i].intent,
    ).length;
    expect(wrong).toBeGreaterThan(60);
    expect(wrong).toBeLessThan(140);
  });
  it('takes its options from a recipe, and names the nearest for a wrong one', async () => {
    const set = await openBuiltin('support-requests', { test: 7 });
    expect((await readSource(set.splits.test)).rows).toHaveLength(7);
    await expect(openBuiltin('support-requests', { tets: 7 })).rejects.toThrow(
      /data\.options\.tets: unknown option; seen: 7.*did you mean "test"/,
    );
    await expect(openBuiltin('support-requests', { typos: 2 })).rejects.toThrow(/data\.options\.typos/);
  });
});
