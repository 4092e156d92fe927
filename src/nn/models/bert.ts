import { add, spec, sym, type Tensor, tanh } from '../../graph/index.ts';
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

/** Keys of a BERT config.json that matter here (MiniLM checkpoints are BERT). */
export interface BertConfig {
  vocab_size: number;
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  intermediate_size: number;
  max_position_embeddings: number;
  type_vocab_size: number;
  hidden_act: string;
  layer_norm_eps: number;
  initializer_range: number;
  hidden_dropout_prob: number;
  attention_probs_dropout_prob: number;
  classifier_dropout?: number | null;
  [key: string]: unknown;
}

/** Defaults of Hugging Face's BertConfig, with a small size: 4 layers of 256. */
export const bertDefaults: BertConfig = {
  model_type: 'bert',
  vocab_size: 30522,
  hidden_size: 256,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  intermediate_size: 1024,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-12,
  initializer_range: 0.02,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  pad_token_id: 0,
};

export interface TextInputs extends Record<string, Tensor | undefined> {
  /** `[batch, seq]` integers */
  input_ids: Tensor;
  /** `[batch, seq]`, 1 = real token; default all real */
  attention_mask?: Tensor;
  /** `[batch, seq]` segment ids; default 0 */
  token_type_ids?: Tensor;
}

export function bertParams(c: BertConfig): ParamSpecs {
  const init = normalInit(c.initializer_range);
  const dense = (i: number, o: number): ParamSpecs => linearParams(i, o, { init });
  const d = c.hidden_size;
  const layer = {
    ...prefixed('attention.self.query', dense(d, d)),
    ...prefixed('attention.self.key', dense(d, d)),
    ...prefixed('attention.self.value', dense(d, d)),
    ...prefixed('attention.output.dense', dense(d, d)),
    ...prefixed('attention.output.LayerNorm', layerNormParams(d)),
    ...prefixed('intermediate.dense', dense(d, c.intermediate_size)),
    ...prefixed('output.dense', dense(c.intermediate_size, d)),
    ...prefixed('output.LayerNorm', layerNormParams(d)),
  };
  return {
    ...prefixed('embeddings.word_embeddings', embeddingParams(c.vocab_size, d, init)),
    ...prefixed('embeddings.position_embeddings', embeddingParams(c.max_position_embeddings, d, init)),
    ...prefixed('embeddings.token_type_embeddings', embeddingParams(c.type_vocab_size, d, init)),
    ...prefixed('embeddings.LayerNorm', layerNormParams(d)),
    ...Object.assign(
      {},
      ...Array.from({ length: c.num_hidden_layers }, (_, i) => prefixed(`encoder.layer.${i}`, layer)),
    ),
  };
}

/** Word, segment and position embeddings, normalized: `[batch, seq, hidden]`. Positions count from `start`. */
export function bertEmbeddings(
  s: Scope,
  c: BertConfig,
  inputs: TextInputs,
  { start = 0, segment = 0 } = {},
): Tensor {
  const positions = positionRows(s.param('position_embeddings.weight'), inputs.input_ids.shape[1], start);
  const types = inputs.token_type_ids
    ? embedding(s.at('token_type_embeddings'), inputs.token_type_ids)
    : positionRows(s.param('token_type_embeddings.weight'), 1, segment);
  const words = embedding(s.at('word_embeddings'), inputs.input_ids);
  // what does not depend on the batch is added first
  const rest = inputs.token_type_ids ? add(add(words, types), positions) : add(words, add(positions, types));
  const x = layerNorm(s.at('LayerNorm'), rest, c.layer_norm_eps);
  return s.tap(dropout(s, x, c.hidden_dropout_prob));
}

/** Token states of every layer: `hidden[0]` the embeddings, `hidden[n]` after layer n; each `[batch, seq, hidden]`. */
export function bertEncoder(s: Scope, c: BertConfig, inputs: TextInputs): Tensor[] {
  const hidden = [bertEmbeddings(s.at('embeddings'), c, inputs)];
  const mask = paddingBias(inputs.attention_mask);
  for (let i = 0; i < c.num_hidden_layers; i++)
    hidden.push(bertLayer(s.at(`encoder.layer.${i}`), c, hidden[i], mask));
  return hidden;
}

