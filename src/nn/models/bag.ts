import {
  add,
  cast,
  dimSub,
  div,
  expandDims,
  maximum,
  mod,
  mul,
  notEqual,
  relu,
  slice,
  sqrt,
  sum,
  type Tensor,
} from '../../graph/index.ts';
import { dropout } from '../layers/dropout.ts';
import { embedding, embeddingParams } from '../layers/embedding.ts';
import { linear, linearParams } from '../layers/linear.ts';
import type { Model } from '../model.ts';
import { normalInit, prefixed } from '../params.ts';
import { type ClassifierOutputs, type TextInputs, textInputs } from './bert.ts';

export interface BagConfig {
  vocab_size: number;
  /** Width of an embedding; default 64. */
  width: number;
  /** Longest n-gram of tokens; 1 is a bag of words. Default 2. */
  ngrams: number;
  /** Rows of the table that hashed n-grams share; default 16384. At most 131072, so that hashes stay within int32. */
  buckets: number;
  /** Widths of hidden layers between the bag and the classes; default none (fastText). */
  hidden: readonly number[];
  dropout: number;
  [key: string]: unknown;
}

export const bagDefaults: BagConfig = {
  vocab_size: 8192,
  width: 64,
  ngrams: 2,
  buckets: 16384,
  hidden: [],
  dropout: 0.2,
};

/**
 * A bag of token and hashed n-gram embeddings with a linear or MLP head (fastText, Joulin et al. 2017): trains in
 * seconds, and for short texts of few words it is hard to beat. Takes a BERT-like tokenizer's ids, so the exported
 * folder loads wherever a BERT classifier does.
 */
export function bagClassifier(
  config: Partial<BagConfig>,
  labels: number,
): Model<TextInputs, ClassifierOutputs> {
  const c = { ...bagDefaults, ...config } as BagConfig;
  const widths = [c.width, ...c.hidden, labels];
  const init = normalInit(1 / Math.sqrt(c.width));
  return {
    architecture: 'BagForSequenceClassification',
    config: { architectures: ['BagForSequenceClassification'], model_type: 'bert', ...c, num_labels: labels },
    params: {
      ...prefixed('embeddings.words', embeddingParams(c.vocab_size, c.width, init)),
      ...(c.ngrams > 1 ? prefixed('embeddings.ngrams', embeddingParams(c.buckets, c.width, init)) : {}),
      ...Object.assign(
        {},
        ...widths.slice(1).map((w, i) => prefixed(`layers.${i}`, linearParams(widths[i], w))),
      ),
    },
    inputs: textInputs(true),
    forward(s, inputs) {
      const ids = inputs.input_ids.dtype === 'int32' ? inputs.input_ids : cast(inputs.input_ids, 'int32');
      const real = inputs.attention_mask
        ? cast(notEqual(inputs.attention_mask, 0), 'float32')
        : cast(notEqual(ids, -1), 'float32');
      const words = s.at('embeddings.words');
      let total = sum(mul(embedding(words, ids), expandDims(real, 2)), 1);
      let count = sum(real, 1, true);
      let hash = mod(ids, c.buckets);
      let valid = real;
      for (let n = 2; n <= c.ngrams; n++) {
        // the hash of an n-gram is that of its first n - 1 tokens, times a prime, plus its last token
        hash = mod(add(mul(front(hash), PRIME), tail(ids, n - 1)), c.buckets);
        valid = mul(front(valid), tail(real, n - 1));
        total = add(total, sum(mul(embedding(s.at('embeddings.ngrams'), hash), expandDims(valid, 2)), 1));
        count = add(count, sum(valid, 1, true));
      }
      // the mean over n-grams, scaled so that its size does not fall with length: Σ / √count
      let pooled = s.tap(div(total, maximum(sqrt(count), 1)), 'pooled');
      for (let i = 0; i < c.hidden.length; i++)
        pooled = relu(linear(s.at(`layers.${i}`), dropout(s, pooled, c.dropout)));
      const logits = linear(s.at(`layers.${c.hidden.length}`), dropout(s, pooled, c.dropout));
      return { logits, pooled };
    },
  };
}

// (buckets - 1) · PRIME + vocabulary stays below 2^31
const PRIME = 8191;

const front = (x: Tensor): Tensor => slice(x, { starts: [0], ends: [dimSub(x.shape[1], 1)], axes: [1] });
const tail = (x: Tensor, from: number): Tensor => slice(x, { starts: [from], ends: [x.shape[1]], axes: [1] });
