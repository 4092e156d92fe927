import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run } from '../../index.ts';
import { exportAgain } from '../export-again.ts';
import { openServedModel } from '../served-model.ts';
import { normalNoise } from './draw.ts';
import { runSampler } from './export.ts';
import { emptySource } from './fit.ts';

const out = mkdtempSync(join(tmpdir(), 'decant-diffuse-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const network = { architecture: 'diffusion-mlp', options: { hidden: 16, blocks: 1, time: 8 } };
const recipe = (method: unknown, more: object = {}) => ({
  version: 1,
  task: 'diffuse',
  data: { train: 'builtin:points', options: { shape: 'ring', train: 400, test: 100 } },
  teacher: { kind: 'trained', ...network, train: { steps: 12, batchSize: 32 } },
  student: network,
  method,
  train: { steps: 12, batchSize: 32, threads: 1 },
  diffusion: { steps: 8, few: [1], samples: 64 },
  evaluate: { latency: { repeats: 5 }, baselines: { withoutTeacher: false } },
  seeds: [1],
  ...more,
});

const rowsRead = (folder: string): number[] =>
  readFileSync(join(folder, 'events.jsonl'), 'utf8')
    .split('\n')
    .filter((l) => l.includes('"data-read"'))
    .map((l) => JSON.parse(l).rows as number);

describe('task diffuse', () => {
  it('distils without data, and exports the sampler as one graph from noise to rows of the data', async () => {
    const folder = join(out, 'boot');
    const { report, model } = await run(recipe('boot'), { out: folder });
    expect(rowsRead(folder)).toEqual([0]);
    expect(report.headline.sentence).toContain('read no row of the data');
    const student = report.arms.find((a) => a.role === 'distilled')!;
    expect(student.values.evaluations.mean).toBe(1);
    expect(report.arms.map((a) => a.id)).toEqual(['teacher', 'distilled', 'teacher-1', 'data']);
    expect(report.samples?.panels.map((p) => p.points?.length)).toEqual([64, 64, 64, 64]);
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('<h2>Samples</h2>');
    const noise = normalNoise(64, [2], 'measure');
    const drawn = await runSampler(join(model.folder, 'onnx/model.onnx'), noise);
    // the panel shows the same rows, in the units of the data
    const shown = report.samples!.panels[2].points!.flat();
    shown.forEach((v, i) => {
      expect(drawn[i]).toBeCloseTo(v, 3);
    });
    // no texts are read by it, and nothing can be asked of it that way
    await expect(openServedModel(model.folder)).rejects.toThrow('the folder holds a sampler');
    const again = {
      formats: ['fp32'],
      keep: 'last',
      tolerance: 1e-4,
      out: join(out, 'again'),
      sample: [],
    } as const;
    await expect(exportAgain(folder, again)).rejects.toThrow('exported by its run alone');
  });

  it('trains a method with rounds on rows, and counts them', async () => {
    const folder = join(out, 'progressive');
    const { report } = await run(recipe({ name: 'progressive', options: { from: 8, steps: 2 } }), {
      out: folder,
    });
    // 12 steps in two rounds of 6, of 32 rows each
    expect(rowsRead(folder)[0]).toBeGreaterThanOrEqual(12 * 32);
    expect(report.arms.find((a) => a.role === 'distilled')!.values.evaluations.mean).toBe(2);
  });

  it('gives data-free methods batches without any column of the data', async () => {
    expect(Object.keys(await emptySource(4).collate([0, 1]))).toEqual(['mask/examples', 'mask/labelled']);
  });

  it('refuses before anything is trained: networks of other tasks, noise predictions for boot', async () => {
    let tries = 0;
    const with_ = (more: object) => run(recipe('boot', more), { out: join(out, `refused-${tries++}`) });
    await expect(with_({ student: { architecture: 'mlp' } })).rejects.toThrow(/architecture/);
    await expect(with_({ student: { architecture: 'unet' } })).rejects.toThrow(/square images/);
    await expect(with_({ diffusion: { prediction: 'epsilon' } })).rejects.toThrow(/noisy end/);
  });
});