/** One layer; `mask` is what is added to the attention scores. */
export function bertLayer(s: Scope, c: BertConfig, x: Tensor, mask: Tensor | undefined): Tensor {
  const heads = c.num_attention_heads;
  const width = c.hidden_size / heads;
  const self = s.at('attention.self');
  const project = (name: string): Tensor => splitHeads(linear(self.at(name), x), heads, width);
  const context = self.tap(
    mergeHeads(
      attend({
        q: project('query'),
        k: project('key'),
        v: project('value'),
        mask,
        drop: [self, c.attention_probs_dropout_prob],
      }),
    ),
  );
  const a = s.at('attention.output');
  const attended = layerNorm(
    a.at('LayerNorm'),
    add(dropout(a, linear(a.at('dense'), context), c.hidden_dropout_prob), x),
    c.layer_norm_eps,
  );
  s.at('attention').tap(attended);
  const inner = s
    .at('intermediate')
    .tap(activation(c.hidden_act)(linear(s.at('intermediate.dense'), attended)));
  const o = s.at('output');
  const out = layerNorm(
    o.at('LayerNorm'),
    add(dropout(o, linear(o.at('dense'), inner), c.hidden_dropout_prob), attended),
    c.layer_norm_eps,
  );
  return s.tap(out);
}

/** Input types of text encoders, as transformers.js feeds them. */
export const textInputs = (withTypes: boolean): Model<TextInputs, Record<string, Tensor>>['inputs'] => ({
  input_ids: spec([sym('batch'), sym('sequence')], 'int64'),
  attention_mask: spec([sym('batch'), sym('sequence')], 'int64'),
  ...(withTypes ? { token_type_ids: spec([sym('batch'), sym('sequence')], 'int64') } : {}),
});

export interface ClassifierOutputs extends Record<string, Tensor | undefined> {
  /** `[batch, labels]` */
  logits: Tensor;
  /** `[batch, hidden]`: what the classifier reads */
  pooled: Tensor;
}

/** BERT with a pooled classification head (`BertForSequenceClassification`). */
export function bertClassifier(
  config: Partial<BertConfig>,
  labels: number,
): Model<TextInputs, ClassifierOutputs> {
  const c = { ...bertDefaults, ...config } as BertConfig;
  const init = normalInit(c.initializer_range);
  return {
    architecture: 'BertForSequenceClassification',
    config: { architectures: ['BertForSequenceClassification'], ...c, num_labels: labels },
    params: {
      ...prefixed('bert', bertParams(c)),
      ...prefixed('bert.pooler.dense', linearParams(c.hidden_size, c.hidden_size, { init })),
      ...prefixed('classifier', linearParams(c.hidden_size, labels, { init })),
    },
    inputs: textInputs(true),
    forward(s, inputs) {
      const hidden = bertEncoder(s.at('bert'), c, inputs);
      const pooled = s
        .at('bert.pooler')
        .tap(tanh(linear(s.at('bert.pooler.dense'), firstToken(hidden[hidden.length - 1]))));
      const logits = linear(
        s.at('classifier'),
        dropout(s, pooled, c.classifier_dropout ?? c.hidden_dropout_prob),
      );
      return { logits, pooled };
    },
  };
}

/** BERT with a label per token (`BertForTokenClassification`); logits `[batch, seq, labels]`. */
export function bertTokenClassifier(
  config: Partial<BertConfig>,
  labels: number,
): Model<TextInputs, { logits: Tensor }> {
  const c = { ...bertDefaults, ...config } as BertConfig;
  return {
    architecture: 'BertForTokenClassification',
    config: { architectures: ['BertForTokenClassification'], ...c, num_labels: labels },
    params: {
      ...prefixed('bert', bertParams(c)),
      ...prefixed(
        'classifier',
        linearParams(c.hidden_size, labels, { init: normalInit(c.initializer_range) }),
      ),
    },
    inputs: textInputs(true),
    forward(s, inputs) {
      const hidden = bertEncoder(s.at('bert'), c, inputs);
      const last = dropout(s, hidden[hidden.length - 1], c.classifier_dropout ?? c.hidden_dropout_prob);
      return { logits: linear(s.at('classifier'), last) };
    },
  };
}

/** The bare encoder (`BertModel`); `last_hidden_state [batch, seq, hidden]` and, with a pooler, `pooler_output`. */
export function bertModel(
  config: Partial<BertConfig>,
  options: { pooler?: boolean } = {},
): Model<TextInputs, { last_hidden_state: Tensor; pooler_output?: Tensor }> {
  const c = { ...bertDefaults, ...config } as BertConfig;
  const pooler = options.pooler ?? true;
  const init = normalInit(c.initializer_range);
  return {
    architecture: 'BertModel',
    config: { architectures: ['BertModel'], ...c, ...(pooler ? {} : { add_pooling_layer: false }) },
    params: {
      ...bertParams(c),
      ...(pooler ? prefixed('pooler.dense', linearParams(c.hidden_size, c.hidden_size, { init })) : {}),
    },
    inputs: textInputs(true),
    forward(s, inputs) {
      const hidden = bertEncoder(s, c, inputs);
      const last = hidden[hidden.length - 1];
      const pooled = pooler
        ? s.at('pooler').tap(tanh(linear(s.at('pooler.dense'), firstToken(last))))
        : undefined;
      return { last_hidden_state: last, ...(pooled ? { pooler_output: pooled } : {}) };
    },
  };
}
