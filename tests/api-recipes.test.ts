import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { planRecipe } from '../src/cli/plan.ts';

const data = mkdtempSync(join(tmpdir(), 'decant-api-recipes-'));
afterAll(() => rmSync(data, { recursive: true, force: true }));

/** Sets of the same columns as the public ones, made up: what is planned is the recipe. */
beforeAll(() => {
  const topics = ['banking', 'travel', 'home'];
  const write = (set: string, file: string, n: number): void => {
    const rows = Array.from({ length: n }, (_, i) => {
      const domain = topics[i % 3];
      const intent = `${domain}_${i % 6}`;
      return {
        text: `request ${file} ${i * 7919} about ${intent}`,
        intent,
        label: i % 6,
        domain,
        small: true,
      };
    });
    writeFileSync(join(data, set, file), rows.map((r) => `${JSON.stringify(r)}\n`).join(''));
  };
  for (const set of ['clinc150', 'banking77']) {
    mkdirSync(join(data, set));
    for (const file of ['train', 'val', 'test', 'oos_train', 'oos_val', 'oos_test'])
      write(set, `${file}.jsonl`, file === 'train' ? 2400 : 650);
    const intents = Array.from({ length: 6 }, (_, i) => `${topics[i % 3]}_${i}`);
    writeFileSync(join(data, set, 'labels.json'), JSON.stringify(set === 'clinc150' ? { intents } : intents));
  }
});

const nowhere = { write: () => true };
it.each([
  ['banking77-api', { questions: true }],
  ['extraction', { questions: true }],
  ['answers-topk', { questions: true, pairing: /log-probabilities are learned/ }],
  ['embeddings', { questions: true }],
  ['judge-on-policy', { questions: true }],
  ['local/judge', {}],
  ['local/writer', {}],
  ['local/extractor', {}],
] as [string, { questions?: boolean; pairing?: RegExp }][])(
  '%s is planned, with what it would ask',
  async (name, { questions, pairing }) => {
    const io = {
      stdout: nowhere,
      stderr: nowhere,
      stdin: {},
      env: { DECANT_DATA: data },
      cwd: process.cwd(),
    };
    const plan = await planRecipe(
      `recipes/api/${name}.yaml`,
      { set: ['data.acceptChanged=true'] },
      io as never,
    );
    expect(plan.steps).toBeGreaterThan(10);
    if (questions) expect(plan.api![0].questions).toBeGreaterThan(0);
    if (pairing) expect(JSON.stringify(plan.pairing)).toMatch(pairing);
  },
);
