import { exp, mul, type Tensor } from '../../graph/index.ts';
import {
  type CandidateInputs,
  candidateInputTypes,
  dotScores,
  flattenDocuments,
  groupDocuments,
  type RankOutputs,
} from '../layers/candidates.ts';
import type { Model } from '../model.ts';
import { constantInit, prefixed } from '../params.ts';
import { type EmbeddingOptions, sentencePart, type TokenEncoderConfig, tokenEncoder } from './sentence.ts';

export interface DualOutputs extends RankOutputs {
  /** `[batch, width]` */
  query_embeddings: Tensor;
  /** `[batch, documents, width]`; for negatives from the rest of the batch, compare them with every query */
  document_embeddings: Tensor;
}

export interface DualEncoderOptions extends EmbeddingOptions {
  /** Query and document have one encoder (default), whose parameters are those of `sentenceEncoder`; or one each. */
  readonly shared?: boolean;
  /**
   * Where a learnt factor on all scores starts (its logarithm is the parameter), 0 (default): none. Products of normalized vectors are within ±1, margins of
   * teachers are not. The order of documents does not depend on it, so that encoders are exported without it.
   */
  readonly scale?: number;
}

/**
 * A dual encoder: query and document become one vector each, the score is their product (Reimers & Gurevych 2019;
 * Karpukhin et al. 2020 for two separate encoders, parameters under `query_encoder.` and `document_encoder.`). With
 * `encoder: 'bag'` a text is the mean of its token embeddings: no layers, so thousands of documents per millisecond.
 */
export function dualEncoder(
  config: TokenEncoderConfig & DualEncoderOptions,
): Model<CandidateInputs, DualOutputs> {
  const encoder = tokenEncoder(config);
  const part = sentencePart(encoder, config);
  const shared = config.shared ?? true;
  const scale = config.scale ?? 0;
  const towers = shared
    ? part.params
    : { ...prefixed('query_encoder', part.params), ...prefixed('document_encoder', part.params) };
  return {
    architecture: 'DualEncoder',
    config: { ...encoder.config, shared, architectures: ['DualEncoder'] },
    params:
      scale === 0 ? towers : { ...towers, log_scale: { shape: [1], init: constantInit(Math.log(scale)) } },
    inputs: candidateInputTypes(),
    forward(s, inputs) {
      const ids = inputs.document_input_ids;
      const mask = inputs.document_attention_mask;
      const query_embeddings = part.embed(shared ? s : s.at('query_encoder'), {
        input_ids: inputs.query_input_ids,
        attention_mask: inputs.query_attention_mask,
      }).sentence;
      const document_embeddings = groupDocuments(
        part.embed(shared ? s : s.at('document_encoder'), {
          input_ids: flattenDocuments(ids),
          attention_mask: mask && flattenDocuments(mask),
        }).sentence,
        ids,
      );
      s.tap(query_embeddings, 'query_embeddings');
      s.tap(document_embeddings, 'document_embeddings');
      const products = dotScores(query_embeddings, document_embeddings);
      const logits = s.tap(scale === 0 ? products : mul(products, exp(s.param('log_scale'))), 'scores');
      return { logits, query_embeddings, document_embeddings };
    },
  };
}
