import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { TextRecord } from '../data/steps/step.ts';
import { run } from '../index.ts';
import { startServer } from '../teachers/api/testing/server.ts';
import { createRng } from '../util/rng.ts';
import { createProgress } from './progress.ts';

vi.setConfig({ testTimeout: 180_000 });
const work = mkdtempSync(join(tmpdir(), 'decant-steps-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Little sums, some of them rated wrong. */
function rows(n: number, seed: string): string {
  const rng = createRng(seed);
  const lines = Array.from({ length: n }, () => {
    const [a, b] = [rng.int(5), rng.int(5)];
    const good = seed !== 'rated' || rng.uniform() < 0.6;
    const sum = a + b + (good ? 0 : 1 + rng.int(3));
    return JSON.stringify({
      prompt: `${a}+${b}=`,
      response: `${sum}`,
      sum: a + b,
      ...(seed === 'rated' ? { good } : {}),
    });
  });
  return `${lines.join('\n')}\n`;
}
beforeAll(() => {
  for (const name of ['train', 'test', 'rated'])
    writeFileSync(join(work, `${name}.jsonl`), rows(name === 'rated' ? 300 : 60, name));
});

const model = (hidden: number) => ({
  architecture: 'gpt2',
  options: { layers: 1, hidden, heads: 2 },
  maxLength: 12,
  tokenizer: { kind: 'char', vocabSize: 64, lowercase: false },
});
const recipe = (change: Record<string, unknown>, data: Record<string, unknown> = {}) => ({
  version: 1,
  name: 'steps',
  task: 'generate',
  data: {
    train: 'train.jsonl',
    validation: 0,
    test: 'test.jsonl',
    keep: ['sum'],
    duplicates: { exact: 'report', leaks: 'off' },
    ...data,
  },
  teacher: { kind: 'trained', ...model(16), train: { steps: 40, batchSize: 16, optimizer: { lr: 1e-2 } } },
  student: model(8),
  method: 'supervised',
  train: { steps: 4, batchSize: 16, optimizer: { lr: 5e-3 } },
  evaluate: { bootstrap: 100, latency: { repeats: 1, batches: [1] }, examples: 2 },
  export: { formats: ['fp32'] },
  ...change,
});
const go = (name: string, r: Record<string, unknown>, resume = false) =>
  run(r, { out: join(work, name), baseDir: work, resume, progress: createProgress({ mode: 'silent' }) });
const lines = <T>(name: string, file: string): T[] =>
  readFileSync(join(work, name, file), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((l) => JSON.parse(l) as T);

const STEPS = [
  { step: 'write', samples: 4, temperature: 1, maxTokens: 3, finished: false },
  { step: 'pattern', matches: '^[0-9]' },
  { step: 'verify', by: { kind: 'exact', gold: 'sum' }, mark: true },
  { step: 'duplicates', measure: 'exact' },
];

it('runs steps in order, counts every row, keeps what was removed with its reason, and repeats nothing', async () => {
  const r = recipe({}, { steps: STEPS });
  const { report } = await go('kept', r);
  const steps = report.data.steps!;
  expect(steps.map((s) => s.name)).toEqual(['write', 'pattern', 'verify', 'duplicates']);
  expect(steps.slice(1).map((s) => s.before)).toEqual(steps.slice(0, -1).map((s) => s.after));
  for (const s of steps.slice(1)) expect(s.after + s.removed).toBe(s.before);
  const curated = lines<TextRecord>('kept', 'curated-rows.jsonl');
  expect(curated).toHaveLength(steps.at(-1)!.after);
  expect(curated[0].trail!.map((t) => t.step)).toEqual(['write', 'verify']);
  expect(curated[0].trail![0].by).toMatch(/^trained:/);
  expect(curated[0]).toMatchObject({
    file: expect.stringMatching(/train.jsonl$/),
    meta: { sum: expect.any(String) },
  });
  const aside = lines<{ kind: string; message: string }>('kept', 'rows-put-aside.jsonl').filter(
    (l) => l.kind === 'step',
  );
  expect(aside).toHaveLength(steps.reduce((n, s) => n + s.removed, 0));
  expect(aside.every((l) => /^(write|pattern|verify|duplicates): /.test(l.message))).toBe(true);
  expect(report.arms.map((a) => a.role)).toEqual(['teacher', 'distilled', 'alone']);
  expect(readFileSync(join(work, 'kept', 'report.html'), 'utf8')).toContain(
    'Steps from text to training data',
  );

  const before = readFileSync(join(work, 'kept', 'steps.jsonl'), 'utf8');
  const again = await go('kept', r, true);
  expect(readFileSync(join(work, 'kept', 'steps.jsonl'), 'utf8')).toBe(before);
  expect(again.report.data.steps).toEqual(JSON.parse(JSON.stringify(steps)));
});

it('lets a method rewrite the rows: symbolic distillation with ratings', async () => {
  const critic = { hidden: 16, width: 8, buckets: 256, epochs: 4, recall: 0.8 };
  const options = { samples: 6, top_p: 1, max_tokens: 2, shortest: 1, critic };
  const { report } = await go(
    'symbolic',
    recipe({ method: { name: 'symbolic-kd', options } }, { rated: 'rated.jsonl' }),
  );
  const steps = report.data.steps!;
  expect(steps.map((s) => s.name)).toEqual(['write', 'pattern', 'duplicates', 'critic']);
  expect(steps[3].figures).toMatchObject({ rated: 300, auc: expect.any(Number), cutoff: expect.any(Number) });
  expect(steps[3].after).toBeGreaterThan(0);
  expect(report.headline.sentence).toMatch(/reaches perplexity/);
});

it('trains on what a teacher behind an API writes, with no weights of it', async () => {
  const server = await startServer();
  try {
    const teacher = { kind: 'api', baseURL: server.baseURL, model: 'tiny' };
    const steps = [{ step: 'write', temperature: 0, maxTokens: 8 }];
    const { report } = await go('api', recipe({ teacher }, { steps }));
    expect(report.arms.map((a) => a.role)).toEqual(['distilled', 'alone']);
    expect(report.headline.sentence).toMatch(/of its teacher only texts are known/);
    const asked = server.requests;
    expect(lines<TextRecord>('api', 'curated-rows.jsonl').every((r) => /red|blue/.test(r.response!))).toBe(
      true,
    );
    await go('api', recipe({ teacher }, { steps }), true);
    expect(server.requests).toBe(asked);
  } finally {
    await server.close();
  }
});

it('lets several teachers write: each for its rows, or all and the majority counts', async () => {
  const servers = [await startServer(), await startServer()];
  const member = (i: number, more: object = {}) => ({
    kind: 'api',
    baseURL: servers[i].baseURL,
    model: `tiny-${i}`,
    ...more,
  });
  const several = (members: object[], by?: string) => ({ kind: 'several', members, ...(by ? { by } : {}) });
  const write = { step: 'write', temperature: 0, maxTokens: 8 };
  const writers = (name: string): string[] =>
    lines<TextRecord>(name, 'curated-rows.jsonl').map((r) => r.trail![0].by!);
  try {
    const vote = { step: 'vote', answer: 'whole', keep: 1 };
    const all = recipe({ teacher: several([member(0), member(1)]) }, { steps: [write, vote] });
    const { report } = await go('ensemble', all);
    const [wrote, voted] = report.data.steps!;
    // the servers agree on everything: of equal answers to a prompt one stays
    const asked = new Set(lines<TextRecord>('ensemble', 'curated-rows.jsonl').map((r) => r.prompt));
    expect([wrote.after, voted.after]).toEqual([2 * wrote.before, asked.size]);
    for (const i of [1, 2])
      expect(readFileSync(join(work, 'ensemble', `ledger-${i}.jsonl`), 'utf8')).toMatch(/"t":"paid"/);
    const small = ['0', '1', '2', '3'];
    const byDomain = several([member(0, { for: small }), member(1)], 'sum');
    await go('domains', recipe({ teacher: byDomain }, { steps: [write] }));
    const rows = lines<TextRecord>('domains', 'curated-rows.jsonl');
    const of = (r: TextRecord): boolean => small.includes(r.meta!.sum);
    expect(new Set(writers('domains')).size).toBe(2);
    const first = rows.find(of)!.trail![0].by;
    for (const r of rows) expect(r.trail![0].by === first).toBe(of(r));
    const weighted = recipe({ teacher: several([member(0, { weight: 2 }), member(1)]) }, { steps: [write] });
    await expect(go('weights', weighted)).rejects.toThrow(/no weights/);
  } finally {
    for (const s of servers) await s.close();
  }
});

it('refuses what cannot work, before anything is trained', async () => {
  await expect(go('bad', recipe({}, { steps: [{ step: 'wrte' }] }))).rejects.toThrow(/steps/);
  await expect(go('bad', recipe({}, { steps: [{ step: 'length', min: 1, maximum: 2 }] }))).rejects.toThrow(
    /maximum/,
  );
});
