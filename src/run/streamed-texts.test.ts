import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { heldSet } from '../data/example-set.ts';
import { createTokenizer } from '../data/tokenizer/tokenizer.ts';
import { trainTokenizer } from '../data/tokenizer/train.ts';
import type { Example } from '../data/types.ts';
import { type NDArray, toNumbers } from '../graph/index.ts';
import { run } from '../index.ts';
import { tokenRows } from '../train/language.ts';
import { createRng } from '../util/rng.ts';
import { createProgress } from './progress.ts';
import { openStreamedTexts } from './streamed-texts.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-texts-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Sentences of a small grammar, some of them longer than a row. */
const sentences = (n: number, seed: string): string[] => {
  const rng = createRng(seed);
  const word = () => rng.pick(['red', 'blue', 'old', 'new', 'big', 'cat', 'dog', 'runs', 'sits']);
  return Array.from({ length: n }, () => Array.from({ length: 2 + rng.int(7) }, word).join(' '));
};
beforeAll(() => {
  const file = (name: string, n: number) =>
    writeFileSync(
      join(dir, name),
      sentences(n, name)
        .map((text) => `${JSON.stringify({ text })}\n`)
        .join(''),
    );
  file('train.jsonl', 120);
  file('test.jsonl', 20);
});

const model = (hidden: number) => ({
  architecture: 'gpt2',
  options: { layers: 1, hidden, heads: 2 },
  maxLength: 24,
  tokenizer: { kind: 'char', vocabSize: 64 },
});
const recipe = (change: Record<string, unknown> = {}, train: Record<string, unknown> = {}) => ({
  version: 1,
  name: 'texts',
  task: 'generate',
  data: {
    train: 'train.jsonl',
    test: 'test.jsonl',
    validation: 0,
    duplicates: { exact: 'report', near: { action: 'off' }, leaks: 'off' },
    streaming: { buffer: 32 },
  },
  teacher: { kind: 'trained', ...model(16), train: { steps: 30, batchSize: 16, optimizer: { lr: 1e-2 } } },
  student: model(8),
  method: 'kd',
  train: { steps: 20, batchSize: 16, optimizer: { lr: 5e-3 }, threads: 1, ...train },
  evaluate: { bootstrap: 100, latency: { repeats: 1, batches: [1] }, examples: 2 },
  export: { formats: ['fp32'] },
  ...change,
});
const go = (name: string, r: unknown, more: object = {}) =>
  run(r as never, {
    out: join(dir, name),
    baseDir: dir,
    progress: createProgress({ mode: 'silent' }),
    ...more,
  });

it('trains a language model from texts on the disk, and goes on to the same bits after a stop', async () => {
  const whole = await go('whole', recipe());
  const { report } = whole;
  expect(report.warnings.join()).toMatch(/120 training texts were read from the disk in every epoch/);
  const perplexity = (id: string): number => report.arms.find((a) => a.id === id)!.values.perplexity.mean;
  // a model that knows nothing says one of some 25 characters
  expect(perplexity('distilled')).toBeLessThan(20);
  expect(perplexity('teacher')).toBeLessThan(perplexity('distilled'));
  expect(whole.askedOfTeacher).toBeGreaterThanOrEqual(20 * 16);
  let polls = 0;
  await expect(go('parts', recipe(), { stopRequested: () => ++polls > 40 })).rejects.toThrow(/stopped/);
  const resumed = await go('parts', recipe(), { resume: true });
  const weights = (folder: string): Buffer => readFileSync(join(folder, 'model.safetensors'));
  expect(weights(resumed.model.folder).equals(weights(whole.model.folder))).toBe(true);
}, 120_000);

it('cuts texts as rows in memory are cut, and gives every row once an epoch', async () => {
  const texts = sentences(40, 'epoch');
  const examples = texts.map((text, i): Example => ({ file: 'f', line: i + 1, text }));
  const files = trainTokenizer('char', texts, { vocabSize: 64 });
  const tokenizer = createTokenizer(files.tokenizer, files.tokenizerConfig);
  const ctx = { recipe: { data: { streaming: { buffer: 8 }, steps: [] } } } as never;
  const streamed = await openStreamedTexts(ctx, heldSet(examples));
  const source = await streamed.source({ tokenizer, maxLength: 12 }, 2);
  expect(streamed.size).toBe(40);
  expect(source.size).toBeGreaterThan(40);
  const seen: string[] = [];
  for await (const numbers of source.stream!({ seed: 1, batchSize: 1, from: 0 })) {
    const batch = (await source.collate(numbers)) as Record<string, NDArray>;
    const [ids, mask] = ['input_ids', 'attention_mask'].map((n) => [...toNumbers(batch[`input/${n}`])]);
    seen.push(ids.filter((_, i) => mask[i] === 1).join());
    if (seen.length === source.size) break;
  }
  const held = tokenRows(examples, { tokenizer, maxLength: 12 }).rows;
  expect(seen.sort()).toEqual(held.map((r) => r.ids.slice(0, -1).join()).sort());
});

it('refuses what wants all rows at once', async () => {
  await expect(go('packed', recipe({}, { packing: true }))).rejects.toThrow(/train\.packing/);
  await expect(go('own', recipe({ method: 'sequence-kd' }))).rejects.toThrow(/data\.streaming/);
  const other = { ...model(8), tokenizer: { kind: 'bpe', vocabSize: 300 } };
  await expect(go('crossing', recipe({ method: 'uld', student: other }))).rejects.toThrow(/tokenizer/);
}, 60_000);
