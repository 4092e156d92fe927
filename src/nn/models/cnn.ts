import { dimProduct, maxPool, relu, reshape, spec, sym } from '../../graph/index.ts';
import { conv2d, conv2dParams } from '../layers/conv.ts';
import { dropout } from '../layers/dropout.ts';
import { linear, linearParams } from '../layers/linear.ts';
import type { Model } from '../model.ts';
import { prefixed } from '../params.ts';
import type { ImageInputs, ImageOutputs } from './resnet.ts';

export interface CnnConfig {
  channels: number;
  imageSize: number;
  classes: number;
  /** Channels of each 3×3 convolution, each followed by a rectifier and 2×2 max pooling; default [16, 32]. */
  widths?: readonly number[];
  /** Width of the hidden linear layer; 0 for none. Default 64. */
  hidden?: number;
  dropout?: number;
}

/** A plain convolutional network (LeNet style): pixels `[batch, channels, size, size]` to logits `[batch, classes]`. */
export function cnn(c: CnnConfig): Model<ImageInputs, ImageOutputs> {
  const widths = c.widths ?? [16, 32];
  const hidden = c.hidden ?? 64;
  const side = widths.reduce((n) => Math.floor(n / 2), c.imageSize);
  const flat = widths[widths.length - 1] * side * side;
  return {
    architecture: 'Cnn',
    config: { architectures: ['Cnn'], model_type: 'cnn', ...c },
    params: {
      ...Object.assign(
        {},
        ...widths.map((w, i) =>
          prefixed(`conv.${i}`, conv2dParams(i === 0 ? c.channels : widths[i - 1], w, { bias: true })),
        ),
      ),
      ...(hidden > 0 ? prefixed('fc1', linearParams(flat, hidden)) : {}),
      ...prefixed('fc2', linearParams(hidden > 0 ? hidden : flat, c.classes)),
    },
    inputs: { pixel_values: spec([sym('batch'), c.channels, c.imageSize, c.imageSize]) },
    forward(s, { pixel_values }) {
      let x = pixel_values;
      for (let i = 0; i < widths.length; i++) {
        x = s.tap(maxPool(relu(conv2d(s.at(`conv.${i}`), x)), [2, 2], { strides: [2, 2] }), `features.${i}`);
      }
      let pooled = reshape(x, [x.shape[0], dimProduct(x.shape.slice(1))]);
      if (hidden > 0) pooled = relu(linear(s.at('fc1'), pooled));
      pooled = s.tap(dropout(s, pooled, c.dropout ?? 0), 'pooled');
      return { logits: linear(s.at('fc2'), pooled), pooled };
    },
  };
}
