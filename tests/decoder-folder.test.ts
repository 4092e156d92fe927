import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callCli } from '../src/cli/testing/call.ts';
import { run } from '../src/index.ts';
import { createProgress } from '../src/run/progress.ts';
import { createRng } from '../src/util/rng.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-decoder-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const cli = (...args: string[]) => callCli(work, args);

function lines(n: number, seed: string): string {
  const rng = createRng(seed);
  const word = () => rng.pick(['ana', 'bob', 'cleo', 'dora', 'emil']) + rng.pick(['', 's', ' jr']);
  return `${Array.from({ length: n }, () => JSON.stringify({ text: `${word()} and ${word()}` })).join('\n')}\n`;
}

const gpt = (layers: number, hidden: number) => ({
  architecture: 'gpt2',
  options: { layers, hidden, heads: 2 },
  tokenizer: { kind: 'char', vocabSize: 64, lowercase: false },
});
const recipe = {
  version: 1,
  task: 'generate',
  data: {
    train: 'train.jsonl',
    test: 'test.jsonl',
    validation: 0,
    duplicates: { exact: 'report', leaks: 'report' },
  },
  teacher: { kind: 'trained', ...gpt(1, 32), train: { steps: 20, batchSize: 16, optimizer: { lr: 5e-3 } } },
  student: { ...gpt(1, 32), lora: { rank: 2 } },
  method: 'kd',
  train: { steps: 10, batchSize: 16, optimizer: { lr: 5e-3 } },
  evaluate: { bootstrap: 100, latency: { repeats: 1, batches: [1] }, examples: 2 },
  export: { formats: ['fp32', 'int4'] },
  seeds: [3],
};
type Values = Record<string, { mean: number }>;
let reported: Values;

beforeAll(async () => {
  writeFileSync(join(work, 'train.jsonl'), lines(60, 'train'));
  writeFileSync(join(work, 'test.jsonl'), lines(20, 'test'));
  const { report } = await run(recipe as never, {
    out: join(work, 'run'),
    baseDir: work,
    progress: createProgress({ mode: 'silent' }),
  });
  reported = report.arms.find((a) => a.id === 'distilled')!.values as Values;
  writeFileSync(join(work, 'run', 'base.json'), '{"baseDir": ".."}');
}, 120_000);

describe('the folder of a language model', () => {
  it('is measured to the perplexity that its run reports', async () => {
    expect(existsSync(join(work, 'run', 'model', 'onnx', 'model_q4.onnx'))).toBe(true);
    for (const args of [['run'], ['run/model', 'test.jsonl']]) {
      const { code, out, err } = await cli('eval', ...args, '--json');
      expect(code, err).toBe(0);
      const { values, rows } = JSON.parse(out) as { values: Values; rows: number };
      expect(rows).toBe(20);
      expect(values.perplexity.mean).toBeCloseTo(reported.perplexity.mean, 3);
      expect(values.bitsPerByte.mean).toBeCloseTo(reported.bitsPerByte.mean, 4);
    }
    const q4 = await cli('eval', 'run', '--dtype', 'q4');
    expect(q4.code, q4.err).toBe(0);
    expect(q4.out).toMatch(/Perplexity +\d/);
    const q8 = await cli('eval', 'run', '--dtype', 'q8');
    expect(q8.err).toMatch(/lacks the ONNX file/);
  });

  it('goes on with texts, from the command line and from files', async () => {
    const greedy = await cli('predict', 'run', 'ana and ', 'bob', '-n', '5');
    expect(greedy.code, greedy.err).toBe(0);
    const rows = greedy.out
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l) as { prompt: string; text: string; tokens: number; finish: string });
    expect(rows.map((r) => r.prompt)).toEqual(['ana and ', 'bob']);
    for (const r of rows) expect(r.tokens <= 5 && (r.tokens === 5 || r.finish === 'eos')).toBe(true);
    const file = await cli('predict', 'run', '-f', 'test.jsonl', '-n', '3', '--json');
    expect((JSON.parse(file.out) as unknown[]).length).toBe(20);
    const sampled = (seed: string) => cli('predict', 'run', 'ana', '-n', '8', '-t', '1.5', '--seed', seed);
    const [a, b, c] = [await sampled('1'), await sampled('1'), await sampled('2')];
    expect(a.out).toBe(b.out);
    expect(a.out).not.toBe(c.out);
    expect((await cli('predict', 'run', 'ana', '-n', '999')).err).toMatch(/would not fit into the context/);
  });

  it('is exported again with the same weights and other formats', async () => {
    const { code, out, err } = await cli('export', 'run', '-f', 'fp32,int8,int4', '--json');
    expect(code, err).toBe(0);
    const again = JSON.parse(out) as { out: string; parity: { file: string }[] };
    const weights = (folder: string): Buffer => readFileSync(join(folder, 'model.safetensors'));
    expect(weights(again.out).equals(weights(join(work, 'run', 'model')))).toBe(true);
    expect(again.parity.map((p) => p.file)).toEqual([
      'onnx/model.onnx',
      'onnx/model_quantized.onnx',
      'onnx/model_q4.onnx',
    ]);
  });
});
