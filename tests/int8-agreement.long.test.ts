import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { prepareData } from '../src/data/prepare.ts';
import { dataDefaults } from '../src/data/spec.ts';
import { argmaxRows } from '../src/evaluate/matrix.ts';
import { run } from '../src/index.ts';
import { openPredictor } from '../src/run/predict.ts';
import { createProgress } from '../src/run/progress.ts';

const work = mkdtempSync(join(tmpdir(), 'decant-int8-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

it('the int8 file of a trained transformer names the same class for 99 % of its test set', async () => {
  const source = 'builtin:support-requests';
  const { model, report } = await run(
    {
      version: 1,
      task: 'classify',
      data: { train: { source, limit: 2400 }, validation: 0 },
      teacher: {
        kind: 'trained',
        architecture: 'bag',
        options: { width: 32, buckets: 1024 },
        train: { epochs: 6, batchSize: 64, optimizer: { lr: 5e-3 } },
      },
      student: { architecture: 'bert', options: { layers: 1, hidden: 48, heads: 2 }, maxLength: 24 },
      method: 'kd',
      train: { steps: 400, batchSize: 32, optimizer: { lr: 3e-3 } },
      evaluate: {
        bootstrap: 100,
        baselines: { withoutTeacher: false, linear: false },
        latency: { repeats: 1, batches: [1] },
      },
      export: { formats: ['fp32', 'int8'] },
    } as never,
    { out: join(work, 'run'), baseDir: work, progress: createProgress({ mode: 'silent' }) },
  );
  const spec = { ...structuredClone(dataDefaults), train: { source } } as never;
  const { splits } = await prepareData(spec, { task: 'classify', baseDir: work });
  const test = splits.test!.items!;
  const chosen = async (dtype: 'fp32' | 'q8'): Promise<Int32Array> => {
    const student = await openPredictor(model.folder, { dtype });
    const logits = await student.logits(test);
    await student.close();
    return argmaxRows(logits);
  };
  const [fp32, q8] = [await chosen('fp32'), await chosen('q8')];
  // it has learned something, so that there are classes to confuse
  expect(report.arms.find((a) => a.id === 'distilled')!.values.accuracy.mean).toBeGreaterThan(0.3);
  expect(test.length).toBeGreaterThan(500);
  const same = fp32.filter((c, i) => c === q8[i]).length / test.length;
  expect(same).toBeGreaterThanOrEqual(0.99);
}, 120_000);
