import type { Tensor } from '../../graph/index.ts';
import {
  type CandidateInputs,
  candidateInputTypes,
  flattenDocuments,
  groupDocuments,
  type RankOutputs,
} from '../layers/candidates.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { maxSim } from '../layers/max-sim.ts';
import { normalizeRows } from '../layers/pooling.ts';
import type { Model } from '../model.ts';
import { normalInit, prefixed } from '../params.ts';
import {
  type BertConfig,
  bertDefaults,
  bertEncoder,
  bertParams,
  type TextInputs,
  textInputs,
} from './bert.ts';

export interface LateOutputs extends RankOutputs {
  /** `[batch, query tokens, dim]`, each of length 1 */
  query_embeddings: Tensor;
  /** `[batch, documents, tokens, dim]`, each of length 1 */
  document_embeddings: Tensor;
}

/**
 * Late interaction (ColBERT, Khattab & Zaharia 2020): a short vector per token, and MaxSim between them. Parameter names
 * of its checkpoints: `bert.*`, `linear.weight [dim, hidden]`. Only query tokens of the query's mask are counted; give
 * [MASK] tokens a 1 there for the paper's query augmentation.
 */
export function colbert(config: Partial<BertConfig> & { dim?: number }): Model<CandidateInputs, LateOutputs> {
  const c = { ...bertDefaults, dim: 128, ...config } as BertConfig & { dim: number };
  const init = normalInit(c.initializer_range);
  return {
    architecture: 'HF_ColBERT',
    config: { ...c, architectures: ['HF_ColBERT'], model_type: 'bert' },
    params: {
      ...prefixed('bert', bertParams(c)),
      ...prefixed('linear', linearParams(c.hidden_size, c.dim, { bias: false, init })),
    },
    inputs: candidateInputTypes(),
    forward(s, inputs) {
      const embed = (text: TextInputs): Tensor =>
        normalizeRows(linear(s.at('linear'), bertEncoder(s.at('bert'), c, text).at(-1)!));
      const mask = inputs.document_attention_mask;
      const query_embeddings = s.tap(
        embed({ input_ids: inputs.query_input_ids, attention_mask: inputs.query_attention_mask }),
        'query_embeddings',
      );
      const flat = embed({
        input_ids: flattenDocuments(inputs.document_input_ids),
        attention_mask: mask && flattenDocuments(mask),
      });
      const document_embeddings = s.tap(
        groupDocuments(flat, inputs.document_input_ids),
        'document_embeddings',
      );
      const logits = maxSim({
        query: query_embeddings,
        documents: document_embeddings,
        queryMask: inputs.query_attention_mask,
        documentMask: mask,
      });
      return { logits: s.tap(logits, 'scores'), query_embeddings, document_embeddings };
    },
  };
}

/**
 * One side of {@link colbert} alone, for encoding documents ahead: `token_embeddings [batch, seq, dim]`, each of length 1.
 * Parameters are those of the whole model.
 */
export function colbertTokens(
  config: Partial<BertConfig> & { dim?: number },
): Model<TextInputs, { token_embeddings: Tensor }> {
  const whole = colbert(config);
  const c = whole.config as BertConfig;
  return {
    architecture: whole.architecture,
    config: whole.config,
    params: whole.params,
    inputs: textInputs(true),
    forward: (s, text) => ({
      token_embeddings: normalizeRows(linear(s.at('linear'), bertEncoder(s.at('bert'), c, text).at(-1)!)),
    }),
  };
}
