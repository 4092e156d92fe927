import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TextRecord } from '../../data/steps/step.ts';
import { run } from '../../index.ts';
import { listen, readBody, stop } from '../../teachers/api/testing/server.ts';
import { createProgress } from '../progress.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-rounds-'));
let server: Server;
let baseURL = '';
let asked = 0;
let broken = false;
/** A judge over HTTP that likes the letter a: the score is the share of it. */
beforeAll(async () => {
  server = createServer(async (req, res) => {
    const { messages } = JSON.parse(await readBody(req)) as { messages: { content: string }[] };
    asked++;
    const text = /Answer: ?([\s\S]*)\nRating:/.exec(messages.at(-1)!.content)?.[1] ?? '';
    const score = text === '' ? 1 : 1 + (4 * [...text].filter((c) => c === 'a').length) / [...text].length;
    res.writeHead(broken ? 401 : 200, { 'content-type': 'application/json' });
    res.end(
      JSON.stringify({
        choices: [{ message: { content: score.toFixed(2) }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 10, completion_tokens: 3 },
      }),
    );
  });
  baseURL = await listen(server);
  const rows = (n: number, rated: boolean) =>
    Array.from({ length: n }, (_, i) => ({
      prompt: `${'pqrs'[i % 4]}${'tuvw'[(i >> 2) % 4]}:`,
      response: ['abab', 'bbab', 'babb', 'bbbb'][i % 4],
      ...(rated ? { good: i % 4 === 0 } : {}),
    }));
  for (const [name, rated] of [
    ['train', false],
    ['test', true],
  ] as const)
    writeFileSync(
      join(dir, name),
      rows(32, rated)
        .map((r) => `${JSON.stringify(r)}\n`)
        .join(''),
    );
});
afterAll(async () => {
  await stop(server);
  rmSync(dir, { recursive: true, force: true });
});

const recipe = (change: Record<string, unknown> = {}) => ({
  version: 1,
  task: 'prefer',
  data: {
    train: 'train',
    test: 'test',
    format: 'jsonl',
    validation: 0,
    duplicates: { exact: 'report', near: { action: 'off' }, leaks: 'off' },
    steps: [
      { step: 'sample', samples: 4, maxTokens: 6, finished: false },
      { step: 'judge' },
      { step: 'pair', pairs: 2 },
    ],
  },
  teacher: { kind: 'api', baseURL, model: 'judge' },
  student: {
    architecture: 'gpt2',
    options: { layers: 1, hidden: 16, heads: 2 },
    tokenizer: { kind: 'char', vocabSize: 32 },
    maxLength: 16,
  },
  prefer: { rounds: 2, sft: { steps: 40, batchSize: 16, optimizer: { lr: 1e-2 } } },
  method: { name: 'dpo', options: { beta: 0.1 } },
  train: { steps: 25, batchSize: 16, optimizer: { lr: 5e-3 }, threads: 1 },
  evaluate: {
    bootstrap: 100,
    latency: { repeats: 1, batches: [1] },
    examples: 1,
    baselines: { withoutTeacher: false },
  },
  export: { formats: ['fp32'] },
  ...change,
});
const go = (name: string, r: Record<string, unknown>, more: object = {}) =>
  run(r, { out: join(dir, name), baseDir: dir, progress: createProgress({ mode: 'silent' }), ...more });
const curated = (name: string, round: number): TextRecord[] =>
  readFileSync(join(dir, name, `curated-rows-seed-1-round-${round}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as TextRecord);

it('goes in rounds: the student answers, the judge scores, the student learns what the judge likes', async () => {
  const { report } = await go('two', recipe());
  const judged = (id: string): number => report.arms.find((a) => a.id === id)!.values.judged.mean;
  expect(judged('distilled')).toBeGreaterThan(judged('reference') + 0.5);
  expect(report.data.steps!.map((s) => s.name)).toEqual(
    [1, 2].flatMap((r) => ['sample', 'judge', 'pair'].map((s) => `${s}, seed 1 round ${r}`)),
  );
  // the second round's texts are those of the student that the first one made
  const [one, two] = [curated('two', 1), curated('two', 2)];
  const writer = (rows: TextRecord[]): string => rows[0].trail![0].by!;
  expect(writer(one)).toMatch(/^student:/);
  expect(writer(two)).not.toBe(writer(one));
  const liked = (rows: TextRecord[]): number =>
    rows.reduce((n, r) => n + [...r.chosen!].filter((c) => c === 'a').length, 0) / rows.length;
  expect(liked(one)).toBeGreaterThan(0);
  for (const { chosen, rejected } of one) expect(chosen).not.toBe(rejected);
  // gone on with, it asks only what a judge without a chat or schema refused to be probed for: nothing here
  const before = asked;
  await go('two', recipe(), { resume: true });
  expect(asked - before).toBeLessThanOrEqual(6);
}, 240_000);

it('keeps what was judged when it is stopped, and goes on', async () => {
  let steps = 0;
  const stopRequested = () => ++steps > 60;
  const stopped = await go('stopped', recipe(), { stopRequested }).catch((e) => e);
  expect(stopped.code).toBe('interrupted');
  const before = asked;
  const { report } = await go('stopped', recipe(), { resume: true });
  expect(report.arms.some((a) => a.values.judged !== undefined)).toBe(true);
  expect(existsSync(join(dir, 'stopped', 'curated-rows-seed-1-round-2.jsonl'))).toBe(true);
  // the ledgers of both together: no question was paid twice
  const ledger = readFileSync(join(dir, 'stopped', 'ledger.jsonl'), 'utf8')
    .trim()
    .split('\n');
  const keys = new Map<number, string>();
  const paid: string[] = [];
  for (const line of ledger) {
    const l = JSON.parse(line) as { t: string; id: number; key?: string };
    if (l.t === 'ask') keys.set(l.id, l.key!);
    if (l.t === 'paid') paid.push(keys.get(l.id)!);
  }
  expect(new Set(paid).size).toBe(paid.length);
  expect(asked).toBeGreaterThan(before);
}, 240_000);

it('refuses what a judge behind an API cannot do', async () => {
  await expect(go('no', recipe({ prefer: { reference: 'teacher' } }))).rejects.toThrow(
    /given responses[\s\S]*start, moving/,
  );
  const { data, ...rest } = recipe();
  await expect(
    go('no2', {
      ...rest,
      task: 'generate',
      prefer: undefined,
      method: 'supervised',
      data: { ...data, steps: data.steps.slice(0, 1) },
    }),
  ).rejects.toThrow(/the student[\s\S]*task prefer/);
  broken = true;
  await expect(go('no3', recipe())).rejects.toThrow(/refuses every request/);
}, 120_000);
