import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { heldSet } from '../data/example-set.ts';
import type { Example } from '../data/types.ts';
import { ndarray, toNumbers } from '../graph/index.ts';
import { run } from '../index.ts';
import { mlp } from '../nn/models/mlp.ts';
import { defineTeacher } from '../teachers/teacher.ts';
import { encodeFeatures } from '../train/encoded.ts';
import { createRng } from '../util/rng.ts';
import { createProgress } from './progress.ts';
import { openStreamedRows } from './streamed-rows.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-streamed-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

function rows(n: number, seed: string, labelled = true): string {
  const rng = createRng(seed);
  const lines = Array.from({ length: n }, (_, i) => {
    const label = i % 2 === 0 ? 'card' : 'transfer';
    const thing = rng.pick(i % 2 === 0 ? ['card', 'chip', 'pin'] : ['send', 'iban', 'payee']);
    const text = `${rng.pick(['my', 'please', 'today'])} ${thing} ${rng.pick(['with', 'now'])} ${rng.int(1e6)}`;
    return JSON.stringify(labelled ? { text, label } : { text });
  });
  return `${lines.join('\n')}\n`;
}
beforeAll(() => {
  writeFileSync(join(work, 'train.jsonl'), rows(120, 'train'));
  writeFileSync(join(work, 'pool.jsonl'), rows(60, 'pool', false));
  writeFileSync(join(work, 'test.jsonl'), rows(40, 'test'));
});

const recipe = (change: Record<string, unknown> = {}) => ({
  version: 1,
  name: 'streamed',
  task: 'classify',
  data: {
    train: 'train.jsonl',
    unlabeled: 'pool.jsonl',
    validation: 0,
    test: 'test.jsonl',
    streaming: { buffer: 32 },
  },
  teacher: { kind: 'trained', architecture: 'bag', options: { width: 8, buckets: 64 }, train: { epochs: 4 } },
  student: { architecture: 'bag', options: { width: 4, ngrams: 1 } },
  method: 'kd',
  train: { epochs: 2, batchSize: 16 },
  evaluate: { bootstrap: 100, latency: { repeats: 2, batches: [1] } },
  export: { formats: ['fp32'] },
  ...change,
});
const quiet = () => createProgress({ mode: 'silent' });
const weights = (folder: string): Buffer => readFileSync(join(folder, 'model.safetensors'));

it('trains from rows and signals on the disk, and goes on to the same bits after a stop', async () => {
  const whole = await run(recipe() as never, { out: join(work, 'whole'), baseDir: work, progress: quiet() });
  const { report } = whole;
  expect(report.warnings.join()).toMatch(/180 training rows were read from the disk in every epoch/);
  expect(report.arms.map((a) => a.id)).toEqual(['teacher', 'distilled', 'alone', 'linear']);
  expect(report.data.classes!.map((c) => c.count)).toEqual([60, 60]);
  expect(whole.askedOfTeacher).toBe(180 + 40);
  const streams = join(work, 'whole', 'signals', 'streams');
  expect(readdirSync(streams).length).toBe(2);
  let polls = 0;
  const out = join(work, 'parts');
  await expect(
    run(recipe() as never, { out, baseDir: work, progress: quiet(), stopRequested: () => ++polls > 45 }),
  ).rejects.toThrow(/stopped/);
  // a torn record at the end of what the teacher said is asked for again
  for (const f of readdirSync(join(out, 'signals', 'streams'))) {
    const path = join(out, 'signals', 'streams', f);
    truncateSync(path, Math.max(0, statSync(path).size - 5));
  }
  const resumed = await run(recipe() as never, { out, baseDir: work, progress: quiet(), resume: true });
  expect(weights(resumed.model.folder).equals(weights(whole.model.folder))).toBe(true);
}, 120_000);

it('gives every row once an epoch, with its own signal, the same from any update on', async () => {
  const examples: Example[] = Array.from({ length: 50 }, (_, i) => ({
    file: 'f',
    line: i + 1,
    features: Float32Array.from([i, 1]),
    label: i % 3 === 0 ? -1 : i % 2,
  }));
  const sets = [heldSet(examples.slice(0, 35)), heldSet(examples.slice(35))];
  const ctx = {
    recipe: { data: { streaming: { buffer: 8 }, steps: [] } },
    folder: { signals: join(work, 'unit') },
  } as never;
  const teacher = defineTeacher({
    name: 't',
    id: 't',
    logits: async (part) =>
      ndarray(Float32Array.from(part.flatMap((e) => [e.features![0], -1])), [part.length, 2]),
  });
  const streamed = await openStreamedRows(ctx, sets);
  expect([streamed.size, streamed.labelled, streamed.sample.length]).toEqual([50, 33, 50]);
  const asking = () => ({ batchSize: 7, done: () => {} });
  expect((await streamed.ask(teacher, { encoding: {} }, asking)).asked).toBe(50);
  expect((await streamed.ask(teacher, { encoding: {} }, asking)).asked).toBe(0);
  const model = mlp({ inputs: 2, hidden: [], outputs: 2 });
  const built = {
    model,
    encode: (e: readonly Example[]) => encodeFeatures(e, { mean: [0, 0], std: [1, 1] }),
  };
  const read = async (what: 'signals' | 'labels', from: number, updates: number): Promise<number[][]> => {
    const source = streamed.source(built, 0, what);
    const out: number[][] = [];
    for await (const numbers of source.stream!({ seed: 5, batchSize: 10, from })) {
      const batch = await source.collate(numbers);
      const ids = [...toNumbers(batch['input/features'])].filter((_, i) => i % 2 === 0);
      if (what === 'signals')
        expect([...toNumbers(batch['teacher/logits'])].filter((_, i) => i % 2 === 0)).toEqual(ids);
      out.push(ids);
      if (out.length === updates) break;
    }
    return out;
  };
  const ten = await read('signals', 0, 10);
  const sorted = (batches: number[][]) => batches.flat().sort((a, b) => a - b);
  expect(sorted(ten.slice(0, 5))).toEqual(examples.map((_, i) => i));
  expect(sorted(ten.slice(5))).toEqual(examples.map((_, i) => i));
  expect(ten.slice(5)).not.toEqual(ten.slice(0, 5));
  // both sets are in every part of the order
  for (const batch of ten.slice(0, 4)) expect(batch.some((i) => i >= 35)).toBe(true);
  expect(await read('signals', 7, 3)).toEqual(ten.slice(7));
  const labels = await read('labels', 0, 4);
  expect(labels.flat().every((i) => i % 3 !== 0)).toBe(true);
  expect(sorted([labels.flat().slice(0, 33)])).toEqual(examples.map((_, i) => i).filter((i) => i % 3 !== 0));
});
