import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { type NDArray, ndarray } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import { describeForm, signalExactness, signalForm, storedTopK } from './signal-form.ts';
import { openSignalStore, topKFromLogits } from './store/index.ts';
import { defineTeacher } from './teacher.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-form-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const settings = { format: 'auto', k: 8, dtype: 'float32' } as const;
const rng = createRng('form');
const logits = (rows: number, width: number): NDArray =>
  ndarray(
    Float32Array.from({ length: rows * width }, () => 3 * rng.normal()),
    [rows, width],
  );

it('chooses whole classes and top-k tokens by itself, and what it is told otherwise', () => {
  const words = (format: 'auto' | 'dense' | 'topk' | 'packed', width: number, of: 'classes' | 'tokens') =>
    describeForm(signalForm({ ...settings, format }, width, of));
  expect(words('auto', 77, 'classes')).toBe('whole, float32');
  expect(words('auto', 16, 'tokens')).toBe('whole, float32');
  expect(words('auto', 77, 'tokens')).toBe('top 8 and the rest, float32');
  expect(words('topk', 77, 'classes')).toBe('top 8 and the rest, float32');
  expect(words('packed', 77, 'classes')).toBe('top 8 and the rest, packed');
  expect(words('topk', 8, 'classes')).toBe('whole, float32');
  expect(describeForm(signalForm({ ...settings, format: 'dense', dtype: 'float16' }, 77, 'tokens'))).toBe(
    'whole, float16',
  );
});

it('says what each form costs and loses', () => {
  const x = logits(40, 77);
  const of = (change: Partial<Parameters<typeof signalForm>[0]>) =>
    signalExactness(x, signalForm({ ...settings, ...change }, 77, 'classes'));
  const dense = of({});
  expect(dense).toMatchObject({ maxDifference: 0, tail: 0, sameTop: 1 });
  expect(Math.abs(dense.kl)).toBeLessThan(1e-12);
  const half = of({ dtype: 'float16' });
  expect(half.maxDifference).toBeGreaterThan(0);
  expect(half.maxDifference).toBeLessThan(2e-3);
  expect(half.bytes).toBeLessThan(0.6 * half.denseBytes);
  const top = of({ format: 'topk' });
  expect(top.maxDifference).toBeLessThan(1e-7);
  expect(top.tail).toBeGreaterThan(0.01);
  expect(top.bytes).toBeLessThan(0.25 * top.denseBytes);
  const packed = of({ format: 'packed' });
  expect(packed.bytes).toBeLessThan(top.bytes);
  expect(packed.kl).toBeGreaterThan(top.kl);
  expect(packed.kl).toBeLessThan(1e-3);
});

it('gives the top k of every example, asked for once', async () => {
  const answers = new Map(['a', 'b', 'c'].map((t) => [t, logits(1, 20)]));
  let asked = 0;
  const teacher = defineTeacher({
    name: 't',
    id: 't',
    async logits(examples) {
      asked += examples.length;
      const rows = examples.map((e) => [...(answers.get(e.text!)!.data as Float32Array)]);
      return ndarray(Float32Array.from(rows.flat()), [examples.length, 20]);
    },
  });
  const store = openSignalStore(join(work, 's'), { write: true });
  const form = { topk: 4, encoding: {} };
  const shelf = store.shelf({ teacher: 't', signal: 'topk', settings: { k: 4 } });
  const examples = ['a', 'b', 'a', 'c'].map((text, i) => ({ file: 'f', line: i + 1, text }));
  const got = await storedTopK(teacher, shelf, examples, form, { batchSize: 2 });
  expect([asked, got.asked]).toEqual([3, 3]);
  const want = topKFromLogits(answers.get('a')!, 4);
  for (const row of [0, 2]) {
    expect([...(got.ids.data as Int32Array).slice(4 * row, 4 * row + 4)]).toEqual([...want.ids]);
    expect([...(got.logp.data as Float32Array).slice(4 * row, 4 * row + 4)]).toEqual([...want.logp]);
  }
  expect((await storedTopK(teacher, shelf, examples, form, { batchSize: 2 })).asked).toBe(0);
  expect(asked).toBe(3);
  await store.close();
});
