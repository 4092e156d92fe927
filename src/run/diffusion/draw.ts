import type { Engine } from '../../engine/engine.ts';
import { continuousSteps, ddim, ddpm, type Flat } from '../../generate/diffusion/index.ts';
import { type NDArray, ndarray, spec, sym, type Tensor } from '../../graph/index.ts';
import { type DiffusionSetting, TIME_SCALE } from '../../losses/diffusion/setting.ts';
import type { Method } from '../../methods/method.ts';
import { createInference } from '../../nn/inference.ts';
import type { AnyModel } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import type { Scope } from '../../nn/scope.ts';
import { createRng } from '../../util/rng.ts';

/** Rows that go through a network at a time. */
const BATCH = 1024;

/** Standard normal numbers `[count, ...shape]`; the same for the same seed. */
export function normalNoise(count: number, shape: readonly number[], seed: number | string): NDArray {
  const rng = createRng(`noise/${seed}`);
  const width = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    Float32Array.from({ length: count * width }, () => rng.normal()),
    [count, ...shape],
  );
}

/** A trained student as a model from noise to samples: what is measured, and what is exported. */
export function drawModel(
  method: Method,
  config: unknown,
  model: AnyModel,
  setting: DiffusionSetting,
): AnyModel {
  return {
    architecture: model.architecture,
    config: model.config,
    params: model.params,
    inputs: {
      noise: spec([sym('batch'), ...setting.shape]),
      ...(setting.classes > 0 ? { class_labels: spec([sym('batch')], 'int64') } : {}),
    },
    forward(s: Scope, { noise, class_labels }: { noise: Tensor; class_labels?: Tensor }) {
      const student = (inputs: Record<string, Tensor>) => model.forward(s, inputs) as Record<string, Tensor>;
      return {
        sample: method.calls!.draw({ student, noise, diffusion: setting, labels: class_labels }, config),
      };
    },
  };
}

/** The rows of an array from `from` on, at most {@link BATCH}. */
function part(a: NDArray, from: number): NDArray {
  const rows = Math.min(BATCH, a.shape[0] - from);
  const width = a.data.length / a.shape[0];
  const data = (a.data as Float32Array).slice(from * width, (from + rows) * width);
  return ndarray(data, [rows, ...a.shape.slice(1)], a.dtype);
}

/** A {@link drawModel} with weights, opened for drawing; one call of the graph per batch. */
export async function openDraw(
  engine: Engine,
  model: AnyModel,
  params: Params<NDArray>,
): Promise<{ draw(noise: NDArray, labels?: NDArray): Promise<NDArray>; dispose(): Promise<void> }> {
  const inference = createInference(engine, model, { outputs: ['sample'] });
  await inference.setParams(params);
  return {
    async draw(noise, labels) {
      const width = noise.data.length / noise.shape[0];
      const out = new Float32Array(noise.data.length);
      let shape: readonly number[] = noise.shape;
      for (let from = 0; from < noise.shape[0]; from += BATCH) {
        const given = { noise: part(noise, from), ...(labels ? { class_labels: part(labels, from) } : {}) };
        const { sample } = await inference.run(given);
        out.set(sample.data as Float32Array, from * width);
        shape = [noise.shape[0], ...sample.shape.slice(1)];
      }
      return ndarray(out, shape);
    },
    dispose: () => inference.dispose(),
  };
}

/** Samples of a {@link drawModel}. */
export async function drawSamples(
  engine: Engine,
  model: AnyModel,
  params: Params<NDArray>,
  noise: NDArray,
  labels?: NDArray,
): Promise<NDArray> {
  const opened = await openDraw(engine, model, params);
  try {
    return await opened.draw(noise, labels);
  } finally {
    await opened.dispose();
  }
}

export interface SamplerChoice {
  readonly steps: number;
  /** Default ddim, deterministic. */
  readonly sampler?: 'ddim' | 'ddpm';
  /** Weight of classifier-free guidance; default 1. */
  readonly guidance?: number;
  readonly seed?: number | string;
}

/** A diffusion model that is sampled step by step. */
export interface StepSampler {
  draw(noise: NDArray, choice: SamplerChoice, labels?: NDArray): Promise<NDArray>;
  dispose(): Promise<void>;
}

/** Opens a network for sampling by the samplers of `generate/diffusion`. */
export async function openSampler(
  engine: Engine,
  model: AnyModel,
  params: Params<NDArray>,
  setting: DiffusionSetting,
): Promise<StepSampler> {
  const inference = createInference(engine, model, { outputs: ['prediction'] });
  await inference.setParams(params);
  const one = async (
    x: Flat,
    shape: readonly number[],
    t: number,
    labels?: NDArray,
  ): Promise<Float32Array> => {
    const sample = ndarray(Float32Array.from(x), shape);
    const timestep = ndarray(new Float32Array(shape[0]).fill(t * TIME_SCALE), [shape[0]]);
    const given = { sample, timestep, ...(labels ? { class_labels: labels } : {}) };
    return (await inference.run(given)).prediction.data as Float32Array;
  };
  return {
    async draw(noise, { steps, sampler = 'ddim', guidance = 1, seed = 0 }, labels) {
      const out = new Float32Array(noise.data.length);
      const width = noise.data.length / noise.shape[0];
      const grid = continuousSteps(setting.process, steps, setting.tMax, setting.tMin);
      for (let from = 0; from < noise.shape[0]; from += BATCH) {
        const start = part(noise, from);
        const own = labels && part(labels, from);
        const none = own && ndarray(new Int32Array(start.shape[0]).fill(setting.classes), own.shape);
        const rng = createRng(`sampler/${seed}/${from}`);
        const x = await { ddim, ddpm }[sampler](Float64Array.from(start.data as Float32Array), {
          steps: grid,
          prediction: setting.prediction,
          predict: async (now, { timestep }) => {
            const given = await one(now, start.shape, timestep, own);
            if (!none || guidance === 1) return given;
            const plain = await one(now, start.shape, timestep, none);
            return given.map((v, i) => plain[i] + guidance * (v - plain[i]));
          },
          noise: () => Float64Array.from({ length: start.data.length }, () => rng.normal()),
        });
        out.set(x, from * width);
      }
      return ndarray(out, noise.shape);
    },
    dispose: () => inference.dispose(),
  };
}
