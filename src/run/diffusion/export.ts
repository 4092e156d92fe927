import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { onnxPath } from '../../export/onnx-files.ts';
import { type ExportedFile, exportStudent } from '../../export/student.ts';
import { add, clip, constant, mul, type NDArray, ndarray, reshape, type Tensor } from '../../graph/index.ts';
import type { DiffusionSetting } from '../../losses/diffusion/setting.ts';
import type { AnyModel } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import type { Scope } from '../../nn/scope.ts';
import { DecantError } from '../../util/errors.ts';
import { diskFolder } from '../../util/node/disk-folder.ts';
import type { RunContext } from '../context.ts';
import type { ParityResult } from '../parity.ts';
import { drawSamples } from './draw.ts';
import type { SampleForm } from './samples.ts';

/** Rows that exported files are checked on. */
const SAMPLE = 64;

/** From noise to rows in the units of the data: features as they were, pixels from 0 to 1 `[batch, channels, height, width]`. */
export function finished(drawn: AnyModel, form: SampleForm): AnyModel {
  return {
    ...drawn,
    forward(s: Scope, inputs: { noise: Tensor }) {
      const { sample } = drawn.forward(s, inputs) as { sample: Tensor };
      if (form.kind === 'points') {
        const of = (values: readonly number[]): Tensor =>
          constant(ndarray(Float32Array.from(values), [1, values.length]));
        return { sample: add(mul(sample, of(form.scale!.std)), of(form.scale!.mean)) };
      }
      const [height, width, channels] = form.image!;
      const pixels = add(mul(clip(sample, -1, 1), 0.5), 0.5);
      return { sample: reshape(pixels, [sample.shape[0], channels, height, width]) };
    },
  };
}

/** Writes the sampler (noise in, samples out, one run) as a model folder, and checks its files against the student's own samples. */
export async function exportSampler(
  ctx: RunContext,
  student: { drawn: AnyModel; params: Params<NDArray>; form: SampleForm; setting: DiffusionSetting },
  about: Readonly<Record<string, string | number>>,
  noise: NDArray,
): Promise<{ files: ExportedFile[]; parity: ParityResult[] }> {
  const { form, setting, params } = student;
  const model = finished(student.drawn, form);
  const draft = `${ctx.folder.model}.draft`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  const { formats, tolerance } = ctx.recipe.export;
  const files = await exportStudent(diskFolder(draft), {
    model,
    params,
    outputs: ['sample'],
    formats,
    config: {
      diffusion: {
        schedule: setting.process.name,
        prediction_type: setting.prediction,
        t_min: setting.tMin,
        t_max: setting.tMax,
        ...about,
      },
      ...(form.scale ? { feature_mean: [...form.scale.mean], feature_std: [...form.scale.std] } : {}),
    },
  });
  const rows = Math.min(SAMPLE, noise.shape[0]);
  const width = noise.data.length / noise.shape[0];
  const given = ndarray((noise.data as Float32Array).slice(0, rows * width), [rows, ...setting.shape]);
  const own = (await drawSamples(ctx.engine, model, params, given)).data as Float32Array;
  const parity: ParityResult[] = [];
  for (const format of formats) {
    const path = onnxPath(format === 'fp32' ? 'fp32' : 'q8');
    const got = await runSampler(join(draft, path), given);
    let worst = 0;
    let largest = 1;
    own.forEach((x, i) => {
      worst = Math.max(worst, Math.abs(x - got[i]));
      largest = Math.max(largest, Math.abs(x));
    });
    if (format === 'fp32' && !(worst <= tolerance * largest))
      throw new DecantError('model', 'the exported sampler does not give the samples of the student', {
        at: join(draft, path),
        seen: `largest difference ${worst}`,
        allowed: `at most ${tolerance}, relative to the largest value`,
        fix: 'this is a bug of the exporter: please report it with the recipe',
      });
    parity.push({ file: path, maxDifference: worst, rows });
  }
  // the folder appears under its name only when its files give the student's own samples
  rmSync(ctx.folder.model, { recursive: true, force: true });
  renameSync(draft, ctx.folder.model);
  return { files, parity };
}

/** Runs an exported sampler as other programs would. */
export async function runSampler(path: string, noise: NDArray): Promise<Float32Array> {
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(readFileSync(path), { logSeverityLevel: 3 });
  try {
    const feeds = { noise: new ort.Tensor('float32', noise.data as Float32Array, [...noise.shape]) };
    return ((await session.run(feeds)).sample.data as Float32Array).slice();
  } finally {
    await session.release();
  }
}
