import {
  add,
  broadcastTo,
  concat,
  dimMul,
  dimProduct,
  expandDims,
  groupNorm as groupNormOp,
  reshape,
  silu,
  type Tensor,
  transpose,
} from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
import { attend } from '../layers/attention.ts';
import { conv2d, conv2dParams } from '../layers/conv.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { timeEmbedding, timeEmbeddingParams } from '../layers/time.ts';
import type { Model } from '../model.ts';
import { fanInInit, onesInit, type ParamSpecs, prefixed, zerosInit } from '../params.ts';
import type { Scope } from '../scope.ts';
import { type DiffusionInputs, type DiffusionOutputs, diffusionInputTypes } from './diffusion-mlp.ts';

export interface UnetConfig {
  /** Pixels per side; divisible by 2 for each level but the last. */
  sample_size: number;
  in_channels: number;
  out_channels: number;
  /** Channels of each level; the size halves from one to the next. */
  block_out_channels: readonly number[];
  layers_per_block: number;
  norm_num_groups: number;
  /** Self-attention between the pixels of the smallest level. */
  mid_attention: boolean;
  classes: number;
}

export const unetDefaults: UnetConfig = {
  sample_size: 32,
  in_channels: 3,
  out_channels: 3,
  block_out_channels: [32, 64],
  layers_per_block: 1,
  norm_num_groups: 8,
  mid_attention: true,
  classes: 0,
};

const EPS = 1e-5;

const norm = (channels: number): ParamSpecs => ({
  weight: { shape: [channels], init: onesInit },
  bias: { shape: [channels], init: zerosInit },
});
const convolution = (i: number, o: number, kernel = 3, init = fanInInit): ParamSpecs =>
  conv2dParams(i, o, { kernel, bias: true, init });

/** One step of the walk through the levels, in order; what it is and which channels it maps. */
type Step =
  | { kind: 'resnet'; path: string; inputs: number; outputs: number; joins: boolean; saves: boolean }
  | { kind: 'down' | 'up' | 'attention'; path: string; channels: number };

function walk(c: UnetConfig): Step[] {
  const widths = c.block_out_channels;
  const steps: Step[] = [];
  const saved = [widths[0]];
  let now = widths[0];
  const resnet = (path: string, outputs: number, joins: boolean, saves: boolean): void => {
    steps.push({ kind: 'resnet', path, inputs: joins ? now + saved.pop()! : now, outputs, joins, saves });
    now = outputs;
    if (saves) saved.push(now);
  };
  widths.forEach((w, i) => {
    for (let j = 0; j < c.layers_per_block; j++) resnet(`down_blocks.${i}.resnets.${j}`, w, false, true);
    if (i === widths.length - 1) return;
    steps.push({ kind: 'down', path: `down_blocks.${i}.downsamplers.0.conv`, channels: w });
    saved.push(w);
  });
  resnet('mid_block.resnets.0', now, false, false);
  if (c.mid_attention) steps.push({ kind: 'attention', path: 'mid_block.attentions.0', channels: now });
  resnet('mid_block.resnets.1', now, false, false);
  [...widths].reverse().forEach((w, i) => {
    for (let j = 0; j <= c.layers_per_block; j++) resnet(`up_blocks.${i}.resnets.${j}`, w, true, false);
    if (i < widths.length - 1)
      steps.push({ kind: 'up', path: `up_blocks.${i}.upsamplers.0.conv`, channels: w });
  });
  return steps;
}

function stepParams(step: Step, time: number): ParamSpecs {
  if (step.kind === 'resnet') {
    const { inputs, outputs } = step;
    return {
      ...prefixed('norm1', norm(inputs)),
      ...prefixed('conv1', convolution(inputs, outputs)),
      ...prefixed('time_emb_proj', linearParams(time, outputs)),
      ...prefixed('norm2', norm(outputs)),
      // a block starts as its shortcut
      ...prefixed('conv2', convolution(outputs, outputs, 3, zerosInit)),
      ...(inputs === outputs ? {} : prefixed('conv_shortcut', convolution(inputs, outputs, 1))),
    };
  }
  if (step.kind !== 'attention') return convolution(step.channels, step.channels);
  const dense = linearParams(step.channels, step.channels);
  return {
    ...prefixed('group_norm', norm(step.channels)),
    ...prefixed('to_q', dense),
    ...prefixed('to_k', dense),
    ...prefixed('to_v', dense),
    ...prefixed('to_out.0', linearParams(step.channels, step.channels, { init: zerosInit })),
  };
}

