import { z } from 'zod';
import { bagClassifier, bagDefaults } from '../models/bag.ts';
import { type BertConfig, bertClassifier, bertDefaults } from '../models/bert.ts';
import { distilbertClassifier, distilbertDefaults } from '../models/distilbert.ts';
import { gpt2, gpt2Defaults } from '../models/gpt2.ts';
import { llama, llamaDefaults } from '../models/llama.ts';
import { textCnn, textCnnDefaults } from '../models/text-cnn.ts';
import {
  type Architecture,
  define,
  type EncoderOptions,
  encoderOptions,
  type ModelInfo,
  need,
  positive,
  rate,
  textInfo,
} from './define.ts';

const decoderOptions = z.strictObject({
  layers: positive.default(4).describe('transformer layers'),
  hidden: positive.default(128).describe('width of a token state'),
  heads: positive.default(4).describe('attention heads'),
  intermediate: positive.optional().describe('width of the feed-forward layer'),
  dropout: rate.default(0).describe('dropout of hidden states'),
  attentionDropout: rate.default(0).describe('dropout of attention weights'),
});

/** A BERT config.json from sizes and data. */
export const bertConfigOf = (o: EncoderOptions, info: ModelInfo): BertConfig => ({
  ...bertDefaults,
  ...textInfo(info),
  num_hidden_layers: o.layers,
  hidden_size: o.hidden,
  num_attention_heads: o.heads,
  intermediate_size: o.intermediate ?? 4 * o.hidden,
  hidden_dropout_prob: o.dropout,
  attention_probs_dropout_prob: o.attentionDropout,
  max_position_embeddings: info.maxLength ?? 512,
});

/** Classifiers and language models of text. */
export const textModels: Readonly<Record<string, Architecture>> = {
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
    make: (o, info) => bertClassifier(bertConfigOf(o, info), need(info, 'classes')),
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
          attention_dropout: o.attentionDropout,
          max_position_embeddings: info.maxLength ?? 512,
        },
        need(info, 'classes'),
      ),
  }),
  gpt2: define({
    tasks: ['generate', 'prefer'],
    summary: 'GPT-2 decoder: layer norm, learned positions, tied embeddings',
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
        attn_pdrop: o.attentionDropout,
      }),
  }),
  llama: define({
    tasks: ['generate', 'prefer'],
    summary: 'Llama decoder: RMSNorm, rotary positions, SwiGLU, grouped-query attention',
    options: decoderOptions.omit({ dropout: true }).extend({
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
        attention_dropout: o.attentionDropout,
        max_position_embeddings: info.maxLength ?? 512,
      }),
  }),
  'text-cnn': define({
    tasks: ['classify'],
    summary: 'convolutions over word vectors with max-over-time pooling (Kim 2014)',
    options: z.strictObject({
      width: positive.default(textCnnDefaults.width).describe('width of a word vector'),
      kernels: z.array(positive).min(1).default([3, 4, 5]).describe('words that a filter sees'),
      maps: positive.default(textCnnDefaults.maps).describe('filters of each size'),
      dropout: rate.default(textCnnDefaults.dropout).describe('dropout before the last layer'),
    }),
    make: (o, info) => textCnn({ ...o, ...textInfo(info) }, need(info, 'classes')),
  }),
};
