import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callCli } from '../../cli/testing/call.ts';
import type { Engine } from '../../engine/engine.ts';
import { createNodeEngine } from '../../engine/node/engine.ts';
import { init } from '../../nn/model.ts';
import type { ModelSettings } from '../build.ts';
import { createApp } from '../serve.ts';
import { openServedModel } from '../served-model.ts';
import { buildRanker } from './build.ts';
import { exportRanker } from './export.ts';
import { openScorer } from './score.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-rankers-'));
const documents = [
  'bottles are collected on fridays',
  'the library opens at nine and closes late on fridays',
  'shares of the company fell',
];
const query = 'when are bottles collected';
const small = { layers: 1, hidden: 16, heads: 2 };
const students: [string, ModelSettings][] = [
  ['shared', { architecture: 'dual-bag', options: { width: 8 } }],
  ['apart', { architecture: 'dual-bag', options: { width: 8, shared: false } }],
  ['colbert', { architecture: 'colbert', options: { ...small, dim: 8 } }],
  ['kernels', { architecture: 'kernel-pooling', options: { hidden: 8 } }],
  ['prett', { architecture: 'prett', options: small }],
  ['cross', { architecture: 'cross-encoder', options: small }],
] as never;

let engine: Engine;
const known = new Map<string, Float32Array>();
beforeAll(async () => {
  engine = createNodeEngine();
  const settings = { tokenizer: { kind: 'wordpiece', vocabSize: 80, minFrequency: 1, lowercase: true } };
  for (const [name, student] of students) {
    const built = await buildRanker({ ...settings, ...student } as ModelSettings, {
      documents,
      queries: [query, 'library'],
      baseDir: work,
      at: 'student',
    });
    const params = init(built.model, name);
    const scorer = await openScorer(engine, built, params);
    known.set(name, (await scorer.score([{ query, documents }]))[0]);
    await scorer.dispose();
    const sample = { queries: [{ text: query }], documents, candidates: [Int32Array.of(0)] };
    const target = { engine, folder: join(work, name), formats: ['fp32'] as const, tolerance: 1e-4 };
    await exportRanker(target, built, params, sample);
  }
  writeFileSync(
    join(work, 'judged.jsonl'),
    documents
      .map((document, i) => `${JSON.stringify({ query, document, relevance: i === 0 ? 1 : 0 })}\n`)
      .join(''),
  );
  writeFileSync(join(work, 'lists.jsonl'), `${JSON.stringify({ query, documents })}\n`);
}, 120_000);
afterAll(async () => {
  await engine.close();
  rmSync(work, { recursive: true, force: true });
});

const cli = (...args: string[]) => callCli(work, args);
const best = (name: string): number => {
  const scores = [...known.get(name)!];
  return scores.indexOf(Math.max(...scores));
};

describe.each(students.map(([name]) => name))('the folder of a ranker: %s', (name) => {
  it('scores as the student does, and answers re-ranking requests', async () => {
    const model = await openServedModel(join(work, name));
    const [scores] = await model.ranker!.score([{ query, documents }]);
    scores.forEach((s, i) => {
      expect(s).toBeCloseTo(known.get(name)![i], 4);
    });
    const app = createApp(model);
    const post = async (body: object) => {
      const response = await app.request('/v1/rerank', { method: 'POST', body: JSON.stringify(body) });
      return { status: response.status, body: await response.json() };
    };
    const { status, body } = await post({
      query,
      documents: [{ text: documents[0] }, ...documents.slice(1)],
      top_n: 2,
    });
    expect(status).toBe(200);
    expect(body.results).toHaveLength(2);
    expect(body.results[0].index).toBe(best(name));
    expect(body.results[0].relevance_score).toBeGreaterThanOrEqual(body.results[1].relevance_score);
    expect(body.usage.total_tokens).toBeGreaterThan(10);
    const whole = await post({ query, documents, return_documents: true });
    expect(whole.body.results.map((r: { document: { text: string } }) => r.document.text).sort()).toEqual(
      [...documents].sort(),
    );
    expect((await post({ query, documents: [] })).status).toBe(400);
    await model.close();
  });

  it('is measured on judged queries', async () => {
    const { code, out, err } = await cli('eval', name, 'judged.jsonl', '--json');
    expect(code, err).toBe(0);
    const { values, labelled, documents: count } = JSON.parse(out);
    expect([labelled, count]).toEqual([1, 3]);
    const place = [...known.get(name)!].filter((s) => s > known.get(name)![0]).length + 1;
    expect(values.mrr.mean).toBeCloseTo(1 / place, 6);
    expect(values.ndcg.mean).toBeCloseTo(1 / Math.log2(place + 1), 6);
  });
});

it('predicts the order of documents, from arguments and from a file', async () => {
  for (const args of [
    ['predict', 'cross', query, ...documents],
    ['predict', 'cross', '-f', 'lists.jsonl'],
  ]) {
    const { code, out, err } = await cli(...args);
    expect(code, err).toBe(0);
    const row = JSON.parse(out);
    expect(row.query).toBe(query);
    expect(row.results[0].index).toBe(best('cross'));
    expect(row.results[0].score).toBeCloseTo(known.get('cross')![best('cross')], 4);
  }
  const alone = await cli('predict', 'cross', query);
  expect([alone.code, alone.err]).toEqual([2, expect.stringContaining('a query and documents')]);
  const other = await cli('predict', 'cross', '-f', 'judged.jsonl');
  expect(other.code, other.err).toBe(0);
  expect(other.out.trim().split('\n')).toHaveLength(3);
});
