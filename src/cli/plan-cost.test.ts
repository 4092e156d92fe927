import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openPredictor } from '../run/predict.ts';
import { writeTinyClassifier } from '../run/testing/tiny-folders.ts';
import { callCli } from './testing/call.ts';

async function plan(recipe: Record<string, unknown>, cwd: string) {
  writeFileSync(join(cwd, 'recipe.yaml'), JSON.stringify(recipe));
  const json = await callCli(cwd, ['plan', 'recipe.yaml', '--json']);
  expect(json.code, json.err).toBe(0);
  const text = await callCli(cwd, ['plan', 'recipe.yaml']);
  return { cost: JSON.parse(json.out).cost, text: text.out };
}

const sizes = { train: 40, validation: 10, test: 20, unlabeled: 30, history: 50 };
const base = {
  version: 1,
  task: 'classify',
  data: {
    train: 'builtin:support-requests#train',
    test: 'builtin:support-requests#test',
    validation: 0,
    unlabeled: 'builtin:support-requests#unlabeled',
    options: sizes,
  },
  student: { architecture: 'bag', options: { width: 16, ngrams: 2, buckets: 2048 } },
  method: 'kd',
};

describe('what a run would cost', () => {
  it('counts parameters of both models and says how rough the time is', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'decant-plan-'));
    const teacher = {
      kind: 'trained',
      architecture: 'bert',
      options: { layers: 1, hidden: 32 },
      ensemble: 2,
    };
    const { cost, text } = await plan({ ...base, teacher }, cwd);
    // 4,096 words and 2,048 shared rows of width 16, a linear layer to 20 classes
    expect(cost.student.parameters).toBe((4096 + 2048) * 16 + 16 * 20 + 20);
    expect(cost.teacher.parameters).toBeGreaterThan(4096 * 32 + 12 * 32 * 32);
    expect(cost.teacherSteps).toBe(Math.ceil(40 / 32) * 10 * 2);
    expect(cost.seconds).toBeGreaterThan(0);
    expect(text).toMatch(/student at most 98,644 parameters, \d+\.\d % of the teacher/);
    expect(text).toMatch(/time +about .* a third to three times that/);
    // far more than the machine's speed, which each plan measures anew, can differ between two calls
    const more = await plan({ ...base, teacher, train: { epochs: 20_000 } }, cwd);
    expect(more.cost.seconds).toBeGreaterThan(3 * cost.seconds);
    rmSync(cwd, { recursive: true });
  });

  it('reads the size of a teacher folder from the shapes of its weights', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'decant-plan-'));
    await writeTinyClassifier(join(cwd, 'teacher'));
    const predictor = await openPredictor(join(cwd, 'teacher'));
    await predictor.close();
    const lines = Array.from({ length: 12 }, (_, i) => `row ${i},${predictor.classes[i % 3]}`);
    writeFileSync(join(cwd, 'rows.csv'), `text,label\n${lines.join('\n')}\n`);
    const { cost } = await plan(
      {
        ...base,
        data: { train: 'rows.csv', test: 3, validation: 0 },
        teacher: { kind: 'folder', path: 'teacher' },
      },
      cwd,
    );
    expect(cost.teacher).toMatchObject({ parameters: 200 * 8 + 64 * 8 + 8 * 3 + 3, atMost: false });
    expect(cost.teacherSteps).toBeUndefined();
    rmSync(cwd, { recursive: true });
  });

  it('counts what a ranker is trained on: rows per query, for the teacher those of its own queries', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'decant-plan-'));
    const train = { epochs: 2, batchSize: 10 };
    const { cost } = await plan(
      {
        version: 1,
        task: 'rank',
        data: {
          train: 'builtin:faq-search#train',
          teacher: 'builtin:faq-search#history',
          test: 'builtin:faq-search#test',
          validation: 0,
          options: { train: 20, history: 30, validation: 5, test: 10, queries: 0 },
          ranking: { lists: 5 },
        },
        teacher: { kind: 'trained', architecture: 'dual-bag', train },
        student: { architecture: 'dual-bag' },
        method: 'ranknet',
        train,
      },
      cwd,
    );
    expect(cost.teacherSteps).toBe(2 * Math.ceil((30 * 5) / 10));
    rmSync(cwd, { recursive: true });
  });
});
