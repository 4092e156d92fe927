import { z } from 'zod';
import { clip } from '../models/clip.ts';
import { cnn } from '../models/cnn.ts';
import { diffusionMlp, diffusionMlpDefaults } from '../models/diffusion-mlp.ts';
import { mlp } from '../models/mlp.ts';
import { resnet } from '../models/resnet.ts';
import { unet, unetDefaults } from '../models/unet.ts';
import { vit, vitDefaults } from '../models/vit.ts';
import { type Architecture, define, encoderOptions, need, positive, rate } from './define.ts';

const transformer = encoderOptions.extend({
  patch: positive
    .default(vitDefaults.patch_size)
    .describe('pixels per side of a patch; divides the image size'),
  dropout: rate.default(0).describe('dropout of hidden states'),
});

/** Models of images and feature vectors. */
export const visionModels: Readonly<Record<string, Architecture>> = {
  cnn: define({
    tasks: ['image-classify'],
    summary: 'plain convolutional network (LeNet style)',
    options: z.strictObject({
      widths: z.array(positive).min(1).default([16, 32]).describe('channels of each convolution'),
      hidden: z.int().nonnegative().default(64).describe('width of the hidden linear layer, 0 for none'),
      dropout: rate.default(0).describe('dropout before the last layer'),
    }),
    make: (o, info) =>
      cnn({
        ...o,
        channels: need(info, 'channels'),
        imageSize: need(info, 'imageSize'),
        classes: need(info, 'classes'),
      }),
  }),
  resnet: define({
    tasks: ['image-classify'],
    summary: 'residual network for small images, depth 6n + 2',
    options: z.strictObject({
      depth: positive.default(20).describe('8, 14, 20, 32, 44 or 56'),
      width: positive.default(16).describe('channels of the first stage'),
    }),
    make: (o, info) =>
      resnet({
        ...o,
        channels: need(info, 'channels'),
        imageSize: need(info, 'imageSize'),
        classes: need(info, 'classes'),
      }),
  }),
  mlp: define({
    tasks: ['classify', 'image-classify', 'node-classify'],
    summary: 'multi-layer perceptron on features or flattened pixels',
    options: z.strictObject({
      hidden: z.array(positive).default([64]).describe('widths of the hidden layers'),
      activation: z.enum(['relu', 'gelu', 'silu', 'tanh']).default('relu').describe('non-linearity'),
      dropout: rate.default(0).describe('dropout after each hidden layer'),
    }),
    make: (o, info) =>
      mlp({
        ...o,
        inputs: need(info, 'features'),
        outputs: need(info, 'classes'),
        ...(info.rowScale ? { rowScale: true } : {}),
      }),
  }),
  vit: define({
    tasks: ['image-classify'],
    summary: 'vision transformer on patches',
    options: transformer,
    make: (o, info) =>
      vit(
        {
          image_size: need(info, 'imageSize'),
          num_channels: need(info, 'channels'),
          patch_size: o.patch,
          num_hidden_layers: o.layers,
          hidden_size: o.hidden,
          num_attention_heads: o.heads,
          intermediate_size: o.intermediate ?? 4 * o.hidden,
          hidden_dropout_prob: o.dropout,
          attention_probs_dropout_prob: o.attentionDropout,
        },
        need(info, 'classes'),
      ),
  }),
  clip: define({
    tasks: ['image-text'],
    summary: 'two towers for images and texts, compared by cosine (CLIP)',
    options: transformer.omit({ dropout: true }).extend({
      projection: positive.default(128).describe('width of the shared embedding'),
    }),
    make: (o, info) => {
      const tower = {
        num_hidden_layers: o.layers,
        hidden_size: o.hidden,
        num_attention_heads: o.heads,
        intermediate_size: o.intermediate ?? 4 * o.hidden,
        attention_dropout: o.attentionDropout,
      };
      return clip({
        text_config: {
          ...tower,
          vocab_size: need(info, 'vocabSize'),
          max_position_embeddings: info.maxLength ?? 77,
          eos_token_id: need(info, 'eosId'),
        },
        vision_config: {
          ...tower,
          image_size: need(info, 'imageSize'),
          num_channels: need(info, 'channels'),
          patch_size: o.patch,
        },
        projection_dim: o.projection,
      });
    },
  }),
  'diffusion-mlp': define({
    tasks: ['diffuse'],
    summary: 'residual blocks that see time: a diffusion backbone for points',
    options: z.strictObject({
      hidden: positive.default(diffusionMlpDefaults.hidden).describe('width of a block'),
      blocks: positive.default(diffusionMlpDefaults.blocks).describe('residual blocks'),
      time: positive.multipleOf(2).default(diffusionMlpDefaults.time).describe('width of the time embedding'),
      conditional: z.boolean().default(false).describe('generation takes a class'),
    }),
    make: ({ conditional, ...o }, info) =>
      diffusionMlp({
        ...o,
        inputs: need(info, 'dimensions'),
        classes: conditional ? need(info, 'classes') : 0,
      }),
  }),
  unet: define({
    tasks: ['diffuse'],
    summary: 'small U-Net with time: a diffusion backbone for images',
    options: z.strictObject({
      widths: z
        .array(positive.multipleOf(2))
        .min(1)
        .default([32, 64])
        .describe('channels of each level; the size halves between levels'),
      layers: positive.default(unetDefaults.layers_per_block).describe('residual blocks per level'),
      groups: positive
        .default(unetDefaults.norm_num_groups)
        .describe('groups of group norm; divides every width'),
      attention: z
        .boolean()
        .default(true)
        .describe('self-attention between the pixels of the smallest level'),
      conditional: z.boolean().default(false).describe('generation takes a class'),
    }),
    make: (o, info) =>
      unet({
        sample_size: need(info, 'imageSize'),
        in_channels: need(info, 'channels'),
        out_channels: need(info, 'channels'),
        block_out_channels: o.widths,
        layers_per_block: o.layers,
        norm_num_groups: o.groups,
        mid_attention: o.attention,
        classes: o.conditional ? need(info, 'classes') : 0,
      }),
  }),
};
