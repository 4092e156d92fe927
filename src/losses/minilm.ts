import {
  add,
  broadcastTo,
  cast,
  expandDims,
  logSoftmax,
  matmul,
  mul,
  reshape,
  showShape,
  stopGradient,
  sum,
  type Tensor,
  transpose,
  where,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { forwardKl } from './divergences.ts';
import { asBool, maskRows, safeDiv } from './numerics.ts';

/** One kind of vectors of an attention layer for each model, heads concatenated: `[batch, seq, hidden]`. */
export interface RelationPair {
  student: Tensor;
  teacher: Tensor;
}

/**
 * MiniLM relation loss of one kind of vectors (queries, keys or values): with R = softmax(A Aᵀ/√d) per relation head,
 * Σ over heads and positions KL(R_t‖R_s) / (heads · length), padded positions cut off as rows and columns. The heads
 * are made anew by splitting the concatenated vectors, so hidden sizes and head counts may differ.
 *
 * @param pair student `[batch, seq, hidden]`, teacher `[batch, seq, hidden']`
 * @param attentionMask `[batch, seq]`, 1 for tokens
 * @param relationHeads number of relation heads; divides both hidden sizes
 * @returns `[batch]` nats
 * @source Wang et al. 2021 (2012.15828), definition of multi-head relations, as in the code of minilmv2.bb
 * @example
 * miniLmRelation({ student: constant([[[1, 0], [0, 1]]]), teacher: constant([[[1, 0], [0, 1]]]) }, constant([[1, 1]]), 1) // => [0]
 */
export function miniLmRelation(pair: RelationPair, attentionMask: Tensor, relationHeads: number): Tensor {
  return relationKl(
    relationLogp(pair.student, pair.student, attentionMask, relationHeads),
    relationLogp(pair.teacher, pair.teacher, attentionMask, relationHeads),
    attentionMask,
    relationHeads,
  );
}

/**
 * MiniLMv2: the mean of {@link miniLmRelation} over queries, keys and values of one teacher layer and the student's last.
 *
 * @param pairs queries, keys and values, `[batch, seq, hidden]` of each model
 * @param attentionMask `[batch, seq]`, 1 on tokens
 * @param relationHeads heads into which both hidden sizes are split
 * @returns `[batch]` nats
 * @source Wang et al. 2021 (2012.15828), the training loss, as in the code of minilmv2.bb (weights 1/3)
 * @example
 * miniLmV2([{ student: constant([[[1, 0], [0, 1]]]), teacher: constant([[[1, 0], [0, 1]]]) }], constant([[1, 1]]), 1) // => [0]
 */
export function miniLmV2(
  pairs: readonly RelationPair[],
  attentionMask: Tensor,
  relationHeads: number,
): Tensor {
  const terms = pairs.map((pair) => miniLmRelation(pair, attentionMask, relationHeads));
  return mul(
    terms.reduce((a, b) => add(a, b)),
    1 / pairs.length,
  );
}

/**
 * MiniLM v1: the attention maps (scaled dot products of queries and keys) plus the value relations, summed. Head counts
 * must be equal.
 *
 * @param options queries, keys and values, `[batch, seq, hidden]` of each model
 * @param attentionMask `[batch, seq]`, 1 on tokens
 * @param heads attention heads of both models
 * @returns `[batch]` nats
 * @source Wang et al. 2020 (2002.10957), eq. 6 (attention), 7 to 9 (values), 10 (their sum)
 * @example
 * miniLmV1({ queries: { student: constant([[[1]]]), teacher: constant([[[2]]]) }, keys: { student: constant([[[1]]]), teacher: constant([[[2]]]) }, values: { student: constant([[[1]]]), teacher: constant([[[2]]]) } }, constant([[1]]), 1) // => [0]
 */
export function miniLmV1(
  { queries, keys, values }: { queries: RelationPair; keys: RelationPair; values: RelationPair },
  attentionMask: Tensor,
  heads: number,
): Tensor {
  const attention = relationKl(
    relationLogp(queries.student, keys.student, attentionMask, heads),
    relationLogp(queries.teacher, keys.teacher, attentionMask, heads),
    attentionMask,
    heads,
  );
  return add(attention, miniLmRelation(values, attentionMask, heads));
}

/** log softmax(A Bᵀ/√d) per head, padded columns at -∞: `[batch, heads, seq, seq]`. */
function relationLogp(a: Tensor, b: Tensor, mask: Tensor, heads: number): Tensor {
  const split = (x: Tensor): Tensor => {
    const [batch, seq, hidden] = x.shape;
    if (typeof hidden !== 'number' || hidden % heads !== 0)
      throw new DecantError('shape', 'the relation heads must divide the hidden size', {
        seen: `${heads} heads, ${showShape(x.shape)}`,
      });
    return transpose(reshape(maskRows(x, mask), [batch, seq, heads, hidden / heads]), [0, 2, 1, 3]);
  };
  const width = (a.shape[2] as number) / heads;
  const scores = mul(matmul(split(a), split(b), { transB: true }), 1 / Math.sqrt(width));
  const columns = expandDims(expandDims(asBool(mask), 1), 1);
  // a fully padded sequence keeps finite rows; they are cut afterwards
  return logSoftmax(where(columns, scores, Number.NEGATIVE_INFINITY));
}

function relationKl(studentLogp: Tensor, teacherLogp: Tensor, mask: Tensor, heads: number): Tensor {
  const m = asBool(mask);
  const rows = expandDims(m, 1); // [batch, 1, seq]
  const kl = forwardKl(studentLogp, stopGradient(teacherLogp), { mask: broadcastRows(rows, studentLogp) });
  const length = sum(cast(m, kl.dtype), -1);
  return safeDiv(sum(kl, [1, 2]), mul(length, heads));
}

const broadcastRows = (rows: Tensor, like: Tensor): Tensor =>
  broadcastTo(rows, [like.shape[0], like.shape[1], like.shape[2]]);
