import {
  dimMul,
  expandDims,
  matmul,
  reshape,
  spec,
  squeeze,
  sym,
  type Tensor,
  type TensorType,
} from '../../graph/index.ts';

/** A query and candidate documents, tokenized apart. */
export interface CandidateInputs extends Record<string, Tensor | undefined> {
  /** `[batch, query tokens]` */
  query_input_ids: Tensor;
  /** `[batch, query tokens]`, 1 = real */
  query_attention_mask?: Tensor;
  /** `[batch, documents, tokens]` */
  document_input_ids: Tensor;
  /** `[batch, documents, tokens]`, 1 = real */
  document_attention_mask?: Tensor;
}

/** What every ranker gives. */
export interface RankOutputs extends Record<string, Tensor | undefined> {
  /** Scores of the documents, `[batch, documents]` */
  logits: Tensor;
}

export const candidateInputTypes = (): Record<string, TensorType> => {
  const query = spec([sym('batch'), sym('query_length')], 'int64');
  const documents = spec([sym('batch'), sym('documents'), sym('document_length')], 'int64');
  return {
    query_input_ids: query,
    query_attention_mask: query,
    document_input_ids: documents,
    document_attention_mask: documents,
  };
};

/** `[batch, documents, ...rest]` to `[batch · documents, ...rest]`. */
export const flattenDocuments = (x: Tensor): Tensor =>
  reshape(x, [dimMul(x.shape[0], x.shape[1]), ...x.shape.slice(2)]);

/** The inverse, after `like [batch, documents, ...]`. */
export const groupDocuments = (x: Tensor, like: Tensor): Tensor =>
  reshape(x, [like.shape[0], like.shape[1], ...x.shape.slice(1)]);

/** Products of each query with its documents: `[batch, w]` and `[batch, documents, w]` to `[batch, documents]`. */
export const dotScores = (query: Tensor, documents: Tensor): Tensor =>
  squeeze(matmul(documents, expandDims(query, 1), { transB: true }), [2]);
