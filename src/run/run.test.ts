import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../index.ts';
import { createRng } from '../util/rng.ts';
import { openPredictor } from './predict.ts';
import { createProgress } from './progress.ts';
import { writeTinyClassifier } from './testing/tiny-folders.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-run-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const THINGS = { card: ['card', 'chip', 'pin'], transfer: ['send', 'iban', 'payee'] };
/** Short requests of two classes; `labelled` says which rows keep their label. */
function rows(n: number, seed: string, labelled: (i: number) => boolean): string {
  const rng = createRng(seed);
  return Array.from({ length: n }, (_, i) => {
    const label = i % 2 === 0 ? 'card' : 'transfer';
    const words = Array.from({ length: 4 }, () => rng.pick(['my', 'please', 'today', 'the', 'with', 'now']));
    const text = `${words.join(' ')} ${rng.pick(THINGS[label])} ${rng.int(1e6)}`;
    return JSON.stringify(labelled(i) ? { text, label } : { text });
  }).join('\n');
}

const quiet = () => createProgress({ mode: 'silent' });
const recipe = (extra: Record<string, unknown> = {}, data: Record<string, unknown> = {}) => ({
  version: 1,
  name: 'tiny',
  task: 'classify',
  data: { train: 'train.jsonl', validation: 0, test: 'test.jsonl', ...data },
  teacher: { kind: 'trained', architecture: 'bag', options: { width: 8, buckets: 64 }, train: { epochs: 4 } },
  student: { architecture: 'bag', options: { width: 4, ngrams: 1 } },
  method: 'kd',
  train: { epochs: 2, batchSize: 16 },
  evaluate: { bootstrap: 100, latency: { repeats: 2, batches: [1] } },
  export: { formats: ['fp32'] },
  ...extra,
});
let count = 0;
const go = (r: Record<string, unknown>) =>
  run(r, { out: join(work, `run-${count++}`), baseDir: work, progress: quiet() });

beforeAll(() => {
  writeFileSync(join(work, 'train.jsonl'), `${rows(80, 'train', () => true)}\n`);
  writeFileSync(join(work, 'test.jsonl'), `${rows(40, 'test', () => true)}\n`);
  writeFileSync(join(work, 'bare.jsonl'), `${rows(40, 'test', () => false)}\n`);
  writeFileSync(join(work, 'some.jsonl'), `${rows(40, 'test', (i) => i < 10)}\n`);
});

describe('a run', () => {
  it('measures agreement and says that accuracy is unknown when no test row carries a label', async () => {
    const { report, out } = await go(recipe({}, { test: 'bare.jsonl' }));
    expect(report.gold).toEqual({ kind: 'none' });
    expect(report.metric).toBe('agreement');
    expect(report.headline.sentence).toMatch(/no gold labels.*unknown/);
    expect(report.warnings.join()).toMatch(/accuracy is unknown/);
    for (const arm of report.arms) expect(arm.values.accuracy).toBeUndefined();
    const agreement = report.arms.find((a) => a.id === 'distilled')!.values.agreement.mean;
    expect(agreement).toBeGreaterThanOrEqual(0);
    expect(agreement).toBeLessThanOrEqual(1);
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('accuracy is unknown');
    expect(existsSync(join(out, 'rows-put-aside.jsonl'))).toBe(false);
  }, 60_000);

  it('measures accuracy on the labelled sample alone when some test rows carry labels', async () => {
    const { report, model } = await go(recipe({}, { test: 'some.jsonl' }));
    expect(report.gold).toEqual({ kind: 'sample', size: 10 });
    expect(report.warnings.join()).toMatch(/10 labelled rows of 40/);
    const { mean } = report.arms.find((a) => a.id === 'distilled')!.values.accuracy;
    // counted by hand from the exported student
    const lines = readFileSync(join(work, 'some.jsonl'), 'utf8')
      .split('\n')
      .slice(0, 10)
      .map((l) => JSON.parse(l) as { text: string; label: string });
    const student = await openPredictor(model.folder);
    const said = await student.predict(lines.map((l) => l.text));
    await student.close();
    expect(mean).toBeCloseTo(said.filter((p, i) => p.label === lines[i].label).length / 10, 10);
  }, 60_000);

  it('writes rows that it puts aside, with their lines and reasons', async () => {
    const text = `${rows(60, 'aside', () => true)}\n{"text": \n{"text": "", "label": "card"}\n`;
    writeFileSync(join(work, 'dirty.jsonl'), text);
    const { out } = await go(recipe({}, { train: 'dirty.jsonl' }));
    const aside = readFileSync(join(out, 'rows-put-aside.jsonl'), 'utf8').trim().split('\n');
    expect(aside.map((l) => JSON.parse(l)).map(({ kind, line, split }) => [kind, line, split])).toEqual([
      ['parse', 61, 'train'],
      ['empty', 62, 'train'],
    ]);
  }, 60_000);

  it('checks the pair before anything is trained', async () => {
    await writeTinyClassifier(join(work, 'other'), ['card', 'loan']);
    const r = recipe({ teacher: { kind: 'folder', path: 'other' } });
    await expect(go(r)).rejects.toThrow(/kd does not fit this pair: the teacher does not know 1 of/);
  });

  it('takes classes in another order from a teacher folder', async () => {
    await writeTinyClassifier(join(work, 'turned'), ['transfer', 'card']);
    const { report, model } = await go(recipe({ teacher: { kind: 'folder', path: 'turned' } }));
    const student = await openPredictor(model.folder);
    expect(student.classes).toEqual(['card', 'transfer']);
    await student.close();
    // the report's teacher accuracy is that of the folder itself
    const lines = readFileSync(join(work, 'test.jsonl'), 'utf8').trim().split('\n');
    const test = lines.map((l) => JSON.parse(l) as { text: string; label: string });
    const teacher = await openPredictor(join(work, 'turned'));
    const said = await teacher.predict(test.map((t) => t.text));
    await teacher.close();
    const accuracy = said.filter((p, i) => p.label === test[i].label).length / test.length;
    expect(report.arms.find((a) => a.id === 'teacher')!.values.accuracy.mean).toBeCloseTo(accuracy, 10);
  }, 60_000);
});
