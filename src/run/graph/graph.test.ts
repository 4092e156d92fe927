import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Io } from '../../cli/io.ts';
import { predictCommand } from '../../cli/predict.ts';
import { coPurchases } from '../../data/generators/co-purchases.ts';
import { openGraph } from '../../data/sources/structured.ts';
import type { Example } from '../../data/types.ts';
import { createNodeEngine } from '../../engine/node/engine.ts';
import type { ReportData } from '../../evaluate/report/data.ts';
import { toNumbers } from '../../graph/index.ts';
import { run } from '../../index.ts';
import { column } from '../../methods/columns.ts';
import { graphInputs } from '../../nn/graph-data.ts';
import { createInference } from '../../nn/inference.ts';
import { init } from '../../nn/model.ts';
import { gat } from '../../nn/models/gat.ts';
import { gcn } from '../../nn/models/gcn.ts';
import { graphSage } from '../../nn/models/sage.ts';
import { openPredictor } from '../predict.ts';
import { createProgress } from '../progress.ts';
import { edgeColumns } from './batches.ts';
import { adjacencyOf, neighbourhood } from './neighbourhood.ts';

const OPTIONS = { nodes: 240, classes: 3, features: 8, signal: 0.6, validation: 40, test: 100 };
const graph = await openGraph('builtin:co-purchases', { baseDir: '.', options: OPTIONS });

describe('the neighbourhood of nodes', () => {
  const of = { features: graph.features, classes: 3, hidden: 8 };
  it.each([
    ['gcn', gcn({ ...of, layers: 3 })],
    ['sage', graphSage(of)],
    ['gat', gat({ ...of, hidden: 4, heads: 2 })],
  ])('gives a %s the outputs of the whole graph', async (_, model) => {
    const engine = createNodeEngine({ threads: 1 });
    const inference = createInference(engine, model);
    try {
      await inference.setParams(init(model, 3));
      const whole = toNumbers((await inference.run(graphInputs(graph))).logits);
      const neighbours = adjacencyOf(graph);
      const alone = Array.from({ length: graph.nodes }, (_, i) => i).find(
        (i) => neighbours.start[i] === neighbours.start[i + 1],
      )!;
      for (const asked of [[17], [5, 3, 80], [alone]]) {
        const part = neighbourhood(neighbours, graph.features, graph.x, asked, Number(model.config.layers));
        expect(part.features.shape[0]).toBeLessThan(graph.nodes);
        const got = toNumbers((await inference.run(part)).logits);
        asked.forEach((node, i) => {
          for (let c = 0; c < 3; c++) expect(got[3 * i + c]).toBeCloseTo(whole[3 * node + c], 4);
        });
      }
    } finally {
      await inference.dispose();
      await engine.close();
    }
  });
});

it('edges of a batch stand by the places of its rows, in both directions', async () => {
  const nodes = [4, 9, 2, 7].map((node): Example => ({ file: 'x', line: 1, node }));
  const edges = edgeColumns({ ...graph, nodes: 10, edges: Int32Array.of(2, 9, 4, 7, 7, 8) }, nodes);
  const columns = await edges([3, 1, 0, 2]);
  expect([...toNumbers(columns[column.edgeSource])]).toEqual([3, 1, 2, 0]);
  expect([...toNumbers(columns[column.edgeTarget])]).toEqual([1, 3, 0, 2]);
  expect(toNumbers((await edges([0, 1]))[column.edgeSource])).toHaveLength(0);
});

describe('a run on a graph of tables', () => {
  const dir = mkdtempSync(join(tmpdir(), 'decant-graph-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  beforeAll(() => {
    const csv = (rows: Record<string, unknown>[]): string =>
      [Object.keys(rows[0]), ...rows.map((r) => Object.values(r))].map((r) => r.join(',')).join('\n');
    mkdirSync(join(dir, 'shop'));
    for (const [name, rows] of Object.entries(coPurchases(OPTIONS).splits))
      writeFileSync(join(dir, 'shop', `${name}.csv`), csv(rows()));
  });
  const train = { epochs: 30, optimizer: { lr: 0.02 }, schedule: { name: 'constant' }, evalEvery: 10 };
  const go = (name: string, changes: Record<string, unknown> = {}) =>
    run(
      {
        version: 1,
        task: 'node-classify',
        data: { train: './shop', keep: ['label'], graph: { inductive: 0.5 } },
        teacher: { kind: 'trained', architecture: 'gcn', options: { hidden: 16 }, train },
        student: { architecture: 'mlp', options: { hidden: [16] } },
        method: { name: 'ff-g2m', options: { lambda: 0.1 } },
        train,
        evaluate: { slices: ['label'], bootstrap: 100, latency: { batches: [1], repeats: 3 } },
        export: { formats: ['fp32'] },
        ...changes,
      },
      { out: join(dir, name), baseDir: dir, progress: createProgress({ mode: 'silent' }) },
    );

  const predictNodes = async (folder: string, file: string): Promise<unknown[]> => {
    const written: string[] = [];
    const stdout = { write: (text: string) => written.push(text) > 0 };
    const io = { stdout, stderr: stdout, stdin: {}, env: {}, cwd: '.' } as Io;
    await predictCommand(folder, [], { file, dtype: 'fp32' }, io);
    return written
      .join('')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  };

  it('ends in an MLP that needs no graph, with a report by class', async () => {
    await go('run');
    const out = join(dir, 'run');
    const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as ReportData;
    const of = (id: string) => report.arms.find((a) => a.id === id)!;
    expect(report.arms.map((a) => a.id)).toEqual(['teacher', 'distilled', 'alone']);
    expect(of('teacher').values.accuracy.mean).toBeGreaterThan(0.6);
    expect(of('distilled').values.accuracy.mean).toBeGreaterThan(0.45);
    expect(of('teacher').latency![0].p50).toBeGreaterThan(0);
    expect(report.slices!.rows).toHaveLength(3);
    expect(report.environment.find((e) => e.name === 'Graph')!.value).toMatch(
      /240 nodes.*50 test nodes hidden/,
    );
    const predictor = await openPredictor(join(out, 'model'));
    expect(predictor.kind).toBe('features');
    expect(predictor.featureNames).toEqual(Array.from({ length: 8 }, (_, i) => `f${i + 1}`));
    const features = graph.x.slice(0, graph.features);
    const [answer] = await predictor.predict([{ file: 'new', line: 1, features }]);
    expect(graph.classes).toContain(answer.label);
    await expect(predictor.predict(['a toy'])).rejects.toThrow(/input:1: this model reads numbers, not text/);
    await expect(predictor.predict([{ file: 'new', line: 2, features: features.slice(1) }])).rejects.toThrow(
      /new:2: the model reads another number of features; seen: 7; allowed: 8/,
    );
    await predictor.close();
    // by the names of its columns, whatever else stands in the table
    const lines = await predictNodes(join(out, 'model'), join(dir, 'shop', 'nodes.csv'));
    expect(lines).toHaveLength(graph.nodes);
    expect(lines[0]).toMatchObject({ line: 2, label: answer.label });
  });

  it('refuses a batch that is a part of the graph, and a student that reads the graph', async () => {
    await expect(go('parts', { train: { ...train, batchSize: 16 } })).rejects.toThrow(
      /one batch of all its nodes/,
    );
    await expect(go('reader', { student: { architecture: 'gcn' } })).rejects.toThrow(
      /cannot answer from the features of one row/,
    );
  });
});