/**
 * A U-Net for diffusion on small images (Ronneberger et al. 2015; Ho et al. 2020, appendix B): residual blocks with
 * group norm, SiLU and time, halved and doubled sizes, skips in between. Parameter names of diffusers' `UNet2DModel`.
 */
export function unet(config: Partial<UnetConfig>): Model<DiffusionInputs, DiffusionOutputs> {
  const c: UnetConfig = { ...unetDefaults, ...config };
  const first = c.block_out_channels[0];
  const least = 2 ** (c.block_out_channels.length - 1);
  const odd = c.block_out_channels.find((w) => w % c.norm_num_groups !== 0);
  if (c.sample_size % least !== 0 || odd !== undefined) {
    throw new DecantError('model', 'the levels of the U-Net do not fit', {
      at: odd === undefined ? 'sample_size' : 'block_out_channels',
      seen: odd ?? c.sample_size,
      allowed:
        odd === undefined ? `multiples of ${least}` : `multiples of ${c.norm_num_groups} (norm_num_groups)`,
    });
  }
  const time = { features: first, width: 4 * first, classes: c.classes };
  const steps = walk(c);
  return {
    architecture: 'UNet2DModel',
    config: { architectures: ['UNet2DModel'], model_type: 'unet-2d', ...c },
    params: {
      ...prefixed('conv_in', convolution(c.in_channels, first)),
      ...timeEmbeddingParams(time),
      ...Object.assign({}, ...steps.map((step) => prefixed(step.path, stepParams(step, time.width)))),
      ...prefixed('conv_norm_out', norm(first)),
      ...prefixed('conv_out', convolution(first, c.out_channels)),
    },
    inputs: diffusionInputTypes([c.in_channels, c.sample_size, c.sample_size], c.classes),
    forward(s, { sample, timestep, class_labels }) {
      const t = silu(timeEmbedding(s, time, timestep, class_labels));
      const groups = c.norm_num_groups;
      let x = conv2d(s.at('conv_in'), sample);
      const saved = [x];
      for (const step of steps) {
        const b = s.at(step.path);
        if (step.kind === 'resnet') {
          x = resnetBlock(b, step.joins ? concat([x, saved.pop()!], 1) : x, t, groups);
          if (step.saves) saved.push(x);
        } else if (step.kind === 'attention') x = pixelAttention(b, x, groups);
        else if (step.kind === 'up') x = conv2d(b, doubled(x));
        else saved.push((x = conv2d(b, x, { stride: 2 })));
      }
      return { prediction: conv2d(s.at('conv_out'), silu(groupNorm(s.at('conv_norm_out'), x, groups))) };
    },
  };
}

const groupNorm = (s: Scope, x: Tensor, groups: number): Tensor =>
  s.tap(groupNormOp(x, groups, s.param('weight'), s.param('bias'), { eps: EPS }));

function resnetBlock(s: Scope, x: Tensor, t: Tensor, groups: number): Tensor {
  const h = conv2d(s.at('conv1'), silu(groupNorm(s.at('norm1'), x, groups)));
  const timed = add(h, expandDims(linear(s.at('time_emb_proj'), t), [2, 3]));
  const y = conv2d(s.at('conv2'), silu(groupNorm(s.at('norm2'), timed, groups)));
  const shortcut = s.has('conv_shortcut.weight') ? conv2d(s.at('conv_shortcut'), x, { padding: 0 }) : x;
  return s.tap(add(shortcut, y));
}

/** One head of self-attention over pixels, added to its input. */
function pixelAttention(s: Scope, x: Tensor, groups: number): Tensor {
  const [batch, channels, ...space] = x.shape;
  const pixels = dimProduct(space);
  const rows = transpose(
    reshape(groupNorm(s.at('group_norm'), x, groups), [batch, channels, pixels]),
    [0, 2, 1],
  );
  const one = (name: string): Tensor => expandDims(linear(s.at(name), rows), 1);
  const out = reshape(attend({ q: one('to_q'), k: one('to_k'), v: one('to_v') }), [batch, pixels, channels]);
  return s.tap(add(x, reshape(transpose(linear(s.at('to_out.0'), out), [0, 2, 1]), x.shape)));
}

/** Every pixel four times: nearest-neighbour enlargement by 2. */
function doubled(x: Tensor): Tensor {
  const [batch, channels, height, width] = x.shape;
  const wide = broadcastTo(expandDims(x, [3, 5]), [batch, channels, height, 2, width, 2]);
  return reshape(wide, [batch, channels, dimMul(height, 2), dimMul(width, 2)]);
}
