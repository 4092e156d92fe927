import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callCli } from '../src/cli/testing/call.ts';
import { run } from '../src/index.ts';
import { createProgress } from '../src/run/progress.ts';
import { createRng } from '../src/util/rng.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-after-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const cli = (...args: string[]) => callCli(work, args);

function table(n: number, seed: string): string {
  const rng = createRng(seed);
  const words = { card: ['card', 'chip', 'pin'], transfer: ['send', 'iban', 'payee'] };
  const lines = Array.from({ length: n }, (_, i) => {
    const label = i % 2 === 0 ? 'card' : 'transfer';
    // some rows say nothing about their class
    const word = rng.uniform() < 0.8 ? rng.pick(words[label]) : 'please';
    return `request ${rng.int(1e6)} ${word} ${rng.pick(['now', 'today'])},${label}`;
  });
  return `text,label\n${lines.join('\n')}\n`;
}

const recipe = {
  version: 1,
  task: 'classify',
  data: { train: 'train.csv', validation: 0, test: 'test.csv' },
  teacher: { kind: 'trained', architecture: 'bag', options: { width: 8, buckets: 64 }, train: { epochs: 4 } },
  student: { architecture: 'bag', options: { width: 4, ngrams: 1 } },
  method: 'kd',
  train: { epochs: 2, batchSize: 16, ema: 0.9 },
  evaluate: { bootstrap: 100, latency: { repeats: 2, batches: [1] } },
  export: { formats: ['fp32'] },
  seeds: [4, 5],
};

beforeAll(async () => {
  writeFileSync(join(work, 'train.csv'), table(120, 'train'));
  writeFileSync(join(work, 'test.csv'), table(60, 'test'));
  await run(recipe, {
    out: join(work, 'run'),
    baseDir: work,
    progress: createProgress({ mode: 'silent' }),
  });
  // as the command line does
  writeFileSync(join(work, 'run', 'base.json'), '{"baseDir": ".."}');
}, 120_000);

describe('decant eval', () => {
  it('gives the accuracy that the run reports, on its test rows and on the same file', async () => {
    const report = JSON.parse(readFileSync(join(work, 'run', 'report.json'), 'utf8'));
    const arm = report.arms.find((a: { id: string }) => a.id === 'distilled');
    for (const args of [
      ['eval', 'run'],
      ['eval', 'run/model', 'test.csv'],
    ]) {
      const { code, out, err } = await cli(...args, '--json');
      expect(code, err).toBe(0);
      const r = JSON.parse(out);
      expect(r).toMatchObject({ rows: 60, labelled: 60, putAside: 0 });
      // the run exports its first seed
      expect(r.values.accuracy.mean).toBeCloseTo(arm.values.accuracy.perSeed[0], 10);
      expect(r.values.nll.mean).toBeCloseTo(arm.values.nll.perSeed[0], 4);
      expect(r.values.accuracy.low).toBeLessThanOrEqual(r.values.accuracy.mean);
    }
    const text = await cli('eval', 'run');
    expect(text.out).toMatch(/Accuracy +\d+\.\d % +\d+\.\d % to/);
  });

  it('finds mapped columns, counts what it cannot use, and needs labels', async () => {
    const other = table(20, 'other').replace('text,label', 'body,queue').replaceAll(',card', ',loan');
    writeFileSync(join(work, 'other.csv'), other);
    const { code, out, err } = await cli('eval', 'run', 'other.csv', '-c', 'body', '-l', 'queue', '--json');
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ labelled: 10, putAside: 10 });
    expect(err).toMatch(/other\.csv:2: "loan" is not one of the 2 classes \(put aside\)/);
    const none = await cli('eval', 'run/model');
    expect(none.code).toBe(2);
    expect(none.err).toMatch(/name a data source/);
    const q8 = await cli('eval', 'run', '--dtype', 'q8');
    expect(q8.code).toBe(5);
    expect(q8.err).toMatch(/lacks the ONNX file/);
  });
});

describe('decant export', () => {
  it('writes the same weights again, other formats, and other seeds', async () => {
    const same = await cli('export', 'run', '--format', 'fp32,int8', '--json');
    expect(same.code, same.err).toBe(0);
    const { out, parity, seed } = JSON.parse(same.out);
    expect(seed).toBe(4);
    const weights = (folder: string): Buffer => readFileSync(join(folder, 'model.safetensors'));
    expect(weights(out).equals(weights(join(work, 'run', 'model')))).toBe(true);
    expect(parity.map((p: { file: string }) => p.file)).toEqual([
      'onnx/model.onnx',
      'onnx/model_quantized.onnx',
    ]);
    expect(parity[0].maxDifference).toBeLessThan(1e-4);
    const q8 = await cli('eval', out, 'test.csv', '--dtype', 'q8', '--json');
    expect(JSON.parse(q8.out).labelled).toBe(60);

    const second = await cli('export', 'run', '-f', 'fp32', '--seed', '5', '-o', 'second', '--json');
    expect(second.code, second.err).toBe(0);
    expect(weights(join(work, 'second')).equals(weights(out))).toBe(false);
    const report = JSON.parse(readFileSync(join(work, 'run', 'report.json'), 'utf8'));
    const arm = report.arms.find((a: { id: string }) => a.id === 'distilled');
    const measured = JSON.parse((await cli('eval', 'second', 'test.csv', '--json')).out);
    expect(measured.values.accuracy.mean).toBeCloseTo(arm.values.accuracy.perSeed[1], 10);
  });

  it('says what it cannot export', async () => {
    const check = async (args: string[], code: number, says: RegExp) => {
      const r = await cli('export', ...args);
      expect(r.err).toMatch(says);
      expect(r.code).toBe(code);
    };
    await check(['run', '-f', 'int3'], 2, /unknown format; seen: "int3"; allowed: fp32, int8/);
    await check(['run', '--seed', '9'], 2, /no checkpoint of this student.*allowed: seed 4, seed 5/);
    await check(['.'], 2, /no run in this folder/);
    await check(['run', '-o', 'run'], 2, /output folder is not empty/);
  });
});
