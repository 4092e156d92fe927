import { add, globalAvgPool, relu, reshape, spec, sym, type Tensor } from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
import { batchNorm2d, batchNormParams, conv2d, conv2dParams } from '../layers/conv.ts';
import { linear, linearParams } from '../layers/linear.ts';
import type { Model } from '../model.ts';
import { type ParamSpecs, prefixed } from '../params.ts';
import type { Scope } from '../scope.ts';

export interface ImageInputs extends Record<string, Tensor | undefined> {
  /** `[batch, channels, height, width]`, already normalized */
  pixel_values: Tensor;
}

export interface ImageOutputs extends Record<string, Tensor | undefined> {
  /** `[batch, classes]` */
  logits: Tensor;
  /** `[batch, width]`: what the classifier reads */
  pooled: Tensor;
}

export interface ResnetConfig {
  /** 6n + 2: 8, 14, 20, 32, 44, 56. */
  depth: number;
  channels: number;
  imageSize: number;
  classes: number;
  /** Channels of the first stage; the others have twice and four times as many. Default 16. */
  width?: number;
}

/**
 * The residual network for small images of He et al. 2016, section 4.2: three stages of n basic blocks,
 * depth 6n + 2. Where the size changes, the shortcut is a 1×1 convolution (option B).
 */
export function resnet(c: ResnetConfig): Model<ImageInputs, ImageOutputs> {
  const blocks = (c.depth - 2) / 6;
  if (!Number.isInteger(blocks) || blocks < 1) {
    throw new DecantError('model', 'a small-image residual network has depth 6n + 2', {
      at: 'student.depth',
      seen: c.depth,
      allowed: '8, 14, 20, 26, 32, 38, 44, 50, 56',
    });
  }
  const base = c.width ?? 16;
  const widths = [base, 2 * base, 4 * base];
  const params: ParamSpecs = {
    ...prefixed('conv1', conv2dParams(c.channels, base)),
    ...prefixed('bn1', batchNormParams(base)),
  };
  const plan: { path: string; inputs: number; outputs: number; stride: number }[] = [];
  let inputs = base;
  widths.forEach((outputs, stage) => {
    for (let i = 0; i < blocks; i++) {
      plan.push({ path: `layer${stage + 1}.${i}`, inputs, outputs, stride: stage > 0 && i === 0 ? 2 : 1 });
      inputs = outputs;
    }
  });
  for (const b of plan) Object.assign(params, prefixed(b.path, blockParams(b.inputs, b.outputs, b.stride)));
  Object.assign(params, prefixed('fc', linearParams(inputs, c.classes)));
  return {
    architecture: 'SmallResNet',
    config: { architectures: ['SmallResNet'], model_type: 'small-resnet', ...c },
    params,
    inputs: { pixel_values: spec([sym('batch'), c.channels, c.imageSize, c.imageSize]) },
    forward(s, { pixel_values }) {
      let x = relu(batchNorm2d(s.at('bn1'), conv2d(s.at('conv1'), pixel_values)));
      for (const b of plan) x = block(s.at(b.path), x, b.stride);
      const pooled = s.tap(reshape(globalAvgPool(x), [x.shape[0], inputs]), 'pooled');
      return { logits: linear(s.at('fc'), pooled), pooled };
    },
  };
}

function blockParams(inputs: number, outputs: number, stride: number): ParamSpecs {
  return {
    ...prefixed('conv1', conv2dParams(inputs, outputs)),
    ...prefixed('bn1', batchNormParams(outputs)),
    ...prefixed('conv2', conv2dParams(outputs, outputs)),
    ...prefixed('bn2', batchNormParams(outputs)),
    ...(stride !== 1 || inputs !== outputs
      ? {
          ...prefixed('downsample.0', conv2dParams(inputs, outputs, { kernel: 1 })),
          ...prefixed('downsample.1', batchNormParams(outputs)),
        }
      : {}),
  };
}

function block(s: Scope, x: Tensor, stride: number): Tensor {
  const inner = relu(batchNorm2d(s.at('bn1'), conv2d(s.at('conv1'), x, { stride })));
  const y = batchNorm2d(s.at('bn2'), conv2d(s.at('conv2'), inner));
  const shortcut = s.has('downsample.0.weight')
    ? batchNorm2d(s.at('downsample.1'), conv2d(s.at('downsample.0'), x, { stride, padding: 0 }))
    : x;
  return s.tap(relu(add(y, shortcut)));
}
