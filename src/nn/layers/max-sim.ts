import {
  cast,
  dimMul,
  expandDims,
  matmul,
  max,
  mul,
  notEqual,
  reshape,
  sum,
  type Tensor,
  where,
} from '../../graph/index.ts';
import { realTokens } from './pooling.ts';

/** Score of a padded document position: below every cosine. */
const PADDED = -1000;

export interface LateInteraction {
  /** `[batch, query tokens, width]` */
  query: Tensor;
  /** `[batch, documents, tokens, width]` */
  documents: Tensor;
  /** `[batch, query tokens]`, 1 = counted; default all */
  queryMask?: Tensor;
  /** `[batch, documents, tokens]`, 1 = real; default all */
  documentMask?: Tensor;
}

/** Σ over query tokens of the best matching document token (Khattab & Zaharia 2020, eq. 3): `[batch, documents]`. */
export function maxSim({ query, documents, queryMask, documentMask }: LateInteraction): Tensor {
  const [batch, docs, tokens, width] = documents.shape;
  const flat = reshape(documents, [batch, dimMul(docs, tokens), width]);
  const products = matmul(query, flat, { transB: true });
  let scores = reshape(products, [batch, query.shape[1], docs, tokens]);
  if (documentMask) scores = where(notEqual(expandDims(documentMask, 1), 0), scores, PADDED);
  let best = max(scores, 3);
  if (queryMask) best = mul(best, expandDims(cast(realTokens(queryMask), best.dtype), 2));
  return sum(best, 1);
}
