import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { run } from '../index.ts';
import { createProgress } from './progress.ts';
import { serveModel } from './serve.ts';
import { openServedModel } from './served-model.ts';
import { writeTinyLanguageModel } from './testing/tiny-folders.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-extract-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('learns to extract from answers of a schema that a served language model wrote', async () => {
  await writeTinyLanguageModel(join(dir, 'writer'), { alphabet: '{}":_bj', positions: 192 });
  const server = await serveModel(await openServedModel(join(dir, 'writer')), { port: 0 });
  const kinds = ['card', 'transfer', 'other'];
  const file = (name: string, n: number): string => {
    const texts = Array.from(
      { length: n },
      (_, i) => `the ${['card', 'transfer', 'shop'][i % 3]} ${'abcdefgh'[i % 8]}`,
    );
    const rows = texts.map((prompt, i) => ({ prompt, response: JSON.stringify({ kind: kinds[i % 3] }) }));
    writeFileSync(join(dir, name), rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
    return name;
  };
  const recipe = {
    version: 1,
    task: 'generate',
    data: {
      train: { source: file('train.jsonl', 24), unlabelled: true },
      test: file('test.jsonl', 9),
      validation: 0,
      duplicates: { near: { action: 'off' }, leaks: 'off' },
    },
    teacher: {
      kind: 'api',
      baseURL: `${server.url}/v1`,
      model: 'writer',
      schema: {
        type: 'object',
        properties: { kind: { type: 'string', enum: kinds } },
        required: ['kind'],
      },
    },
    student: {
      architecture: 'gpt2',
      options: { layers: 1, hidden: 16, heads: 2 },
      tokenizer: { kind: 'char', vocabSize: 64 },
      maxLength: 48,
    },
    method: { name: 'sequence-kd', options: { max_tokens: 28 } },
    train: { steps: 6, batchSize: 8, threads: 1 },
    evaluate: {
      bootstrap: 100,
      latency: { repeats: 1, batches: [1] },
      baselines: { withoutTeacher: false, linear: false },
    },
  };
  try {
    const { out, report } = await run(recipe, {
      out: join(dir, 'run'),
      baseDir: dir,
      progress: createProgress({ mode: 'silent' }),
    });
    const rows = readFileSync(join(out, 'curated-rows.jsonl'), 'utf8').trim().split('\n');
    expect(rows.length).toBe(24);
    for (const row of rows) {
      const { response } = JSON.parse(row);
      expect(kinds).toContain(JSON.parse(response).kind);
      // no blanks: the shortest spelling
      expect(response).toBe(JSON.stringify(JSON.parse(response)));
    }
    expect(report.arms.some((a) => a.role === 'distilled')).toBe(true);
  } finally {
    await server.close();
  }
}, 60_000);
