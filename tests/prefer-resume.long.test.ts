import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { run } from '../src/index.ts';
import { createProgress } from '../src/run/progress.ts';
import { createRng } from '../src/util/rng.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-prefer-resume-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const rng = createRng('prefer-resume');
const rows = Array.from({ length: 120 }, () => {
  const [letter, other] = rng.shuffle(['a', 'b', 'c']);
  return { prompt: `${rng.int(10)}${letter}`, chosen: letter, rejected: other };
});
writeFileSync(join(work, 'pairs.jsonl'), rows.map((r) => `${JSON.stringify(r)}\n`).join(''));

const recipe = {
  version: 1,
  name: 'resume',
  task: 'prefer',
  data: { train: 'pairs.jsonl', test: 0.2, validation: 0.1, duplicates: { exact: 'report', leaks: 'off' } },
  student: {
    architecture: 'gpt2',
    options: { layers: 1, hidden: 16, heads: 2 },
    tokenizer: { kind: 'char', vocabSize: 40, lowercase: false },
  },
  // the shift of BCO lives on the host, the reference among the buffers: both must come back
  method: { name: 'dpo', options: { loss: 'bco' } },
  prefer: { reference: 'moving', decay: 0.9, sft: { steps: 30, batchSize: 16 } },
  train: { steps: 60, batchSize: 16, threads: 1 },
  evaluate: { bootstrap: 100, examples: 1 },
  export: { formats: ['fp32'] },
};
const go = (name: string, options: object = {}) =>
  run(recipe, {
    out: join(work, name),
    baseDir: work,
    progress: createProgress({ mode: 'silent' }),
    ...options,
  });
const student = (name: string): Buffer => readFileSync(join(work, name, 'model', 'model.safetensors'));

it('a run on preferences that is stopped again and again ends in the same bytes', async () => {
  await go('whole');
  let stops = 0;
  for (let patience = 7; stops < 12; patience += 11) {
    let asked = 0;
    try {
      await go('stopped', { resume: stops > 0, stopRequested: () => ++asked > patience });
      break;
    } catch (error) {
      expect((error as Error).message).toMatch(/stopped/);
      stops++;
    }
  }
  expect(stops).toBeGreaterThan(2);
  expect(student('stopped').equals(student('whole'))).toBe(true);
}, 600_000);
