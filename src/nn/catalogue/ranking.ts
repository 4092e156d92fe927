import { z } from 'zod';
import { colbert } from '../models/colbert.ts';
import { crossEncoder } from '../models/cross-encoder.ts';
import { dualEncoder } from '../models/dual-encoder.ts';
import { kernelDefaults, kernelPooling } from '../models/kernel-pooling.ts';
import { prett } from '../models/prett.ts';
import { sentenceEncoder } from '../models/sentence.ts';
import { type Architecture, define, encoderOptions, positive, textInfo } from './define.ts';
import { bertConfigOf } from './text.ts';

const pooled = {
  projection: z
    .int()
    .nonnegative()
    .default(0)
    .describe('width of a linear layer behind the pooling, 0 for none'),
  normalize: z.boolean().default(true).describe('vectors of length 1: products are cosines'),
};
const pooling = z.enum(['mean', 'cls']).default('mean').describe('mean of the tokens, or the first one');
const towers = {
  shared: z.boolean().default(true).describe('one encoder for queries and documents'),
  scale: z
    .number()
    .nonnegative()
    .default(0)
    .describe('where a learnt factor on the products starts, 0 for none; with normalize, margins need one'),
};

const vectors = z
  .enum(['drawn', 'collection'])
  .default('drawn')
  .describe(
    'where word vectors start: drawn at random, or made of the documents (latent semantic analysis), which few queries need',
  );

/** Embedding models and rankers of text. */
export const rankingModels: Readonly<Record<string, Architecture>> = {
  sentence: define({
    tasks: ['embed'],
    summary: 'sentence encoder: BERT, pooling, normalization',
    options: encoderOptions.extend({ pooling, ...pooled }),
    make: (o, info) => sentenceEncoder({ ...bertConfigOf(o, info), ...pick(o) }),
  }),
  'sentence-bag': define({
    tasks: ['embed'],
    summary: 'the mean of token embeddings as a sentence vector: no layers',
    options: z.strictObject({
      width: positive.default(128).describe('width of an embedding'),
      ...pooled,
    }),
    make: (o, info) =>
      sentenceEncoder({ encoder: 'bag', ...textInfo(info), hidden_size: o.width, ...pick(o) }),
  }),
  'dual-encoder': define({
    tasks: ['rank'],
    summary: 'query and document as one vector each, scored by their product',
    options: encoderOptions.extend({ pooling, ...pooled, ...towers }),
    make: (o, info) =>
      dualEncoder({ ...bertConfigOf(o, info), ...pick(o), shared: o.shared, scale: o.scale }),
  }),
  'dual-bag': define({
    tasks: ['rank'],
    summary: 'a dual encoder of averaged token embeddings: the fastest ranker',
    options: z.strictObject({
      width: positive.default(128).describe('width of an embedding'),
      ...pooled,
      ...towers,
      vectors,
    }),
    make: (o, info) =>
      dualEncoder({
        encoder: 'bag',
        ...textInfo(info),
        hidden_size: o.width,
        ...pick(o),
        shared: o.shared,
        scale: o.scale,
      }),
  }),
  'cross-encoder': define({
    tasks: ['rank'],
    summary: 'BERT that reads query and document together: the best and slowest ranker',
    options: encoderOptions,
    make: (o, info) => crossEncoder(bertConfigOf(o, info)),
  }),
  colbert: define({
    tasks: ['rank'],
    summary: 'a vector per token and MaxSim between them (late interaction)',
    options: encoderOptions.extend({ dim: positive.default(64).describe('width of a token vector') }),
    make: (o, info) => colbert({ ...bertConfigOf(o, info), dim: o.dim }),
  }),
  'kernel-pooling': define({
    tasks: ['rank'],
    summary:
      'soft counts of matching words (K-NRM; TK with layers): learns from little data, good as a teacher',
    options: encoderOptions.extend({
      layers: z
        .int()
        .nonnegative()
        .default(0)
        .describe('transformer layers that put words into context; 0 compares words alone'),
      hidden: positive.default(64).describe('width of a word vector'),
      sigma: z.number().positive().default(kernelDefaults.sigma).describe('width of the kernels'),
      termWeights: z
        .boolean()
        .default(false)
        .describe(
          'a learnt weight per query word; with vectors: collection it starts as the inverse document frequency',
        ),
      vectors,
    }),
    make: ({ sigma, termWeights, ...o }, info) =>
      kernelPooling({ ...bertConfigOf(o, info), sigma, term_weights: termWeights }),
  }),
  prett: define({
    tasks: ['rank'],
    summary: 'cross-encoder whose lower layers see the document alone, so that they can run ahead',
    options: encoderOptions.extend({
      split: positive
        .optional()
        .describe('layers that see query and document apart (all but one when absent)'),
      maxQuery: positive
        .default(32)
        .describe('longest query in tokens; documents take positions from here on'),
      compression: z
        .int()
        .nonnegative()
        .default(0)
        .describe('width of stored document states, 0 for no compression'),
    }),
    make: (o, info) => {
      const config = bertConfigOf(o, info);
      return prett({
        ...config,
        max_position_embeddings: config.max_position_embeddings + o.maxQuery,
        max_query_length: o.maxQuery,
        split_layer: o.split ?? Math.max(1, o.layers - 1),
        compression: o.compression,
      });
    },
  }),
};

const pick = (o: { pooling?: 'mean' | 'cls'; projection: number; normalize: boolean }) => ({
  pooling: o.pooling ?? ('mean' as const),
  projection: o.projection,
  normalize: o.normalize,
});
