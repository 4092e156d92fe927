import { add, relu, type Tensor } from '../../graph/index.ts';
import { activation } from '../layers/activation.ts';
import { attend, mergeHeads, paddingBias, splitHeads } from '../layers/attention.ts';
import { dropout } from '../layers/dropout.ts';
import { embedding, embeddingParams, positionRows } from '../layers/embedding.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { layerNorm, layerNormParams } from '../layers/norm.ts';
import { firstToken } from '../layers/pooling.ts';
import type { Model } from '../model.ts';
import { normalInit, type ParamSpecs, prefixed } from '../params.ts';
import type { Scope } from '../scope.ts';
import { type ClassifierOutputs, type TextInputs, textInputs } from './bert.ts';

/** Keys of a DistilBERT config.json that matter here. */
export interface DistilBertConfig {
  vocab_size: number;
  dim: number;
  hidden_dim: number;
  n_layers: number;
  n_heads: number;
  max_position_embeddings: number;
  activation: string;
  initializer_range: number;
  dropout: number;
  attention_dropout: number;
  seq_classif_dropout: number;
  [key: string]: unknown;
}

export const distilbertDefaults: DistilBertConfig = {
  model_type: 'distilbert',
  vocab_size: 30522,
  dim: 256,
  hidden_dim: 1024,
  n_layers: 4,
  n_heads: 4,
  max_position_embeddings: 512,
  activation: 'gelu',
  initializer_range: 0.02,
  dropout: 0.1,
  attention_dropout: 0.1,
  seq_classif_dropout: 0.2,
  pad_token_id: 0,
};

const EPS = 1e-12;

export function distilbertParams(c: DistilBertConfig): ParamSpecs {
  const init = normalInit(c.initializer_range);
  const layer = {
    ...Object.assign(
      {},
      ...['q_lin', 'k_lin', 'v_lin', 'out_lin'].map((n) =>
        prefixed(`attention.${n}`, linearParams(c.dim, c.dim, { init })),
      ),
    ),
    ...prefixed('sa_layer_norm', layerNormParams(c.dim)),
    ...prefixed('ffn.lin1', linearParams(c.dim, c.hidden_dim, { init })),
    ...prefixed('ffn.lin2', linearParams(c.hidden_dim, c.dim, { init })),
    ...prefixed('output_layer_norm', layerNormParams(c.dim)),
  };
  return {
    ...prefixed('embeddings.word_embeddings', embeddingParams(c.vocab_size, c.dim, init)),
    ...prefixed('embeddings.position_embeddings', embeddingParams(c.max_position_embeddings, c.dim, init)),
    ...prefixed('embeddings.LayerNorm', layerNormParams(c.dim)),
    ...Object.assign(
      {},
      ...Array.from({ length: c.n_layers }, (_, i) => prefixed(`transformer.layer.${i}`, layer)),
    ),
  };
}

/** Token states of every layer (Sanh et al. 2019: BERT without segments and pooler); `[batch, seq, dim]` each. */
export function distilbertEncoder(s: Scope, c: DistilBertConfig, inputs: TextInputs): Tensor[] {
  const e = s.at('embeddings');
  const words = embedding(e.at('word_embeddings'), inputs.input_ids);
  const positions = positionRows(e.param('position_embeddings.weight'), inputs.input_ids.shape[1]);
  let x = e.tap(dropout(e, layerNorm(e.at('LayerNorm'), add(words, positions), EPS), c.dropout));
  const mask = paddingBias(inputs.attention_mask);
  const hidden = [x];
  for (let i = 0; i < c.n_layers; i++) {
    const l = s.at(`transformer.layer.${i}`);
    const a = l.at('attention');
    const heads = (name: string): Tensor => splitHeads(linear(a.at(name), x), c.n_heads, c.dim / c.n_heads);
    const context = mergeHeads(
      attend({
        q: heads('q_lin'),
        k: heads('k_lin'),
        v: heads('v_lin'),
        mask,
        drop: [a, c.attention_dropout],
      }),
    );
    const attended = layerNorm(l.at('sa_layer_norm'), add(a.tap(linear(a.at('out_lin'), context)), x), EPS);
    const f = l.at('ffn');
    const inner = activation(c.activation)(linear(f.at('lin1'), attended));
    x = l.tap(
      layerNorm(
        l.at('output_layer_norm'),
        add(f.tap(dropout(f, linear(f.at('lin2'), inner), c.dropout)), attended),
        EPS,
      ),
    );
    hidden.push(x);
  }
  return hidden;
}

/** DistilBERT with its two-layer classification head (`DistilBertForSequenceClassification`). */
export function distilbertClassifier(
  config: Partial<DistilBertConfig>,
  labels: number,
): Model<TextInputs, ClassifierOutputs> {
  const c = { ...distilbertDefaults, ...config } as DistilBertConfig;
  const init = normalInit(c.initializer_range);
  return {
    architecture: 'DistilBertForSequenceClassification',
    config: { architectures: ['DistilBertForSequenceClassification'], ...c, num_labels: labels },
    params: {
      ...prefixed('distilbert', distilbertParams(c)),
      ...prefixed('pre_classifier', linearParams(c.dim, c.dim, { init })),
      ...prefixed('classifier', linearParams(c.dim, labels, { init })),
    },
    inputs: textInputs(false),
    forward(s, inputs) {
      const hidden = distilbertEncoder(s.at('distilbert'), c, inputs);
      const pooled = relu(linear(s.at('pre_classifier'), firstToken(hidden[hidden.length - 1])));
      return { logits: linear(s.at('classifier'), dropout(s, pooled, c.seq_classif_dropout)), pooled };
    },
  };
}

/** The bare encoder (`DistilBertModel`); `last_hidden_state [batch, seq, dim]`. */
export function distilbertModel(
  config: Partial<DistilBertConfig>,
): Model<TextInputs, { last_hidden_state: Tensor }> {
  const c = { ...distilbertDefaults, ...config } as DistilBertConfig;
  return {
    architecture: 'DistilBertModel',
    config: { architectures: ['DistilBertModel'], ...c },
    params: distilbertParams(c),
    inputs: textInputs(false),
    forward: (s, inputs) => ({ last_hidden_state: distilbertEncoder(s, c, inputs).at(-1)! }),
  };
}
