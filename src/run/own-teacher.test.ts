import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { defineTeacher, graph, predict, run } from '../index.ts';
import { createRng } from '../util/rng.ts';

const dir = mkdtempSync(join(tmpdir(), 'decant-own-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const rng = createRng('own teacher');
const fillers = ['please', 'today', 'my order', 'the app', 'hello', 'again', 'from last week', 'thank you'];
const isRefund = (text: string): boolean => /money|charged/.test(text);
const text = (): string =>
  [
    rng.pick(fillers),
    rng.pick(['send my money back', 'I was charged twice', 'where is it', 'how do I log in']),
    rng.pick(fillers),
  ].join(' ');
const file = (name: string, rows: number, labelled: boolean): string => {
  const path = join(dir, name);
  const lines = Array.from({ length: rows }, () => {
    const t = `${text()} ${rng.int(1000)}`;
    return JSON.stringify(labelled ? { text: t, label: isRefund(t) ? 'refund' : 'other' } : { text: t });
  });
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
};

const asked: string[] = [];
const teacher = (classes: string[]) =>
  defineTeacher({
    name: 'a rule',
    id: `rule:${classes}`,
    classes,
    logits: async (examples) => {
      asked.push(...examples.map((e) => e.text!));
      return graph.array(
        examples.map((e) => classes.map((c) => ((c === 'refund') === isRefund(e.text!) ? 3 : -3))),
      );
    },
  });

const recipe = {
  version: 1,
  name: 'own',
  task: 'classify',
  data: {
    train: file('train.jsonl', 60, true),
    test: file('test.jsonl', 80, true),
    unlabeled: file('pool.jsonl', 200, false),
    validation: 0.1,
    duplicates: { near: { action: 'off' }, leaks: 'off' },
  },
  teacher: { kind: 'custom' },
  student: { architecture: 'bag', options: { width: 8, buckets: 64 } },
  method: { name: 'kd', options: { temperature: 1 } },
  train: { epochs: 12, batchSize: 16, optimizer: { lr: 0.02 } },
  evaluate: { bootstrap: 100, latency: { repeats: 2 } },
};

it('distils a teacher of the caller into a student that follows it', async () => {
  // its classes stand in another order than the data's
  const { report, model } = await run(recipe, {
    out: join(dir, 'run'),
    teacher: teacher(['refund', 'other']),
  });
  const student = report.arms.find((a) => a.role === 'distilled')!;
  expect(student.values.agreement.mean).toBeGreaterThan(0.97);
  expect(new Set(asked).size).toBe(asked.length);
  const answers = await predict(model.folder, ['hello I was charged twice today', 'please where is it']);
  expect(answers.map((a) => a.label)).toEqual(['refund', 'other']);
});

it('refuses a teacher that does not know the classes, before it is asked', async () => {
  asked.length = 0;
  await expect(run(recipe, { out: join(dir, 'wrong'), teacher: teacher(['spam', 'ham']) })).rejects.toThrow(
    /does not know/,
  );
  expect(asked).toEqual([]);
});
