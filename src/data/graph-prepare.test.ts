import { describe, expect, it } from 'vitest';
import { coPurchases } from './generators/co-purchases.ts';
import { homophily, subgraph } from './graph.ts';
import { graphFromTables } from './graph-tables.ts';
import { prepareData } from './prepare.ts';
import { csvSource } from './sources/csv.ts';
import { openGraph } from './sources/structured.ts';
import type { DataSpec } from './spec.ts';
import { dataDefaults } from './spec.ts';
import { folderWith } from './testing/files.ts';
import type { Problem } from './types.ts';

const NODES = `id,label,split,x,y
a,red,train,1,0
b,blue,train,0,2
c,red,test,1,1
d,blue,test,0,5
e,,,3,1
f,red,validation,2,1
`;
const EDGES = 'source,target\na,b\nb,a\nc,c\nd,a\nc,d\n';

const spec = (source: string, rest: Partial<DataSpec> = {}): DataSpec => ({
  ...(structuredClone(dataDefaults) as unknown as DataSpec),
  train: { source },
  ...rest,
});
const prepare = (rest: Partial<DataSpec> = {}, nodes = NODES, onProblem?: (p: Problem) => void) =>
  prepareData(spec(folderWith({ 'nodes.csv': nodes, 'edges.csv': EDGES }), rest), {
    task: 'node-classify',
    baseDir: '/',
    onProblem,
  });

