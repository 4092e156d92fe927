import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { run } from '../index.ts';
import { everything, KEY } from '../teachers/api/testing/fault-run.ts';
import { startServer, trueClass } from '../teachers/api/testing/server.ts';
import { createProgress } from './progress.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-api-run-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('distils a teacher behind an API from a recipe, and resumes without asking again', async () => {
  const server = await startServer({ key: KEY });
  process.env.DECANT_TEST_KEY = KEY;
  const classes = ['other', 'refund'];
  const rows = (name: string, n: number): string => {
    const texts = Array.from({ length: n }, (_, i) => `${name} text number ${i}`);
    writeFileSync(
      join(dir, `${name}.jsonl`),
      texts.map((text) => `${JSON.stringify({ text, label: trueClass(text, classes) })}\n`).join(''),
    );
    return `${name}.jsonl`;
  };
  const recipe = {
    version: 1,
    name: 'api',
    task: 'classify',
    data: {
      train: rows('train', 40),
      test: rows('test', 20),
      validation: 0,
      duplicates: { near: { action: 'off' }, leaks: 'off' },
    },
    teacher: { kind: 'api', baseURL: server.baseURL, model: 'tiny', keyEnv: 'DECANT_TEST_KEY' },
    student: { architecture: 'bag', options: { width: 4, ngrams: 1 } },
    method: 'kd',
    train: { epochs: 2, batchSize: 16 },
    evaluate: { bootstrap: 100, latency: { repeats: 2, batches: [1] } },
    export: { formats: ['fp32'] },
  };
  try {
    const options = { out: join(dir, 'run'), baseDir: dir, progress: createProgress({ mode: 'silent' }) };
    const first = await run(recipe, options);
    // the server's classes are the labels, so the teacher is always right
    expect(first.report.arms.find((a) => a.role === 'teacher')!.values.accuracy.mean).toBe(1);
    const asked = server.requests;
    expect([...server.answered].filter(([t]) => t.includes('text number')).map(([, n]) => n)).toEqual(
      Array(60).fill(1),
    );
    expect(readFileSync(join(options.out, 'ledger.jsonl'), 'utf8').split('\n').length).toBeGreaterThan(120);
    await run(recipe, { ...options, resume: true });
    expect(server.requests - asked).toBeLessThanOrEqual(1);
    expect(everything(options.out)).not.toContain(KEY);
  } finally {
    delete process.env.DECANT_TEST_KEY;
    await server.close();
  }
}, 60_000);
