import type { Tensor } from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
import { embedding, embeddingParams } from '../layers/embedding.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { firstToken, meanPool, normalizeRows } from '../layers/pooling.ts';
import type { Model } from '../model.ts';
import { normalInit, type ParamSpecs, prefixed } from '../params.ts';
import type { Scope } from '../scope.ts';
import {
  type BertConfig,
  bertDefaults,
  bertEncoder,
  bertParams,
  type TextInputs,
  textInputs,
} from './bert.ts';
import {
  type DistilBertConfig,
  distilbertDefaults,
  distilbertEncoder,
  distilbertParams,
} from './distilbert.ts';

/** What turns tokens into states; parameters stand at the root, as in BertModel and DistilBertModel. */
export interface TokenEncoder {
  readonly config: Readonly<Record<string, unknown>>;
  readonly params: ParamSpecs;
  /** Width of a token state. */
  readonly width: number;
  /** `[batch, seq, width]` */
  encode(s: Scope, inputs: TextInputs): Tensor;
}

/** Keys of the encoder's own config.json, plus which encoder it is. */
export type TokenEncoderConfig = Readonly<Record<string, unknown>> & {
  /** bert (also MiniLM), distilbert, or bag: token embeddings alone, whose mean is the sentence. Default bert. */
  readonly encoder?: 'bert' | 'distilbert' | 'bag';
};

export function tokenEncoder(config: TokenEncoderConfig): TokenEncoder {
  switch (config.encoder ?? config.model_type ?? 'bert') {
    case 'bert': {
      const c = { ...bertDefaults, ...config } as BertConfig;
      return {
        config: c,
        params: bertParams(c),
        width: c.hidden_size,
        encode: (s, inputs) => bertEncoder(s, c, inputs).at(-1)!,
      };
    }
    case 'distilbert': {
      const c = { ...distilbertDefaults, ...config } as DistilBertConfig;
      return {
        config: c,
        params: distilbertParams(c),
        width: c.dim,
        encode: (s, inputs) => distilbertEncoder(s, c, inputs).at(-1)!,
      };
    }
    case 'bag': {
      // the type bert makes other tools take the folder for an encoder, which is what it is to them
      const c = { vocab_size: 8192, hidden_size: 128, pad_token_id: 0, ...config, model_type: 'bert' };
      const init = normalInit(c.hidden_size ** -0.5);
      return {
        config: c,
        params: prefixed(
          'embeddings.word_embeddings',
          embeddingParams(c.vocab_size as number, c.hidden_size, init),
        ),
        width: c.hidden_size,
        encode: (s, inputs) => embedding(s.at('embeddings.word_embeddings'), inputs.input_ids),
      };
    }
    default:
      throw new DecantError('model', 'unknown text encoder', {
        at: 'encoder',
        seen: config.encoder ?? config.model_type,
        allowed: 'bert, distilbert, bag',
      });
  }
}

export interface EmbeddingOptions {
  /** Default mean of the real tokens. */
  readonly pooling?: 'mean' | 'cls';
  /** Vectors of length 1, so that a product is a cosine; default true. */
  readonly normalize?: boolean;
  /** Width of a linear layer without bias behind the pooling; 0 (default): none. */
  readonly projection?: number;
}

const withDefaults = (o: EmbeddingOptions): Required<EmbeddingOptions> => ({
  pooling: o.pooling ?? 'mean',
  normalize: o.normalize ?? true,
  projection: o.projection ?? 0,
});

/** A text as one vector: encoder, pooling, optional projection and normalization. */
export interface SentencePart {
  readonly params: ParamSpecs;
  readonly width: number;
  /** Token states behind the projection `[batch, seq, width]`, and the text's vector `[batch, width]`. */
  embed(s: Scope, inputs: TextInputs): { tokens: () => Tensor; sentence: Tensor };
}

export function sentencePart(encoder: TokenEncoder, options: EmbeddingOptions = {}): SentencePart {
  const { pooling, normalize, projection } = withDefaults(options);
  return {
    params: {
      ...encoder.params,
      ...(projection > 0
        ? prefixed('projection', linearParams(encoder.width, projection, { bias: false }))
        : {}),
    },
    width: projection || encoder.width,
    embed(s, inputs) {
      const states = encoder.encode(s, inputs);
      const pooled = pooling === 'cls' ? firstToken(states) : meanPool(states, inputs.attention_mask);
      const projected = projection > 0 ? linear(s.at('projection'), pooled) : pooled;
      const sentence = s.tap(normalize ? normalizeRows(projected) : projected, 'sentence_embedding');
      // the projection is linear: the mean of projected tokens is the projected mean
      const silent: Scope = { ...s.at('projection'), tap: (x) => x };
      const tokens = (): Tensor => (projection > 0 ? linear(silent, states) : states);
      return { tokens, sentence };
    },
  };
}

/**
 * A sentence encoder. `last_hidden_state` (token states, projected where there is a projection) is what the
 * `feature-extraction` pipeline of transformers.js pools itself, with the `pooling` and `normalize` of the config;
 * `sentence_embedding [batch, width]` is the result of both.
 */
export function sentenceEncoder(
  config: TokenEncoderConfig & EmbeddingOptions,
): Model<TextInputs, { last_hidden_state: Tensor; sentence_embedding: Tensor }> {
  const encoder = tokenEncoder(config);
  const options = withDefaults(config);
  const part = sentencePart(encoder, options);
  return {
    architecture: 'SentenceEncoder',
    config: { ...encoder.config, ...options, architectures: ['SentenceEncoder'] },
    params: part.params,
    inputs: textInputs(encoder.config.model_type !== 'distilbert'),
    forward(s, inputs) {
      const { tokens, sentence } = part.embed(s, inputs);
      return { last_hidden_state: tokens(), sentence_embedding: sentence };
    },
  };
}
