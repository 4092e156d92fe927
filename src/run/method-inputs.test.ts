import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../index.ts';
import { createRng } from '../util/rng.ts';
import { readEvents } from './events.ts';
import { exportAgain } from './export-again.ts';
import { openPredictor } from './predict.ts';
import { createProgress } from './progress.ts';
import { writeTinyClassifier } from './testing/tiny-folders.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-prepared-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const THINGS = { card: ['card', 'chip', 'pin'], transfer: ['send', 'iban', 'payee'] };
function rows(n: number, seed: string): string {
  const rng = createRng(seed);
  return Array.from({ length: n }, (_, i) => {
    const label = i % 2 === 0 ? 'card' : 'transfer';
    const words = Array.from({ length: 3 }, () => rng.pick(['my', 'please', 'today', 'the', 'with', 'now']));
    return JSON.stringify({ text: `${words.join(' ')} ${rng.pick(THINGS[label])} ${rng.int(1e6)}`, label });
  }).join('\n');
}

const recipe = (extra: Record<string, unknown> = {}) => ({
  version: 1,
  task: 'classify',
  data: { train: 'train.jsonl', validation: 0, test: 'test.jsonl' },
  teacher: { kind: 'trained', architecture: 'bag', options: { width: 8, buckets: 64 }, train: { epochs: 4 } },
  student: { architecture: 'bag', options: { width: 4, ngrams: 1 } },
  method: { name: 'lelp', options: { subclasses: 3, alpha: 0.2 } },
  train: { epochs: 8, batchSize: 16, optimizer: { lr: 0.02 } },
  evaluate: { bootstrap: 100, latency: { repeats: 2, batches: [1] }, baselines: { linear: false } },
  export: { formats: ['fp32', 'int8'] },
  ...extra,
});
let count = 0;
const go = (extra: Record<string, unknown> = {}) =>
  run(recipe(extra), {
    out: join(work, `run-${count++}`),
    baseDir: work,
    progress: createProgress({ mode: 'silent' }),
  });

beforeAll(async () => {
  writeFileSync(join(work, 'train.jsonl'), `${rows(80, 'train')}\n`);
  writeFileSync(join(work, 'test.jsonl'), `${rows(40, 'test')}\n`);
  await writeTinyClassifier(join(work, 'folder'), ['transfer', 'card']);
});

describe('a method that prepares from activations of the teacher', () => {
  it('trains a wider head and exports a student of the classes', async () => {
    const { report, model, out } = await go();
    const prepared = readEvents(join(out, 'events.jsonl')).find((e) => e.kind === 'prepared');
    expect(prepared).toMatchObject({ method: 'lelp', explainedVariance: expect.any(Number) });
    // logits of all rows, activations of the training rows
    expect(readEvents(join(out, 'events.jsonl')).find((e) => e.kind === 'signals')).toMatchObject({
      asked: 200,
    });
    const parameters = (id: string) => report.arms.find((a) => a.id === id)!.parameters!;
    expect(parameters('distilled') - parameters('alone')).toBe(4 * 5);
    const student = await openPredictor(model.folder);
    expect(student.classes).toEqual(['card', 'transfer']);
    const logits = await student.logits([{ file: 'x', line: 1, text: 'my card' }]);
    await student.close();
    expect(logits.shape).toEqual([1, 2]);
    const config = JSON.parse(readFileSync(join(model.folder, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ num_labels: 2, subclasses: 3 });
    const again = await exportAgain(out, {
      formats: ['fp32'],
      keep: 'last',
      tolerance: 1e-4,
      out: join(work, 'again'),
      sample: [{ file: 'x', line: 1, text: 'my card' }],
    });
    expect(again.parity.length).toBeGreaterThan(0);
    const weights = (folder: string) => readFileSync(join(folder, 'model.safetensors'));
    expect(weights(join(work, 'again')).equals(weights(model.folder))).toBe(true);
  }, 60_000);

  it('takes a folder and an ONNX file as teacher, and a folder as the start of the student', async () => {
    const small = { train: { epochs: 1, batchSize: 16 }, export: { formats: ['fp32'] } };
    const student = { from: 'folder' };
    const a = await go({ teacher: { kind: 'folder', path: 'folder' }, student, ...small });
    const b = await go({ teacher: { kind: 'onnx', path: 'folder/onnx/model.onnx' }, ...small });
    for (const { model } of [a, b]) {
      const p = await openPredictor(model.folder);
      expect((await p.logits([{ file: 'x', line: 1, text: 'my card' }])).shape).toEqual([1, 2]);
      await p.close();
    }
  }, 60_000);

  it('refuses an ensemble, which has no embedding, before anything is trained', async () => {
    const teacher = { ...recipe().teacher, ensemble: 2 };
    await expect(go({ teacher })).rejects.toThrow(/lelp does not fit this pair.*logits and hidden/);
  }, 60_000);
});
