import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predict, run } from '../index.ts';
import { everything, KEY } from '../teachers/api/testing/fault-run.ts';
import { createRng } from '../util/rng.ts';
import { createProgress } from './progress.ts';
import { type RunningServer, serveModel } from './serve.ts';
import { openServedModel } from './served-model.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-served-'));
const rng = createRng('served');
const topics: Record<string, string[]> = {
  card: ['my card was declined', 'the card is lost', 'card got stuck'],
  transfer: ['send money abroad', 'the transfer is late', 'pay my landlord'],
  account: ['close my account', 'change my address', 'forgot the password'],
};
const classes = Object.keys(topics);
const file = (name: string, rows: number): string => {
  const fillers = ['please', 'today', 'hello', 'again', 'from last week', 'thank you', 'in the app'];
  const lines = Array.from({ length: rows }, () => {
    const label = rng.pick(classes);
    const text = [rng.pick(fillers), rng.pick(topics[label]), rng.pick(fillers), `${rng.int(1000)}`];
    return JSON.stringify({ text: text.join(' '), label });
  });
  writeFileSync(join(dir, name), `${lines.join('\n')}\n`);
  return name;
};
const options = (out: string) => ({
  out: join(dir, out),
  baseDir: dir,
  progress: createProgress({ mode: 'silent' }),
});
const common = {
  version: 1,
  task: 'classify',
  evaluate: { bootstrap: 100, latency: { repeats: 1, batches: [1] } },
  export: { formats: ['fp32'] },
};
const bag = { architecture: 'bag', options: { width: 8, ngrams: 1 } };
const quick = { epochs: 8, batchSize: 16, optimizer: { lr: 0.03 } };
const data = { validation: 0, classes, duplicates: { near: { action: 'off' }, leaks: 'off' } };

let server: RunningServer;
beforeAll(async () => {
  const taught = await run(
    {
      ...common,
      data: { train: file('labelled.jsonl', 120), test: file('held.jsonl', 60), ...data },
      teacher: { kind: 'trained', ...bag, train: quick },
      student: bag,
      method: 'kd',
      train: quick,
    },
    options('teacher'),
  );
  process.env.DECANT_TEST_KEY = KEY;
  server = await serveModel(await openServedModel(taught.model.folder), { port: 0, key: KEY });
}, 120_000);
afterAll(async () => {
  delete process.env.DECANT_TEST_KEY;
  await server?.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('a student of a model behind decant serve', () => {
  const recipe = (settings: object) => ({
    ...common,
    data: {
      train: { source: file('pool.jsonl', 160), unlabelled: true },
      test: 'held.jsonl',
      ...data,
    },
    teacher: {
      kind: 'api',
      baseURL: `${server.url}/v1`,
      model: 'teacher',
      keyEnv: 'DECANT_TEST_KEY',
      ...settings,
    },
    student: bag,
    method: { name: 'kd', options: { temperature: 1, alpha: 0 } },
    train: quick,
  });

  it('learns from its log-probabilities over HTTP, from rows without labels, to an export that works', async () => {
    const { report, model, out } = await run(recipe({}), options('student'));
    const arm = (role: string) => report.arms.find((a) => a.role === role)!;
    expect(arm('teacher').values.accuracy.mean).toBeGreaterThan(0.95);
    expect(arm('distilled').values.agreement.mean).toBeGreaterThan(0.95);
    // no labels, no student without a teacher
    expect(report.arms.some((a) => a.role === 'alone')).toBe(false);
    const events = readFileSync(join(out, 'events.jsonl'), 'utf8');
    expect(events).toMatch(/"chat":true,"completions":false,"topk":3,"schema":"json_schema"/);
    const answers = await predict(model.folder, ['hello the card is lost again', 'close my account please']);
    expect(answers.map((a) => a.label)).toEqual(['card', 'account']);
    expect(everything(out).includes(KEY)).toBe(false);
  }, 60_000);

  it('learns from labels alone where that is what is asked for', async () => {
    const { report, out } = await run(recipe({ signals: ['text'] }), options('labels'));
    expect(report.arms.find((a) => a.role === 'distilled')!.values.agreement.mean).toBeGreaterThan(0.95);
    expect(readFileSync(join(out, 'events.jsonl'), 'utf8')).toMatch(/"topk":0/);
  }, 60_000);

  it('learns from several teachers, each for the rows of its domain', async () => {
    const one = recipe({});
    const pool = readFileSync(join(dir, one.data.train.source), 'utf8').trim().split('\n');
    const rows = pool
      .slice(0, 60)
      .map((line, i) => ({ ...JSON.parse(line), domain: ['mail', 'chat'][i % 2] }));
    writeFileSync(join(dir, 'domains.jsonl'), rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
    const train = { source: 'domains.jsonl', unlabelled: true };
    const { out, report } = await run(
      {
        ...one,
        data: { ...one.data, train, test: 'domains.jsonl', keep: ['domain'] },
        teacher: {
          kind: 'several',
          by: 'domain',
          members: [
            { ...one.teacher, for: ['mail'] },
            { kind: 'folder', path: join(dir, 'teacher/model') },
          ],
        },
        train: { ...quick, epochs: 2 },
      },
      options('several'),
    );
    expect(report.arms.find((a) => a.role === 'teacher')!.values.accuracy.mean).toBeGreaterThan(0.95);
    // the rows of one domain went over HTTP: two requests to look at the endpoint, one for each text
    const lines = readFileSync(join(out, 'ledger-1.jsonl'), 'utf8').trim().split('\n');
    expect(lines.filter((l) => JSON.parse(l).t === 'paid')).toHaveLength(2 + 30);
  }, 60_000);

  it('shows no key where the server refuses it', async () => {
    process.env.DECANT_OTHER_KEY = 'sk-wrong-9876543210zyxwvu';
    const failed = await run(recipe({ keyEnv: 'DECANT_OTHER_KEY' }), options('refused')).catch((e) => e);
    delete process.env.DECANT_OTHER_KEY;
    expect(failed.message).toMatch(/refuses every request/);
    const said = `${failed.stack}${JSON.stringify(failed)}${everything(join(dir, 'refused'))}`;
    expect(said.includes('sk-wrong-9876543210zyxwvu')).toBe(false);
  });
});
