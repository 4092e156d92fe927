import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { run } from '../index.ts';
import { everything, KEY } from '../teachers/api/testing/fault-run.ts';
import { startProxy } from '../teachers/api/testing/faulty-proxy.ts';
import { createProgress } from './progress.ts';
import { serveModel } from './serve.ts';
import { openServedModel } from './served-model.ts';
import { writeTinyClassifier, writeTinyEmbedder } from './testing/tiny-folders.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-api-embed-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('distils the vectors of an embedding endpoint, and refuses one that has none', async () => {
  await writeTinyEmbedder(join(dir, 'encoder'));
  await writeTinyClassifier(join(dir, 'sorter'));
  const serve = async (name: string) =>
    serveModel(await openServedModel(join(dir, name)), { port: 0, key: KEY });
  const [encoder, sorter] = [await serve('encoder'), await serve('sorter')];
  process.env.DECANT_EMBED_KEY = KEY;
  const file = (name: string, n: number): string => {
    const rows = Array.from({ length: n }, (_, i) => ({
      text: `${name} question ${i} on the card`,
      pair: `${name} answer ${i} on the transfer`,
    }));
    writeFileSync(join(dir, name), rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
    return name;
  };
  const recipe = (url: string) => ({
    version: 1,
    task: 'embed',
    data: {
      train: file('train.jsonl', 80),
      test: file('test.jsonl', 20),
      validation: 0,
      duplicates: { near: { action: 'off' }, leaks: 'off' },
    },
    teacher: { kind: 'api', baseURL: `${url}/v1`, model: 'encoder', keyEnv: 'DECANT_EMBED_KEY' },
    student: { architecture: 'sentence-bag', options: { width: 8 } },
    method: { name: 'embedding-kd', options: { loss: 'cosine' } },
    train: { steps: 6, batchSize: 16, threads: 1 },
    evaluate: {
      bootstrap: 100,
      latency: { repeats: 1, batches: [1] },
      baselines: { withoutTeacher: false, linear: false },
    },
  });
  const options = (out: string) => ({
    out: join(dir, out),
    baseDir: dir,
    progress: createProgress({ mode: 'silent' }),
  });
  try {
    const { report, out } = await run(recipe(encoder.url), options('run'));
    expect(report.arms.map((a) => a.role)).toEqual(['teacher', 'distilled']);
    expect(report.arms[0].about).toMatch(/encoder behind an API/);
    // 160 texts of training in requests of 64, 40 of the test, and one to see the width
    const paid = readFileSync(join(out, 'ledger.jsonl'), 'utf8').match(/"t":"paid"/g)!;
    expect(paid.length).toBe(1 + Math.ceil(160 / 64) + 1);
    expect(everything(out).includes(KEY)).toBe(false);
    await expect(run(recipe(sorter.url), options('wrong'))).rejects.toThrow(/gives no embeddings/);

    // the same vectors when a third of the requests meet a fault on the way
    const only = [
      '429-retry-after',
      '500-before',
      '500-after',
      '503',
      'cut',
      'truncated',
      'empty-choices',
    ] as const;
    const proxy = await startProxy(`${encoder.url}/v1`, { rate: 0.35, seed: 5, only });
    try {
      const faulty = recipe(proxy.baseURL.replace(/\/v1$/, ''));
      const { report: again, out: kept } = await run(faulty, options('faulty'));
      expect([...proxy.injected.values()].reduce((a, b) => a + b, 0)).toBeGreaterThan(0);
      expect(again.arms.map((a) => a.values)).toEqual(report.arms.map((a) => a.values));
      expect(everything(kept).includes(KEY)).toBe(false);
    } finally {
      await proxy.close();
    }
  } finally {
    delete process.env.DECANT_EMBED_KEY;
    await encoder.close();
    await sorter.close();
  }
}, 180_000);

it('chooses diverse rows by the vectors of an endpoint, asks about each text once, and keeps to its budget', async () => {
  await writeTinyEmbedder(join(dir, 'encoder'));
  const server = await serveModel(await openServedModel(join(dir, 'encoder')), { port: 0, key: KEY });
  process.env.DECANT_VECTORS_KEY = KEY;
  const said = ['my card is lost', 'where is my card', 'transfer money', 'cancel the transfer please'];
  const write = (name: string, from: number, n: number): string => {
    const rows = Array.from({ length: n }, (_, i) => ({
      prompt: `${said[i % 4]} ${from + i}`,
      response: 'ok',
    }));
    writeFileSync(join(dir, name), rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
    return name;
  };
  const embedder = { baseURL: `${server.url}/v1`, model: 'encoder', keyEnv: 'DECANT_VECTORS_KEY' };
  const recipe = (steps: object[]) => ({
    version: 1,
    task: 'generate',
    data: {
      train: write('prompts.jsonl', 0, 24),
      test: write('other.jsonl', 100, 4),
      validation: 0,
      duplicates: { near: { action: 'off' }, leaks: 'off' },
      steps,
    },
    student: {
      architecture: 'gpt2',
      options: { layers: 1, hidden: 16, heads: 2 },
      tokenizer: { kind: 'char', vocabSize: 64 },
      maxLength: 40,
    },
    method: 'supervised',
    train: { steps: 2, batchSize: 8, threads: 1 },
    evaluate: { bootstrap: 100, latency: { repeats: 1, batches: [1] }, examples: 1 },
    export: { formats: ['fp32'] },
  });
  const go = (out: string, steps: object[], resume = false) =>
    run(recipe(steps), {
      out: join(dir, out),
      baseDir: dir,
      resume,
      progress: createProgress({ mode: 'silent' }),
    });
  const by = { step: 'diversity', measure: 'embedding' };
  const inputs = (out: string): number =>
    readFileSync(join(dir, out, 'ledger-vectors.jsonl'), 'utf8').match(/"t":"paid"/g)!.length;
  try {
    const { report } = await go('diverse', [
      { ...by, embedder, keep: 12 },
      // the same texts again: no further request
      { ...by, embedder, threshold: 0.9999 },
    ]);
    const [first, second] = report.data.steps!;
    expect([first.before, first.after]).toEqual([24, 12]);
    expect(second.before).toBe(12);
    // one to see the width each time the endpoint is opened is taken from the store; 24 texts in one request
    expect(inputs('diverse')).toBe(2);
    await go(
      'diverse',
      [
        { ...by, embedder, keep: 12 },
        { ...by, embedder, threshold: 0.9999 },
      ],
      true,
    );
    expect(inputs('diverse')).toBe(2);
    // the same choice by the folder itself
    const local = await go('local', [{ ...by, embedder: 'encoder', keep: 12 }]);
    expect(local.report.data.steps![0].after).toBe(12);
    const prompts = (out: string) =>
      readFileSync(join(dir, out, 'curated-rows.jsonl'), 'utf8').match(/"prompt":"[^"]*"/g);
    const over = await go('http', [{ ...by, embedder, keep: 12 }]);
    expect(over.report.data.steps![0].after).toBe(12);
    expect(prompts('http')).toEqual(prompts('local'));
    await expect(
      go('poor', [{ ...by, embedder: { ...embedder, budget: { tokens: 30 } }, keep: 12 }]),
    ).rejects.toThrow(/budget/);
    await expect(go('none', [by])).rejects.toThrow(/embedder/);
  } finally {
    delete process.env.DECANT_VECTORS_KEY;
    await server.close();
  }
}, 180_000);
