import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../index.ts';
import { createRng } from '../util/rng.ts';
import { createProgress } from './progress.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-cross-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Little sums in words. */
function rows(n: number, seed: string): string {
  const rng = createRng(seed);
  const words = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'];
  const lines = Array.from({ length: n }, () => {
    const [a, b] = [rng.int(4), rng.int(4)];
    const shop = rng.pick(['north', 'south']);
    return JSON.stringify({ prompt: `${words[a]} and ${words[b]} is `, response: words[a + b], shop });
  });
  return `${lines.join('\n')}\n`;
}
beforeAll(() => {
  writeFileSync(join(work, 'train.jsonl'), rows(96, 'train'));
  writeFileSync(join(work, 'test.jsonl'), rows(24, 'test'));
});

const recipe = (method: unknown, change: Record<string, unknown> = {}) => ({
  version: 1,
  name: 'cross',
  task: 'generate',
  data: {
    train: 'train.jsonl',
    validation: 0,
    test: 'test.jsonl',
    keep: ['shop'],
    duplicates: { exact: 'report', leaks: 'report' },
  },
  teacher: {
    kind: 'trained',
    architecture: 'gpt2',
    options: { layers: 1, hidden: 16, heads: 2 },
    tokenizer: { kind: 'char', vocabSize: 64, lowercase: false },
    train: { steps: 12, batchSize: 16, optimizer: { lr: 5e-3 } },
  },
  student: {
    architecture: 'gpt2',
    options: { layers: 1, hidden: 8, heads: 2 },
    tokenizer: { kind: 'bpe', vocabSize: 300, lowercase: false },
  },
  method,
  train: { steps: 6, batchSize: 16, optimizer: { lr: 5e-3 } },
  evaluate: { bootstrap: 100, latency: { repeats: 2, batches: [1] }, examples: 2, slices: ['shop'] },
  export: { formats: ['fp32'] },
  ...change,
});
let count = 0;
const go = (r: Record<string, unknown>) =>
  run(r, { out: join(work, `run-${count++}`), baseDir: work, progress: createProgress({ mode: 'silent' }) });

it('distils between two tokenizers by sorted probabilities, and compares by bytes', async () => {
  const { report, out } = await go(recipe('uld'));
  expect(report.metric).toBe('bitsPerByte');
  const [teacher, distilled] = ['teacher', 'distilled'].map((id) => report.arms.find((a) => a.id === id)!);
  expect(distilled.values.agreement).toBeUndefined();
  for (const arm of [teacher, distilled]) {
    expect(arm.values.bitsPerByte.mean).toBeGreaterThan(0);
    expect(arm.latency![0].p50).toBeGreaterThan(0);
  }
  expect(report.headline.sentence).toMatch(/bits per byte \(|bits per byte,|bits per byte with/);
  expect(report.comparisons.map((c) => c.metric)).toEqual(['bitsPerByte', 'bitsPerByte']);
  expect(report.warnings.join()).toMatch(/different tokens/);
  expect(report.slices!.rows.map((r) => r.slice).sort()).toEqual(['shop: north', 'shop: south']);
  // both terms are there, and finite
  const metrics = readFileSync(join(out, 'metrics.jsonl'), 'utf8');
  expect(metrics).toMatch(/"uld":\d/);
}, 60_000);

it('says which methods cross vocabularies when the one asked for does not', async () => {
  await expect(go(recipe('kd'))).rejects.toThrow(/uld/);
});

it('packs rows side by side: fewer, fuller batches', async () => {
  const base = recipe('kd', { train: { epochs: 1, batchSize: 4, packing: true } });
  const { report } = await go({
    ...base,
    student: { ...base.student, tokenizer: base.teacher.tokenizer, maxLength: 64 },
  });
  const steps = (arm: string) =>
    Math.max(...report.curves.filter((c) => c.arm === arm && c.split === 'train').flatMap((c) => c.steps));
  // 96 rows of about 17 characters, three or four to a row of 64, four rows to a batch
  expect(steps('distilled')).toBeGreaterThan(4);
  expect(steps('distilled')).toBeLessThan(13);
  expect(report.arms.find((a) => a.id === 'distilled')!.values.perplexity.mean).toBeGreaterThan(1);
  await expect(go(recipe('uld', { train: { steps: 2, packing: true } }))).rejects.toThrow(
    /train\.packing: rows cannot be packed beside/,
  );
}, 60_000);

it('learns the texts of a teacher with other tokens', async () => {
  const base = recipe({ name: 'sequence-kd', options: { max_tokens: 8 } });
  const teacher = { ...base.teacher, train: { steps: 60, batchSize: 32, optimizer: { lr: 1e-2 } } };
  const { report, out } = await go({ ...base, teacher });
  expect(report.metric).toBe('bitsPerByte');
  expect(report.arms.map((a) => a.id)).toEqual(['teacher', 'distilled', 'alone']);
  // the rows that were learned are the teacher's, not the given ones
  const rows = readFileSync(join(out, 'curated-rows.jsonl'), 'utf8').trim().split('\n');
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.every((r) => JSON.parse(r).trail?.length > 0)).toBe(true);
}, 60_000);
