import {
  concat,
  type Dim,
  dimAdd,
  expandDims,
  linear as linearOp,
  max,
  mul,
  pad,
  relu,
  reshape,
  slice,
  type Tensor,
} from '../../graph/index.ts';
import { dropout } from '../layers/dropout.ts';
import { embedding, embeddingParams } from '../layers/embedding.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { realTokens } from '../layers/pooling.ts';
import type { Model } from '../model.ts';
import { glorotInit, normalInit, prefixed, zerosInit } from '../params.ts';
import { type ClassifierOutputs, type TextInputs, textInputs } from './bert.ts';

export interface TextCnnConfig {
  vocab_size: number;
  /** Width of a word vector; the paper: 300. */
  width: number;
  /** Words that a filter sees; the paper: 3, 4, 5. */
  kernels: readonly number[];
  /** Filters of each size; the paper: 100. */
  maps: number;
  /** Before the last layer; the paper: 0.5. */
  dropout: number;
  [key: string]: unknown;
}

export const textCnnDefaults: TextCnnConfig = {
  vocab_size: 8192,
  width: 128,
  kernels: [3, 4, 5],
  maps: 100,
  dropout: 0.5,
};

/**
 * Convolutions over word vectors with max-over-time pooling (Kim 2014). Weights `convs.i.weight [maps, 1, words, width]`
 * are those of a 2-d convolution in PyTorch; they run as one product over windows. Windows start at real tokens only,
 * so that padding changes nothing.
 */
export function textCnn(
  config: Partial<TextCnnConfig>,
  labels: number,
): Model<TextInputs, ClassifierOutputs> {
  const c = { ...textCnnDefaults, ...config } as TextCnnConfig;
  const longest = Math.max(...c.kernels);
  return {
    architecture: 'TextCnnForSequenceClassification',
    config: {
      architectures: ['TextCnnForSequenceClassification'],
      model_type: 'bert',
      ...c,
      num_labels: labels,
    },
    params: {
      ...prefixed('embed', embeddingParams(c.vocab_size, c.width, normalInit(1 / Math.sqrt(c.width)))),
      ...Object.assign(
        {},
        ...c.kernels.map((k, i) =>
          prefixed(`convs.${i}`, {
            weight: { shape: [c.maps, 1, k, c.width], init: glorotInit },
            bias: { shape: [c.maps], init: zerosInit },
          }),
        ),
      ),
      ...prefixed('fc', linearParams(c.maps * c.kernels.length, labels)),
    },
    inputs: textInputs(true),
    forward(s, { input_ids, attention_mask }) {
      const real = attention_mask && realTokens(attention_mask);
      const words = embedding(s.at('embed'), input_ids);
      const seq = input_ids.shape[1];
      const masked = real ? mul(words, expandDims(real, 2)) : words;
      const x = pad(masked, [
        [0, 0],
        [0, longest - 1],
        [0, 0],
      ]);
      const pooled = c.kernels.map((k, i) => {
        const scope = s.at(`convs.${i}`);
        const weight = reshape(scope.param('weight'), [c.maps, k * c.width]);
        const y = relu(linearOp(windows(x, k, seq), weight, scope.param('bias'), { transW: true }));
        return max(real ? mul(y, expandDims(real, 2)) : y, 1);
      });
      const joined = s.tap(concat(pooled, 1), 'pooled');
      return { logits: linear(s.at('fc'), dropout(s, joined, c.dropout)), pooled: joined };
    },
  };
}

/** `[batch, seq + …, d]` to `[batch, seq, k · d]`: each token with the k - 1 after it. */
function windows(x: Tensor, k: number, seq: Dim): Tensor {
  const shifted = Array.from({ length: k }, (_, i) =>
    slice(x, { starts: [i], ends: [dimAdd(seq, i)], axes: [1] }),
  );
  return concat(shifted, 2);
}
