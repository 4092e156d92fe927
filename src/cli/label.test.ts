import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folderWith } from '../data/testing/files.ts';
import { everything, KEY } from '../teachers/api/testing/fault-run.ts';
import { startServer, type TestServer, trueClass } from '../teachers/api/testing/server.ts';
import { runCli } from './program.ts';

const classes = ['refund', 'card', 'transfer'];
const texts = Array.from({ length: 30 }, (_, i) => `request number ${i}`);
const source = texts.map((text) => `${JSON.stringify({ text })}\n`).join('');
const jsonl = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('decant label', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ key: KEY });
  });
  afterAll(() => server.close());
  let shown = '';
  const run = async (cwd: string, ...more: string[]): Promise<{ code: number; out: string }> => {
    let out = '';
    const io = {
      stdout: { write: (t: string) => (out += t) },
      stderr: { write: (t: string) => (shown += t) },
      stdin: {},
      env: { THE_KEY: KEY },
      cwd,
    };
    const args = ['label', 'texts.jsonl', '--teacher', 'tiny', '--base-url', server.baseURL];
    const code = await runCli(
      [...args, '--key-env', 'THE_KEY', '--classes', classes.join(','), '-o', 'out', '--json', ...more],
      io,
      '1',
    );
    shown += out;
    return { code, out };
  };

  it('labels in order, keeps every answer, and goes on after the budget', async () => {
    const folder = folderWith({ 'texts.jsonl': source });
    writeFileSync(join(folder, 'prices.yaml'), 'models: { tiny: { input: 1, output: 1 } }\n');
    const before = server.requests;
    const estimate = JSON.parse((await run(folder, '--estimate', '--prices', 'prices.yaml')).out);
    expect(estimate.estimate).toMatchObject({ questions: 30 });
    expect(estimate.estimate.money).toBeGreaterThan(0);
    expect(server.requests).toBe(before);

    const cut = await run(folder, '--budget-tokens', '2500');
    expect(cut.code).toBe(10);
    expect(server.tokens).toBeLessThanOrEqual(2500);
    const whole = JSON.parse((await run(folder, '--probabilities')).out);
    expect(whole).toMatchObject({ rows: 30, labelled: 30, unlabelled: 0 });
    expect(whole.fromStore).toBeGreaterThan(3);
    const rows = jsonl(join(folder, 'out/labels.jsonl'));
    expect(rows.map((r) => r.text)).toEqual(texts);
    expect(rows.map((r) => r.label)).toEqual(texts.map((t) => trueClass(t, classes)));
    for (const r of rows) expect(r.confidence).toBeCloseTo(2 / 3, 4);
    expect(texts.every((t) => server.answered.get(t) === 1)).toBe(true);

    const asked = server.requests;
    writeFileSync(join(folder, 'texts.jsonl'), `${source}${JSON.stringify({ text: 'one more' })}\n`);
    const more = JSON.parse((await run(folder)).out);
    expect(more).toMatchObject({ rows: 31, fromStore: 30, labelled: 31 });
    // the new text, and the look at what the endpoint can do: its refusals are not kept
    expect(server.requests).toBeLessThanOrEqual(asked + 2);
    expect(everything(folder) + shown).not.toContain(KEY);
  });

  it('writes the questions as a batch and takes the answers from its output', async () => {
    const folder = folderWith({ 'texts.jsonl': source });
    const declared = ['--schema', 'json_schema', '--top-logprobs', '5'];
    const before = server.requests;
    expect((await run(folder, ...declared, '--write-batch', 'in.jsonl')).code).toBe(0);
    const questions = jsonl(join(folder, 'in.jsonl'));
    expect(questions).toHaveLength(30);
    expect(questions[0]).toMatchObject({ method: 'POST', url: '/v1/chat/completions' });
    expect(server.requests).toBe(before);
    // the provider answers in any order; one request failed, and one line is not ours
    const answers = questions.slice(1).map((q) => ({
      custom_id: q.custom_id,
      response: {
        status_code: 200,
        body: {
          choices: [{ message: { content: JSON.stringify({ label: 'card' }) }, finish_reason: 'stop' }],
        },
      },
    }));
    const failed = { custom_id: questions[0].custom_id, response: null, error: { code: 'x' } };
    const output = [...answers.reverse(), failed, { custom_id: 'foreign', response: null }];
    writeFileSync(
      join(folder, 'out.jsonl'),
      output
        .map((a) => JSON.stringify(a))
        .join('\n')
        .concat('\n'),
    );
    const result = JSON.parse((await run(folder, ...declared, '--read-batch', 'out.jsonl')).out);
    expect(result.batch).toMatchObject({ stored: 29, failed: 1, foreign: 1 });
    expect(result).toMatchObject({ labelled: 30, fromStore: 29 });
    expect(server.requests).toBe(before + 1);
    const labels = jsonl(join(folder, 'out/labels.jsonl')).map((r) => r.label);
    expect(labels.slice(1)).toEqual(Array(29).fill('card'));
    expect(labels[0]).toBe(trueClass(texts[0], classes));
  });

  it('names what is missing', async () => {
    const folder = folderWith({ 'texts.jsonl': source });
    shown = '';
    const code = await run(folder, '--classes', 'one');
    expect(code.code).toBe(2);
    expect(code.out).toContain('--classes');
    expect((await run(folder, '--budget-money', '1')).code).toBe(3);
    expect(shown).toContain('teacher.prices');
    expect(shown).not.toContain(KEY);
  });
});
