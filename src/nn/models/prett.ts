import {
  broadcastTo,
  concat,
  expandDims,
  fill,
  gelu,
  squeeze,
  type Tensor,
  tanh,
} from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
import { paddingBias } from '../layers/attention.ts';
import {
  type CandidateInputs,
  candidateInputTypes,
  flattenDocuments,
  groupDocuments,
  type RankOutputs,
} from '../layers/candidates.ts';
import { dropout } from '../layers/dropout.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { layerNorm, layerNormParams } from '../layers/norm.ts';
import { firstToken } from '../layers/pooling.ts';
import type { Model } from '../model.ts';
import { normalInit, prefixed } from '../params.ts';
import type { Scope } from '../scope.ts';
import {
  type BertConfig,
  bertDefaults,
  bertEmbeddings,
  bertLayer,
  bertParams,
  type TextInputs,
} from './bert.ts';

export interface PrettConfig extends BertConfig {
  /** Layers that see query and document apart; the rest sees both. */
  split_layer: number;
  /** Where the positions of documents begin: the longest query. */
  max_query_length: number;
  /** Width to which stored document states are compressed; 0: not at all. */
  compression: number;
}

export interface PrettOutputs extends RankOutputs {
  /** What can be computed before any query is known: `[batch, documents, tokens, compression or hidden]` */
  document_states: Tensor;
}

/**
 * A cross-encoder whose lower layers see query and document apart, so that document states can be computed and stored
 * ahead (PreTTR, MacAvaney et al. 2020); optionally compressed between two linear layers (section 4.2). Parameter names
 * of BertForSequenceClassification, plus `compressor.*`. Queries are `[CLS] query [SEP]`, documents `document [SEP]`.
 */
export function prett(config: Partial<PrettConfig>): Model<CandidateInputs, PrettOutputs> {
  const c = {
    ...bertDefaults,
    split_layer: Math.max(1, (config.num_hidden_layers ?? bertDefaults.num_hidden_layers) - 1),
    max_query_length: 32,
    compression: 0,
    ...config,
  } as PrettConfig;
  if (!(c.split_layer >= 0 && c.split_layer <= c.num_hidden_layers)) {
    throw new DecantError('model', 'the split must be at one of the layers', {
      at: 'split_layer',
      seen: c.split_layer,
      allowed: `0 to ${c.num_hidden_layers}`,
    });
  }
  const d = c.hidden_size;
  const init = normalInit(c.initializer_range);
  const dense = (i: number, o: number) => linearParams(i, o, { init });
  return {
    architecture: 'PrettForSequenceClassification',
    config: { ...c, architectures: ['PrettForSequenceClassification'], model_type: 'bert', num_labels: 1 },
    params: {
      ...prefixed('bert', bertParams(c)),
      ...prefixed('bert.pooler.dense', dense(d, d)),
      ...(c.compression > 0
        ? {
            ...prefixed('compressor.down', dense(d, c.compression)),
            ...prefixed('compressor.up', dense(c.compression, d)),
            ...prefixed('compressor.LayerNorm', layerNormParams(d)),
          }
        : {}),
      ...prefixed('classifier', dense(d, 1)),
    },
    inputs: candidateInputTypes(),
    forward(s, inputs) {
      const ids = inputs.document_input_ids;
      const queryIds = inputs.query_input_ids;
      const ones = (like: Tensor): Tensor => fill(like.shape, 1, 'int32');
      const queryMask = inputs.query_attention_mask ?? ones(queryIds);
      const documentMask = inputs.document_attention_mask ?? ones(ids);
      const b = s.at('bert');
      const query = { input_ids: queryIds, attention_mask: queryMask };
      const document = { input_ids: flattenDocuments(ids), attention_mask: flattenDocuments(documentMask) };
      const q = lower(b, c, query, { start: 0, segment: 0 });
      let stored = lower(b, c, document, { start: c.max_query_length, segment: 1 });
      let documents = stored;
      if (c.compression > 0) {
        const k = s.at('compressor');
        stored = gelu(linear(k.at('down'), stored));
        documents = layerNorm(k.at('LayerNorm'), linear(k.at('up'), stored), c.layer_norm_eps);
      }
      const document_states = s.tap(groupDocuments(stored, ids), 'document_states');
      // each query stands before each of its documents
      const beside = (x: Tensor): Tensor => {
        const [batch, ...rest] = x.shape;
        return flattenDocuments(broadcastTo(expandDims(x, 1), [batch, ids.shape[1], ...rest]));
      };
      let x = concat([beside(q), documents], 1);
      const mask = paddingBias(concat([beside(queryMask), document.attention_mask], 1));
      for (let i = c.split_layer; i < c.num_hidden_layers; i++)
        x = bertLayer(b.at(`encoder.layer.${i}`), c, x, mask);
      const pooled = b.at('pooler').tap(tanh(linear(b.at('pooler.dense'), firstToken(x))));
      const scores = linear(s.at('classifier'), dropout(s, pooled, c.hidden_dropout_prob));
      return { logits: squeeze(groupDocuments(scores, ids), [2]), document_states };
    },
  };
}

/** The layers below the split, for one side. */
function lower(
  s: Scope,
  c: PrettConfig,
  text: TextInputs,
  place: { start: number; segment: number },
): Tensor {
  let x = bertEmbeddings(s.at('embeddings'), c, text, place);
  const mask = paddingBias(text.attention_mask);
  for (let i = 0; i < c.split_layer; i++) x = bertLayer(s.at(`encoder.layer.${i}`), c, x, mask);
  return x;
}
