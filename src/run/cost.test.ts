import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest';
import { plan, run } from '../index.ts';
import { readLedger } from '../teachers/api/ledger.ts';
import { startServer, type TestServer } from '../teachers/api/testing/server.ts';
import { costOfRun } from './cost.ts';
import { createProgress } from './progress.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-cost-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.close());

const file = (name: string, rows: readonly object[]): string => {
  writeFileSync(join(dir, name), rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
  return name;
};
const many = <T>(n: number, row: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => row(i));
writeFileSync(join(dir, 'prices.yaml'), 'currency: EUR\nmodels: { tiny: { input: 10, output: 20 } }\n');

const teacher = (settings: object = {}) => ({
  kind: 'api',
  baseURL: server.baseURL,
  model: 'tiny',
  prices: 'prices.yaml',
  ...settings,
});
const base = {
  version: 1,
  method: 'supervised',
  train: { steps: 2, batchSize: 8, threads: 1 },
  evaluate: {
    bootstrap: 100,
    latency: { repeats: 1, batches: [1] },
    baselines: { withoutTeacher: false, linear: false },
    examples: 0,
  },
  export: { formats: ['fp32'] },
};
const unfiltered = { validation: 0, duplicates: { exact: 'report', near: { action: 'off' }, leaks: 'off' } };

/** What the plan foresees, and what the run's ledger and report say. */
async function planned(name: string, recipe: Record<string, unknown>) {
  const path = join(dir, `${name}.yaml`);
  writeFileSync(path, JSON.stringify({ ...base, name, ...recipe }));
  const { api } = await plan(path);
  expect(server.requests).toBe(0);
  const out = join(dir, name);
  const { report } = await run(path, { out, progress: createProgress({ mode: 'silent' }) });
  return { api: api!, out, cost: report.cost!, ledger: readLedger(join(out, 'ledger.jsonl'))! };
}

const classes = many(24, (i) => ({ text: `request number ${i}`, label: i % 2 ? 'card' : 'refund' }));

it('foresees what a run asks and pays: steps of a language model', async () => {
  const prompts = (n: number) => many(n, (i) => ({ prompt: `say ${i} `, response: `${i} it is` }));
  const { api, cost, ledger } = await planned('generate', {
    task: 'generate',
    data: {
      train: file('prompts.jsonl', prompts(10)),
      test: file('held.jsonl', prompts(4)),
      ...unfiltered,
      steps: [
        { step: 'write', samples: 2, temperature: 1, maxTokens: 8, finished: false },
        { step: 'explain', template: 'Why {response} for {prompt}?', maxTokens: 8 },
      ],
    },
    teacher: teacher(),
    student: {
      architecture: 'gpt2',
      options: { layers: 1, hidden: 8, heads: 2 },
      maxLength: 32,
      tokenizer: { kind: 'char', vocabSize: 64 },
    },
  });
  expect(api[0].parts.map((p) => [p.what, p.questions])).toEqual([
    ['step write', 20],
    ['step explain', 20],
  ]);
  // answers of the server do not depend on the seed, so that equal ones are explained once
  expect(ledger.totals.requests).toBeGreaterThan(20);
  expect(ledger.totals.tokens).toBeLessThanOrEqual(api[0].inputTokens + api[0].outputTokens);
  expect(ledger.totals.money).toBeLessThanOrEqual(api[0].money!);
  expect(ledger.totals.money).toBeGreaterThan(0);
  expect(cost.total).toBe(`${ledger.totals.money.toFixed(4)} EUR`);
  expect(cost.rows.map((r) => r.amount)).toContain(ledger.totals.tokens.toLocaleString('en-US'));
}, 60_000);

it('foresees a classifier, with rows that steps have multiplied, and adds up several teachers', async () => {
  const data = { train: file('train.jsonl', classes), test: file('test.jsonl', classes), ...unfiltered };
  const rest = {
    task: 'classify',
    data,
    student: { architecture: 'bag', options: { width: 4 } },
    method: 'kd',
  };
  const one = await planned('classify', { ...rest, teacher: teacher() });
  expect(one.api[0]).toMatchObject({ questions: 48, currency: 'EUR' });
  // the same texts are in both files and are asked about once; a few questions see what the endpoint can do
  expect(one.ledger.totals.requests).toBeGreaterThanOrEqual(24);
  expect(one.ledger.totals.requests).toBeLessThan(48);
  expect(one.ledger.totals.tokens).toBeLessThanOrEqual(one.api[0].inputTokens + one.api[0].outputTokens);

  const unpriced = teacher({ prices: undefined });
  const path = join(dir, 'several.yaml');
  const several = { kind: 'several', members: [teacher(), unpriced] };
  writeFileSync(path, JSON.stringify({ ...base, ...rest, teacher: several }));
  const { api, cost } = await plan(path);
  expect(api!.map((a) => [a.questions, a.money === undefined])).toEqual([
    [48, false],
    [48, true],
  ]);
  expect(cost.budget).toBe('none');
  const { report, out } = await run(path, {
    out: join(dir, 'several'),
    progress: createProgress({ mode: 'silent' }),
  });
  const tokens = [1, 2].map((i) => readLedger(join(out, `ledger-${i}.jsonl`))!.totals.tokens);
  expect(report.cost!.rows.filter((r) => r.item.endsWith('in and out')).map((r) => r.amount)).toEqual(
    tokens.map((t) => t.toLocaleString('en-US')),
  );
  expect(report.cost!.total).toBe('unknown');
}, 60_000);

it('foresees the requests for vectors', async () => {
  const pairs = many(70, (i) => ({ text: `question ${i}`, pair: `answer ${i}` }));
  const { api, cost, ledger } = await planned('embed', {
    task: 'embed',
    data: {
      train: file('pairs.jsonl', pairs.slice(0, 66)),
      test: file('few.jsonl', pairs.slice(66)),
      ...unfiltered,
    },
    teacher: teacher(),
    student: { architecture: 'sentence-bag', options: { width: 3 } },
    method: 'embedding-kd',
  });
  // 132 texts and 8 of the test in requests of 64; one more sees the width
  expect(api[0].questions).toBe(3 + 1);
  expect(ledger.totals.requests).toBe(3 + 1 + 1);
  expect(cost.rows[1].note).toMatch(/^5 requests/);
}, 60_000);

it('says that nothing was paid where there is no ledger', () => {
  const empty = mkdtempSync(join(dir, 'empty-'));
  expect(costOfRun(empty)).toMatchObject({ total: '0' });
});
