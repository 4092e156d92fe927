import { add, silu, spec, sym, type Tensor, type TensorType } from '../../graph/index.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { layerNorm, layerNormParams } from '../layers/norm.ts';
import { timeEmbedding, timeEmbeddingParams } from '../layers/time.ts';
import type { Model } from '../model.ts';
import { prefixed, zerosInit } from '../params.ts';

export interface DiffusionInputs extends Record<string, Tensor | undefined> {
  /** The noisy sample, `[batch, ...]` */
  sample: Tensor;
  /** Its time: a step number or any real, float32 `[batch]` */
  timestep: Tensor;
  /** int32 `[batch]`; the number of classes itself stands for "no class" */
  class_labels?: Tensor;
}

export interface DiffusionOutputs extends Record<string, Tensor | undefined> {
  /** What the loss asks for (noise, velocity or the clean sample), of the sample's shape. */
  prediction: Tensor;
}

export const diffusionInputTypes = (
  shape: readonly number[],
  classes: number,
): Record<string, TensorType> => ({
  sample: spec([sym('batch'), ...shape]),
  timestep: spec([sym('batch')]),
  ...(classes > 0 ? { class_labels: spec([sym('batch')], 'int64') } : {}),
});

export interface DiffusionMlpConfig {
  /** Numbers in a sample. */
  inputs: number;
  hidden: number;
  /** Residual blocks. */
  blocks: number;
  /** Width of the time embedding. */
  time: number;
  classes: number;
}

export const diffusionMlpDefaults = { hidden: 128, blocks: 3, time: 64, classes: 0 };

/** Residual blocks that see time (and class): a diffusion backbone for points and other short vectors. */
export function diffusionMlp(
  config: Partial<DiffusionMlpConfig> & Pick<DiffusionMlpConfig, 'inputs'>,
): Model<DiffusionInputs, DiffusionOutputs> {
  const c: DiffusionMlpConfig = { ...diffusionMlpDefaults, ...config };
  const time = { features: c.time, width: c.time, classes: c.classes };
  const block = {
    ...prefixed('norm', layerNormParams(c.hidden)),
    ...prefixed('linear_1', linearParams(c.hidden, c.hidden)),
    ...prefixed('time_emb_proj', linearParams(c.time, c.hidden)),
    // each block starts as the identity
    ...prefixed('linear_2', linearParams(c.hidden, c.hidden, { init: zerosInit })),
  };
  return {
    architecture: 'DiffusionMlp',
    config: { architectures: ['DiffusionMlp'], model_type: 'diffusion-mlp', ...c },
    params: {
      ...timeEmbeddingParams(time),
      ...prefixed('proj_in', linearParams(c.inputs, c.hidden)),
      ...Object.assign({}, ...Array.from({ length: c.blocks }, (_, i) => prefixed(`blocks.${i}`, block))),
      ...prefixed('norm_out', layerNormParams(c.hidden)),
      ...prefixed('proj_out', linearParams(c.hidden, c.inputs)),
    },
    inputs: diffusionInputTypes([c.inputs], c.classes),
    forward(s, { sample, timestep, class_labels }) {
      const t = silu(timeEmbedding(s, time, timestep, class_labels));
      let x = linear(s.at('proj_in'), sample);
      for (let i = 0; i < c.blocks; i++) {
        const b = s.at(`blocks.${i}`);
        const inner = add(
          linear(b.at('linear_1'), layerNorm(b.at('norm'), x, 1e-5)),
          linear(b.at('time_emb_proj'), t),
        );
        x = b.tap(add(x, linear(b.at('linear_2'), silu(inner))));
      }
      return { prediction: linear(s.at('proj_out'), silu(layerNorm(s.at('norm_out'), x, 1e-5))) };
    },
  };
}
