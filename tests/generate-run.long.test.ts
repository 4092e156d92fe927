import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from '@huggingface/transformers';
import { afterAll, describe, expect, it } from 'vitest';
import { methods } from '../src/methods/index.ts';
import { architectureCatalogue } from '../src/nn/catalogue.ts';
import { loadRecipe } from '../src/recipe/load.ts';
import { type RunResult, runRecipe } from '../src/run/run.ts';
import { createRng } from '../src/util/rng.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-generate-run-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

// sums of two digits: a small model learns them by heart, the response alone counts
const rng = createRng('sums');
const sum = () => {
  const [a, b] = [rng.int(10), rng.int(10)];
  return { prompt: `${a}+${b}=`, response: String(a + b) };
};
const file = (name: string, rows: object[]): void =>
  writeFileSync(join(work, name), rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
file('train.jsonl', Array.from({ length: 300 }, sum));
file('test.jsonl', Array.from({ length: 60 }, sum));
file(
  'texts.jsonl',
  Array.from({ length: 120 }, () => ({ text: 'abcabc'.slice(0, 2 + rng.int(5)) })),
);

const tokenizer = '{ kind: char, vocabSize: 40, lowercase: false }';
const recipe = (o: { data?: string; teacher?: string; student?: string; k?: number }): string => `version: 1
name: sums
task: generate
data:
${o.data ?? '  train: train.jsonl\n  test: test.jsonl\n  validation: 0'}
  duplicates: { exact: report, leaks: off, near: { action: off } }
teacher:
${
  o.teacher ??
  `  kind: trained
  architecture: gpt2
  options: { layers: 1, hidden: 32, heads: 2 }
  tokenizer: ${tokenizer}
  train: { steps: 250, batchSize: 32, optimizer: { lr: 1e-2 } }
  store: { k: ${o.k ?? 32} }`
}
student:
  architecture: llama
  options: { layers: 1, hidden: 16, heads: 2, intermediate: 16 }
  tokenizer: ${o.student ?? tokenizer}
method: { name: kd, options: { temperature: 1, alpha: 0 } }
train: { steps: 120, batchSize: 32, optimizer: { lr: 1e-2 } }
evaluate: { bootstrap: 200, examples: 4 }
`;

async function run(name: string, text: string): Promise<RunResult> {
  const path = join(work, `${name}.yaml`);
  writeFileSync(path, text);
  const loaded = await loadRecipe(path, {
    catalogue: { methods, architectures: architectureCatalogue },
  } as never);
  return runRecipe(loaded.recipe, loaded.hash, { out: join(work, name), baseDir: work });
}
const figure = (r: RunResult, arm: string, key: string): number =>
  r.report.arms.find((a) => a.id === arm)!.values[key].mean;

describe('task generate', () => {
  it('distils prompts with responses: figures, samples, files that transformers.js opens', async () => {
    const r = await run('first', recipe({}));
    // ignorant of the task, a response of digits costs log 10 per digit and more
    expect(figure(r, 'teacher', 'perplexity')).toBeLessThan(3);
    expect(figure(r, 'distilled', 'kl')).toBeLessThan(1);
    expect(figure(r, 'distilled', 'agreement')).toBeGreaterThan(0.3);
    expect(figure(r, 'distilled', 'nll')).toBeCloseTo(Math.log(figure(r, 'distilled', 'perplexity')), 6);
    expect(r.report.arms.map((a) => a.id)).toEqual(['teacher', 'distilled', 'alone']);
    expect(r.report.examples).toHaveLength(4);
    expect(r.report.examples[0].input).toMatch(/^\d\+\d=$/);
    expect(r.model.parity[0].maxDifference).toBeLessThan(1e-4);
    expect(r.askedOfTeacher).toBeGreaterThan(50);
    const write = await pipeline('text-generation', r.model.folder, { dtype: 'fp32' });
    const [first] = r.report.examples;
    const [written] = (await write([first.input], {
      max_new_tokens: 4,
      do_sample: false,
      return_full_text: false,
    } as never)) as unknown as { generated_text: string }[][];
    expect(written[0].generated_text.replace(/<eos>.*/, '')).toBe(first.student.text.slice(0, 4));

    // its student as a teacher from a folder, by top-k signals of the texts
    const teacher = `  kind: folder\n  path: ${r.model.folder}\n  store: { k: 4 }`;
    const again = await run('second', recipe({ teacher, student: `{ from: ${r.model.folder} }` }));
    expect(figure(again, 'teacher', 'perplexity')).toBeCloseTo(figure(r, 'distilled', 'perplexity'), 2);
    expect(figure(again, 'distilled', 'kl')).toBeLessThan(figure(r, 'distilled', 'kl') + 0.5);
    expect(readFileSync(join(again.out, 'report.html'), 'utf8')).toContain('Perplexity');

    // another vocabulary is refused
    await expect(run('third', recipe({ teacher }))).rejects.toThrow(/token|vocabular/i);
  }, 60_000);

  it('distils whole texts', async () => {
    const data = '  train: texts.jsonl\n  test: 0.2\n  validation: 0.1';
    const r = await run('texts', recipe({ data }));
    // only where it ends is open: less than a nat per token
    expect(figure(r, 'teacher', 'nll')).toBeLessThan(1);
    expect(figure(r, 'distilled', 'nll')).toBeLessThan(1.2);
    expect(r.report.curves.some((c) => c.split === 'validation' && c.term === 'perplexity')).toBe(true);
  }, 60_000);
});
