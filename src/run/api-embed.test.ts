import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { run } from '../index.ts';
import { everything, KEY } from '../teachers/api/testing/fault-run.ts';
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
  } finally {
    delete process.env.DECANT_EMBED_KEY;
    await encoder.close();
    await sorter.close();
  }
}, 60_000);
