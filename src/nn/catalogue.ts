import { z } from 'zod';
import { DecantError } from '../util/errors.ts';
import type { AnyModel } from './model.ts';
import { bagClassifier, bagDefaults } from './models/bag.ts';
import { bertClassifier, bertDefaults } from './models/bert.ts';
import { cnn } from './models/cnn.ts';
import { distilbertClassifier, distilbertDefaults } from './models/distilbert.ts';
import { gpt2, gpt2Defaults } from './models/gpt2.ts';
import { type DecoderModel, llama, llamaDefaults } from './models/llama.ts';
import { mlp } from './models/mlp.ts';
import { resnet } from './models/resnet.ts';

/** What the data says about a model to be made. */
export interface ModelInfo {
  readonly classes?: number;
  readonly vocabSize?: number;
  readonly maxLength?: number;
  readonly padId?: number;
  readonly imageSize?: number;
  readonly channels?: number;
  readonly features?: number;
}

export interface Architecture {
  readonly tasks: readonly string[];
  readonly summary: string;
  /** Schema of the sizes that a recipe may set; the rest follows from the data. */
  readonly options: z.ZodType;
  make(options: never, info: ModelInfo): AnyModel | DecoderModel;
}

const define = <O>(a: {
  tasks: readonly string[];
  summary: string;
  options: z.ZodType<O>;
  make(options: O, info: ModelInfo): AnyModel | DecoderModel;
}): Architecture => a as unknown as Architecture;

const positive = z.int().positive();
const rate = z.number().min(0).lt(1);
const need = <K extends keyof ModelInfo>(info: ModelInfo, key: K): number => {
  const v = info[key];
  if (v === undefined)
    throw new DecantError('internal', `the data did not give '${key}', which the model needs`);
  return v;
};
const textInfo = (info: ModelInfo) => ({
  vocab_size: need(info, 'vocabSize'),
  pad_token_id: info.padId ?? 0,
});

const encoderOptions = z.strictObject({
  layers: positive.default(4).describe('transformer layers'),
  hidden: positive.default(128).describe('width of a token state'),
  heads: positive.default(4).describe('attention heads'),
  intermediate: positive.optional().describe('width of the feed-forward layer (4 × hidden when absent)'),
  dropout: rate.default(0.1).describe('dropout of hidden states'),
});
const decoderOptions = z.strictObject({
  layers: positive.default(4).describe('transformer layers'),
  hidden: positive.default(128).describe('width of a token state'),
  heads: positive.default(4).describe('attention heads'),
  intermediate: positive.optional().describe('width of the feed-forward layer'),
  dropout: rate.default(0).describe('dropout of hidden states'),
});

/** Architectures that a recipe can make from scratch, by name. */
export const architectureCatalogue: Readonly<Record<string, Architecture>> = {
  bag: define({
    tasks: ['classify'],
    summary: 'bag of token and n-gram embeddings with a linear or MLP head (fastText): seconds to train',
    options: z.strictObject({
      width: positive.default(bagDefaults.width).describe('width of an embedding'),
      ngrams: positive.max(4).default(bagDefaults.ngrams).describe('longest n-gram of tokens'),
      buckets: positive.max(131072).default(bagDefaults.buckets).describe('rows that hashed n-grams share'),
      hidden: z.array(positive).default([]).describe('widths of hidden layers'),
      dropout: rate.default(bagDefaults.dropout).describe('dropout before every linear layer'),
    }),
    make: (o, info) => bagClassifier({ ...o, ...textInfo(info) }, need(info, 'classes')),
  }),
  bert: define({
    tasks: ['classify'],
    summary: 'BERT encoder with a pooled classification head',
    options: encoderOptions,
    make: (o, info) =>
      bertClassifier(
        {
          ...bertDefaults,
          ...textInfo(info),
          num_hidden_layers: o.layers,
          hidden_size: o.hidden,
          num_attention_heads: o.heads,
          intermediate_size: o.intermediate ?? 4 * o.hidden,
          hidden_dropout_prob: o.dropout,
          max_position_embeddings: info.maxLength ?? 512,
        },
        need(info, 'classes'),
      ),
  }),
  distilbert: define({
    tasks: ['classify'],
    summary: 'DistilBERT encoder with its two-layer classification head',
    options: encoderOptions,
    make: (o, info) =>
      distilbertClassifier(
        {
          ...distilbertDefaults,
          ...textInfo(info),
          n_layers: o.layers,
          dim: o.hidden,
          n_heads: o.heads,
          hidden_dim: o.intermediate ?? 4 * o.hidden,
          dropout: o.dropout,
          max_position_embeddings: info.maxLength ?? 512,
        },
        need(info, 'classes'),
      ),
  }),
  gpt2: define({
    tasks: ['generate', 'prefer'],
    summary: 'GPT-2 decoder',
    options: decoderOptions,
    make: (o, info) =>
      gpt2({
        ...gpt2Defaults,
        ...textInfo(info),
        n_layer: o.layers,
        n_embd: o.hidden,
        n_head: o.heads,
        n_inner: o.intermediate ?? null,
        n_positions: info.maxLength ?? 512,
        resid_pdrop: o.dropout,
        embd_pdrop: o.dropout,
      }),
  }),
  llama: define({
    tasks: ['generate', 'prefer'],
    summary: 'Llama decoder: RMSNorm, rotary positions, SwiGLU, grouped-query attention',
    options: decoderOptions.extend({
      kvHeads: positive.optional().describe('heads of keys and values (all heads when absent)'),
      tied: z.boolean().default(true).describe('the output layer shares the embeddings'),
    }),
    make: (o, info) =>
      llama({
        ...llamaDefaults,
        ...textInfo(info),
        num_hidden_layers: o.layers,
        hidden_size: o.hidden,
        num_attention_heads: o.heads,
        num_key_value_heads: o.kvHeads ?? o.heads,
        intermediate_size: o.intermediate ?? Math.ceil((o.hidden * 8) / 3 / 8) * 8,
        tie_word_embeddings: o.tied,
        max_position_embeddings: info.maxLength ?? 512,
      }),
  }),
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
    tasks: ['classify', 'image-classify'],
    summary: 'multi-layer perceptron on features or flattened pixels',
    options: z.strictObject({
      hidden: z.array(positive).default([64]).describe('widths of the hidden layers'),
      activation: z.enum(['relu', 'gelu', 'silu', 'tanh']).default('relu').describe('non-linearity'),
      dropout: rate.default(0).describe('dropout after each hidden layer'),
    }),
    make: (o, info) => mlp({ ...o, inputs: need(info, 'features'), outputs: need(info, 'classes') }),
  }),
};
