import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run } from '../src/index.ts';
import { createProgress } from '../src/run/progress.ts';
import type { RunResult } from '../src/run/run.ts';
import { createRng } from '../src/util/rng.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-prefer-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

// the better response repeats the letter that the prompt ends with
const rng = createRng('prefer');
const prompt = () => `${rng.int(10)}${rng.int(10)}${rng.pick(['a', 'b', 'c'])}`;
const other = (c: string): string => rng.pick(['a', 'b', 'c'].filter((x) => x !== c));
const pair = () => {
  const p = prompt();
  return { prompt: p, chosen: `${p[2]}!`, rejected: `${other(p[2])}!` };
};
const list = () => {
  const p = prompt();
  const responses = rng.shuffle(['a', 'b', 'c'].slice(rng.int(2))).map((c) => `${c}!`);
  return { prompt: p, responses, scores: responses.map((r) => (r[0] === p[2] ? 1 : -1)) };
};
const single = () => {
  const p = prompt();
  const good = rng.uniform() < 0.5;
  return { prompt: p, response: `${good ? p[2] : other(p[2])}!`, good };
};
const file = (name: string, make: () => object): void => {
  for (const [split, n] of [
    ['train', 180],
    ['test', 60],
  ] as const)
    writeFileSync(
      join(work, `${name}-${split}.jsonl`),
      Array.from({ length: n }, () => `${JSON.stringify(make())}\n`).join(''),
    );
};
file('pairs', pair);
file('lists', list);
file('singles', single);

const recipe = (
  o: { data?: string; method?: object; prefer?: object; teacher?: object; steps?: number } = {},
) => ({
  version: 1,
  name: 'tiny',
  task: 'prefer',
  data: {
    train: `${o.data ?? 'pairs'}-train.jsonl`,
    test: `${o.data ?? 'pairs'}-test.jsonl`,
    validation: 0.1,
    duplicates: { exact: 'report', leaks: 'off', near: { action: 'off' } },
  },
  ...(o.teacher ? { teacher: o.teacher } : {}),
  student: {
    architecture: 'llama',
    options: { layers: 1, hidden: 16, heads: 2, intermediate: 16 },
    tokenizer: { kind: 'char', vocabSize: 40, lowercase: false },
  },
  method: o.method ?? { name: 'dpo' },
  prefer: { sft: { steps: 20, batchSize: 16 }, ...o.prefer },
  train: { steps: o.steps ?? 120, batchSize: 16, optimizer: { lr: 1e-2 }, threads: 1 },
  evaluate: { bootstrap: 100, examples: 2 },
  export: { formats: ['fp32'] },
});
let count = 0;
const go = (r: Record<string, unknown>): Promise<RunResult> =>
  run(r, { out: join(work, `run-${count++}`), baseDir: work, progress: createProgress({ mode: 'silent' }) });
const figure = (r: RunResult, arm: string, key: string): number =>
  r.report.arms.find((a) => a.id === arm)!.values[key].mean;

describe('task prefer', () => {
  it('learns from pairs what the better responses have, with figures, curves and a folder', async () => {
    const r = await go(recipe());
    expect(r.report.arms.map((a) => a.id)).toEqual(['distilled', 'reference', 'alone']);
    expect(figure(r, 'distilled', 'accuracy')).toBeGreaterThan(0.9);
    expect(figure(r, 'distilled', 'ranking')).toBeGreaterThan(0.8);
    expect(figure(r, 'distilled', 'margin')).toBeCloseTo(
      figure(r, 'distilled', 'chosenDrift') - figure(r, 'distilled', 'rejectedDrift'),
      6,
    );
    expect(figure(r, 'distilled', 'kl')).toBeGreaterThan(0.01);
    // the reference is where it was
    expect(figure(r, 'reference', 'accuracy')).toBe(0.5);
    expect(figure(r, 'reference', 'kl')).toBeCloseTo(0, 6);
    expect(figure(r, 'reference', 'chosenDrift')).toBeCloseTo(0, 5);
    expect(r.report.headline.sentence).toMatch(/prefers the better response in (9\d|100)/);
    expect(r.report.comparisons.map((c) => c.metric)).toEqual(['accuracy', 'accuracy']);
    const terms = new Set(r.report.curves.map((c) => `${c.arm}/${c.split}/${c.term}`));
    expect([...terms]).toEqual(
      expect.arrayContaining(['sft/train/ce', 'distilled/train/margin', 'distilled/validation/accuracy']),
    );
    expect(r.model.files.map((f) => f.path)).toContain('onnx/model.onnx');
    expect(r.model.parity[0].maxDifference).toBeLessThan(1e-4);
    expect(r.report.examples[0].versus).toBe('Reference');
    expect(readFileSync(join(r.out, 'report.html'), 'utf8')).toContain('Preference accuracy');
    // the reference was asked once about both responses of every training row
    expect(r.askedOfTeacher).toBeGreaterThan(150);
  }, 60_000);

  it('takes lists of different lengths, a teacher as target, and a moving reference', async () => {
    const teacher = {
      kind: 'trained',
      architecture: 'gpt2',
      options: { layers: 1, hidden: 24, heads: 2 },
      tokenizer: { kind: 'char', vocabSize: 40, lowercase: false },
      train: { steps: 80, batchSize: 16, optimizer: { lr: 1e-2 } },
    };
    const r = await go(
      recipe({
        data: 'lists',
        teacher,
        method: { name: 'adpo', options: { target: 'teacher', tau: 1 } },
        prefer: { reference: 'moving', decay: 0.9 },
      }),
    );
    expect(r.report.arms[0].id).toBe('teacher');
    expect(figure(r, 'teacher', 'ranking')).toBeGreaterThan(0.9);
    expect(figure(r, 'distilled', 'accuracy')).toBeGreaterThan(0.8);
  }, 60_000);

  it('takes single responses, with mismatched ones for the reference point of KTO', async () => {
    const r = await go(
      recipe({
        data: 'singles',
        method: { name: 'dpo', options: { loss: 'kto', beta: 0.5 } },
        prefer: { reference: 'moving', decay: 0.99 },
      }),
    );
    expect(figure(r, 'distilled', 'accuracy')).toBeGreaterThan(0.8);
    expect(figure(r, 'distilled', 'chosenDrift')).toBeGreaterThan(figure(r, 'distilled', 'rejectedDrift'));
  }, 60_000);

  it('says what does not fit before anything is trained', async () => {
    await expect(go(recipe({ method: { name: 'adpo', options: { target: 'teacher' } } }))).rejects.toThrow(
      /target is the teacher, and the recipe has none/,
    );
    await expect(go(recipe({ data: 'singles', method: { name: 'adpo' } }))).rejects.toThrow(
      /compares responses to one prompt/,
    );
    await expect(go(recipe({ prefer: { reference: 'teacher' } }))).rejects.toThrow(/there is none/);
    await expect(go({ ...recipe(), task: 'generate', method: 'kd' })).rejects.toThrow(/no preferences/);
  }, 60_000);
});