describe('a graph as the data of a recipe', () => {
  it('gives its nodes by split, the others to be answered by the teacher, and counts what is odd', async () => {
    const problems: Problem[] = [];
    const data = await prepare({}, NODES, (p) => problems.push(p));
    const nodes = (split: 'train' | 'test' | 'validation' | 'unlabeled') =>
      data.splits[split]!.items!.map((e) => e.node);
    expect([nodes('train'), nodes('validation'), nodes('test'), nodes('unlabeled')]).toEqual([
      [0, 1],
      [5],
      [2, 3],
      [2, 3, 4, 5],
    ]);
    expect(data.splits.unlabeled!.items!.every((e) => e.label === -1)).toBe(true);
    expect(data.classes).toEqual(['blue', 'red']);
    expect(data.splits.train.items![1]).toMatchObject({ line: 3, label: 0, features: Float32Array.of(0, 2) });
    expect(data.report.splits.edges).toMatchObject({ rows: 5, kept: 3 });
    expect(problems.map((p) => [p.kind, p.file.split('/').pop(), p.line, p.kept ?? false])).toEqual([
      ['double-edge', 'edges.csv', 3, false],
      ['self-edge', 'edges.csv', 4, false],
      ['isolated', 'nodes.csv', 6, true],
      ['isolated', 'nodes.csv', 7, true],
    ]);
    expect(data.graph).toMatchObject({ scale: 'standardize' });
    expect([...data.graph!.observed]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('hides test nodes with their edges, and measures on them alone', async () => {
    const data = await prepare({ graph: { inductive: 0.5 } });
    const [hidden] = data.splits.test!.items!.map((e) => e.node!);
    expect(data.splits.test!.items).toHaveLength(1);
    const { whole, observed } = data.graph!;
    expect([...observed]).toEqual([0, 1, 2, 3, 4, 5].filter((n) => n !== hidden));
    const seen = subgraph(whole, observed);
    expect(seen.ids).not.toContain(whole.ids[hidden]);
    const names = [...seen.edges].map((n) => seen.ids[n]);
    expect(names.slice(0, 2)).toEqual(['a', 'b']);
    expect(names).not.toContain(whole.ids[hidden]);
    expect(seen.split.test).toHaveLength(1);
    expect([...seen.x.subarray(0, 4)]).toEqual([1, 0, 0, 2]);
    expect(data.splits.unlabeled!.items!.map((e) => e.node)).not.toContain(hidden);
  });

  it('divides rows of ones and zeros by their sums, takes another order of classes, carries labels along', async () => {
    const words = 'id,label,w1,w2\na,x,1,0\nb,y,0,1\nc,x,1,1\nd,y,0,1\ne,x,1,0\n';
    const data = await prepare({ classes: ['y', 'x'], keep: ['label'] }, words);
    expect(data.graph!.scale).toBe('rows');
    expect(data.splits.train.items!.map((e) => [e.label, e.meta?.label])).toEqual([
      [1, 'x'],
      [0, 'y'],
      [1, 'x'],
    ]);
    await expect(prepare({ classes: ['y', 'z'] }, words)).rejects.toThrow(
      /nodes\.csv:2: a label outside the list of classes; seen: "x"/,
    );
  });

  it('says which setting belongs to rows of a table', async () => {
    await expect(prepare({ test: 0.2, balance: 'weight' })).rejects.toThrow(
      /data\.test, data\.balance: a graph is one source that brings its own split/,
    );
    await expect(prepare({ keep: ['x'] })).rejects.toThrow(/only ids and labels/);
  });
});

describe('tables of a graph', () => {
  const read = (nodes: string, edges = 'source,target\na,b\n') => {
    const table = (path: string, content: string) => csvSource({ path, content: Buffer.from(content) });
    return graphFromTables(table('nodes.csv', nodes), table('edges.csv', edges));
  };
  it.each([
    ['id,label,x\na,r,1\nb,r,\n', undefined, /nodes\.csv:3: the feature x is missing/],
    ['id,label,x\na,r,1\nb,r,wide\n', undefined, /nodes\.csv:3: x is not a number; seen: "wide"/],
    [
      'id,label,x\na,r,1\na,r,2\n',
      undefined,
      /nodes\.csv:3: two nodes have the same id; seen: "a, also in line 2"/,
    ],
    ['id,label,x\n,r,1\n', undefined, /nodes\.csv:2: a node without an id/],
    ['id,label\na,r\n', undefined, /nodes\.csv:1: the nodes have no features/],
    ['id,class,x\na,r,1\n', undefined, /nodes\.csv:1: no column label/],
    ['id,label,split,x\na,r,dev,1\n', undefined, /nodes\.csv:2: unknown split; seen: "dev"/],
    [
      'id,label,x\na,r,1\nb,r,1\n',
      'source,target\na,b\nb,z\n',
      /edges\.csv:3: an edge of an unknown node: target; seen: "z"/,
    ],
    ['id,label,x\na,r,1\nb,r,1\n', 'from,to\na,b\n', /edges\.csv:1: no column source/],
  ])('%j %j', async (nodes, edges, message) => {
    await expect(read(nodes, edges)).rejects.toThrow(message);
  });
});

describe('builtin:co-purchases', () => {
  const small = { nodes: 600, classes: 4, validation: 60, test: 200 };
  it('is a function of its options, with the homophily and degree asked for', async () => {
    const rows = (seed: number, split = 'edges') => coPurchases({ ...small, seed }).splits[split]();
    expect(rows(2)).toEqual(rows(2));
    expect(rows(2)).not.toEqual(rows(3));
    expect(rows(1)).toHaveLength(1500);
    const g = await openGraph('builtin:co-purchases', { baseDir: '.', options: small });
    expect(g).toMatchObject({ nodes: 600, features: 32, classes: ['books', 'garden', 'kitchen', 'music'] });
    expect(g.split.train).toHaveLength(80);
    expect([...g.split.validation, ...g.split.test]).toHaveLength(260);
    const everyone = { ...g, labels: g.labels.map((l, i) => (l < 0 ? -1 : g.labels[i])) };
    expect(homophily(everyone)!).toBeGreaterThan(0.7);
    expect(homophily(everyone)!).toBeLessThan(0.9);
    expect(homophily({ ...g, edges: new Int32Array() })).toBeUndefined();
  });
  it('refuses more labels than products', async () => {
    await expect(
      openGraph('builtin:co-purchases', { baseDir: '.', options: { nodes: 200 } }),
    ).rejects.toThrow(/more labelled products/);
  });
});
