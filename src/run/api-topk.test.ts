import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TextRecord } from '../data/steps/step.ts';
import { scoreTokens } from '../generate/generate.ts';
import { run } from '../index.ts';
import { everything, KEY } from '../teachers/api/testing/fault-run.ts';
import { startServer } from '../teachers/api/testing/server.ts';
import { openSignalStore } from '../teachers/store/index.ts';
import { readEvents } from './events.ts';
import { createProgress } from './progress.ts';
import { type RunningServer, serveModel } from './serve.ts';
import { openServedModel, type ServedModel } from './served-model.ts';
import { writeTinyLanguageModel } from './testing/tiny-folders.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-api-topk-'));
let [opened, server]: [ServedModel?, RunningServer?] = [];
beforeAll(async () => {
  await writeTinyLanguageModel(join(dir, 'writer'), { chat: false });
  opened = await openServedModel(join(dir, 'writer'));
  server = await serveModel(opened, { port: 0, key: KEY });
  process.env.DECANT_TOPK_KEY = KEY;
  const rows = (n: number) =>
    Array.from({ length: n }, (_, i) => ({
      prompt: `the ${['card', 'shop', 'money'][i % 3]} ${'abcdefgh'[i % 8]}`,
      response: 'is here',
    }));
  for (const [name, n] of [
    ['train', 24],
    ['test', 6],
  ] as const)
    writeFileSync(
      join(dir, name),
      rows(n)
        .map((r) => `${JSON.stringify(r)}\n`)
        .join(''),
    );
});
afterAll(async () => {
  delete process.env.DECANT_TOPK_KEY;
  await server?.close();
  rmSync(dir, { recursive: true, force: true });
});

const recipe = (change: Record<string, unknown> = {}, tokenizer: unknown = { from: 'writer' }) => ({
  version: 1,
  task: 'generate',
  data: {
    train: 'train',
    test: 'test',
    format: 'jsonl',
    validation: 0,
    duplicates: { exact: 'report', near: { action: 'off' }, leaks: 'off' },
    steps: [{ step: 'write', temperature: 0, maxTokens: 12, finished: false }],
  },
  teacher: {
    kind: 'api',
    baseURL: `${server!.url}/v1`,
    model: 'writer',
    keyEnv: 'DECANT_TOPK_KEY',
    topLogprobs: 5,
  },
  student: { architecture: 'gpt2', options: { layers: 1, hidden: 16, heads: 2 }, tokenizer, maxLength: 48 },
  method: { name: 'kd', options: { temperature: 1, alpha: 0 } },
  train: { steps: 4, batchSize: 8, threads: 1 },
  evaluate: {
    bootstrap: 100,
    latency: { repeats: 1, batches: [1] },
    examples: 1,
    baselines: { withoutTeacher: false, linear: false },
  },
  export: { formats: ['fp32'] },
  ...change,
});
const go = (out: string, r: Record<string, unknown>, resume = false) =>
  run(r, { out: join(dir, out), baseDir: dir, resume, progress: createProgress({ mode: 'silent' }) });
const event = (out: string, kind: string) =>
  readEvents(join(dir, out, 'events.jsonl')).findLast((e) => e.kind === kind) as unknown as Record<
    string,
    number
  >;

it('learns the teacher’s own top k at the tokens that it wrote, over HTTP', async () => {
  const { report } = await go('same', recipe());
  const seen = event('same', 'alignment');
  // every token of the text; that a text ends is not among what endpoints say
  const curated = readFileSync(join(dir, 'same', 'curated-rows.jsonl'), 'utf8')
    .trim()
    .split('\n');
  const rows = curated.map((l) => JSON.parse(l) as TextRecord);
  const { tokenizer, session } = opened!.language!;
  const encode = (text: string): number[] => tokenizer.encode(text, { addSpecial: false });
  const written = rows.map((r) => encode(r.response!));
  expect(seen.aligned).toBe(written.reduce((n, ids) => n + ids.length, 0));
  expect(seen.positions).toBe(seen.aligned + rows.length);
  expect(seen.rows).toBe(rows.length);
  expect(report.environment.find((f) => f.name.startsWith('Positions'))!.value).toMatch(/^9\d\.\d % of/);
  // against the same model's own distribution over the same tokens
  const store = openSignalStore(join(dir, 'same', 'signals'), {});
  let compared = 0;
  for (const r of store.records()) {
    const signal = r.read();
    if (signal.form !== 'topk') continue;
    // greedy: the likeliest is what was written, so that the first column spells the row
    const spelled = Array.from({ length: signal.rows }, (_, t) => signal.ids[t * signal.k]).join();
    const row = rows.find(
      (x, i) =>
        [...encode(x.prompt!), ...written[i]].slice(1).join() === spelled.slice(0, spelled.lastIndexOf(',')),
    );
    const before = encode(row!.prompt!);
    const ids = [...before, ...encode(row!.response!)];
    const [scored] = await scoreTokens(session, [ids], { from: [before.length], top: 5 });
    scored.top!.forEach((top, t) => {
      const from = (before.length - 1 + t) * signal.k;
      // special tokens other than the end add no text: they are in the tail
      const { eos } = tokenizer.special;
      const spoken = top.ids
        .map((id, i) => [id, top.logp[i]])
        .filter(([id]) => id === eos || !tokenizer.specialIds.has(id));
      expect(Array.from(signal.ids.slice(from, from + spoken.length))).toEqual(spoken.map(([id]) => id));
      for (const [i, [, logp]] of spoken.entries()) expect(signal.logp[from + i]).toBeCloseTo(logp, 4);
      compared++;
    });
  }
  expect(compared).toBeGreaterThan(50);
  const paid = (): number =>
    readFileSync(join(dir, 'same', 'ledger.jsonl'), 'utf8').match(/"t":"paid"/g)!.length;
  const before = paid();
  await go('same', recipe(), true);
  expect(paid()).toBe(before);
  expect(everything(join(dir, 'same')).includes(KEY)).toBe(false);
}, 180_000);

it('says at how many positions another tokenizer agrees', async () => {
  // a tokenizer made of what the teacher writes, in tokens longer than its own
  const curated = readFileSync(join(dir, 'same', 'curated-rows.jsonl'), 'utf8');
  writeFileSync(join(dir, 'merged'), curated);
  const r = recipe({}, { kind: 'bpe', vocabSize: 330, minFrequency: 2 });
  const { report } = await go('other', { ...r, data: { ...r.data, train: 'merged' } });
  const seen = event('other', 'alignment');
  expect(seen.aligned).toBeGreaterThan(0);
  expect(seen.share).toBeLessThan(0.8);
  const fact = report.environment.find((f) => f.name.startsWith('Positions'))!.value;
  expect(fact).toMatch(new RegExp(`^${(100 * seen.share).toFixed(1)} %`));
  if (seen.share < 0.5) expect(report.warnings.join()).toMatch(/student.tokenizer.from/);
}, 180_000);

it('says what an API cannot teach, and what could be done', async () => {
  await expect(go('no', recipe({ method: 'taid' }))).rejects.toThrow(/text and top-k[\s\S]*kd, sequence-kd/);
  const { steps: _, ...data } = recipe().data;
  await expect(go('no2', recipe({ data }))).rejects.toThrow(/step: write/);
  const bare = await startServer({ logprobs: false });
  try {
    const teacher = { kind: 'api', baseURL: bare.baseURL, model: 'tiny' };
    await expect(go('no3', recipe({ teacher }))).rejects.toThrow(/no log-probabilities[\s\S]*sequence-kd/);
  } finally {
    await bare.close();
  }
}, 180_000);
