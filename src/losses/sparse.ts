import {
  abs,
  add,
  arange,
  clip,
  concat,
  equal,
  exp,
  expandDims,
  gatherElements,
  greater,
  greaterEqual,
  logicalAnd,
  max,
  min,
  mul,
  relu,
  scatterElements,
  size,
  squeeze,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';
import { temperedLogp } from './divergences.ts';
import { asBool, logMass, logSumExp, maskRows, negLogSigmoid, weigh } from './numerics.ts';

/**
 * Losses against a teacher of whom only the k most likely classes are known, per row: their ids and log-probabilities.
 * The student's log-probabilities come from its full softmax. What to do with the teacher's missing mass:
 * - `tail` keeps it as one more class on both sides: a proper K+1 distribution, whose f-divergences never exceed the
 *   dense ones;
 * - `zero` drops it and renormalises the k (student mass outside them is punished by the JSD and TV forms only).
 */
export interface TopKTeacher {
  /** `[..., k]` int32, distinct; a negative id is padding */
  ids: Tensor;
  /** `[..., k]` log-probabilities at temperature 1; at padding anything */
  logp: Tensor;
  /** `[...]` log of the mass outside the k, where it was stored; else it is 1 - Σ e^logp, which loses small tails */
  logTail?: Tensor;
}

/** What becomes of the teacher's mass outside its top k. */
export type MissingMass = 'tail' | 'zero';

export interface TopKOptions {
  /** T of both models. Results are not multiplied by T². Default 1. */
  temperature?: number;
  /** `[...]`, rows to keep. */
  mask?: Tensor;
}

export interface SparseOptions extends TopKOptions {
  /** Default `tail`. */
  missing?: MissingMass;
}

// The mass of a tail bucket stays inside [1e-8, 1 - 1e-8]; no gradient passes outside.
const LOG_FLOOR = Math.log(1e-8);
const LOG_CEILING = Math.log1p(-1e-8);
const clampTail = (logTail: Tensor): Tensor => clip(logTail, LOG_FLOOR, LOG_CEILING);

/**
 * Student and teacher as distributions over the teacher's top k and one tail bucket that holds the rest. Any divergence
 * of `divergences.ts` takes the result: `forwardKl(s.studentLogp, s.teacherLogp)`. Merging classes never raises an
 * f-divergence, so at T = 1 the value is a lower bound of the dense one (up to the clamp of the tail's mass to
 * [1e-8, 1 - 1e-8]). At temperature T the teacher's tail counts as one class of mass rest^(1/T).
 *
 * @param studentLogits `[..., classes]`
 * @param teacher ids and log-probabilities `[..., k]`; constants
 * @returns studentLogp and teacherLogp `[..., k + 1]`, the tail last; -∞ at padding
 * @source Shum et al. 2024 (2406.13555), section 3, for distributions cut to the top k; DistillKit's code for T ≠ 1
 * @example
 * withTail(constant([[0, 0, 0, 0]]), { ids: constant([[2]], 'int32'), logp: constant([[-0.693147]]) }).studentLogp // => [[-1.386294, -0.287682]]
 */
export function withTail(
  studentLogits: Tensor,
  teacher: TopKTeacher,
  options: TopKOptions = {},
): { studentLogp: Tensor; teacherLogp: Tensor } {
  const t = teacherWithTail(teacher, options);
  const s = studentTop(studentLogits, teacher.ids, options);
  return {
    studentLogp: concat([s.logp, expandDims(clampTail(s.logRest), -1)], -1),
    teacherLogp: concat([t.logp, expandDims(t.logTail, -1)], -1),
  };
}

/**
 * A label as a class of the K+1 distribution of {@link withTail}: its place among the teacher's ids, or k (the tail).
 *
 * @param labels `[...]` int32
 * @param ids `[..., k]` int32
 * @returns `[...]` int32
 * @source none: bookkeeping of {@link withTail}
 * @example
 * tailLabels(constant([7, 1], 'int32'), constant([[3, 7], [3, 7]], 'int32')) // => [1, 2]
 */
export function tailLabels(labels: Tensor, ids: Tensor): Tensor {
  const k = ids.shape[ids.rank - 1];
  const hit = equal(ids, expandDims(labels, -1));
  return min(where(hit, arange(k, { dtype: 'int32' }), size(k, 'int32')), -1);
}

/**
 * Sparse KL(p̂‖q) = Σ_k p̂ (log p̂ - log q), plus the tail's term with `tail`. With `zero`, p̂ is renormalised over the
 * k and q is not: at least 0, but 0 only when the student's mass lies in the k.
 *
 * @param studentLogits `[..., classes]`
 * @param teacher ids and log-probabilities `[..., k]`
 * @returns `[...]` nats
 * @source DistillKit's code (arcee-ai), `sparse_kl_div`
 * @example
 * sparseKl(constant([[0, 0]]), { ids: constant([[0]], 'int32'), logp: constant([[-0.287682]]) }) // => [0.130812]
 */
export function sparseKl(studentLogits: Tensor, teacher: TopKTeacher, options: SparseOptions = {}): Tensor {
  const { s, t, tails } = sides(studentLogits, teacher, options);
  const inside = sum(weigh(exp(t), t, s.logp), -1);
  const out = tails ? add(inside, weigh(exp(tails.t), tails.t, tails.s)) : inside;
  return maskRows(out, options.mask);
}

/**
 * Sparse Jensen-Shannon divergence ½ KL(p̂‖m) + ½ KL(q‖m). With `zero`, student mass outside the k adds ½ log 2 per unit.
 *
 * @param studentLogits `[..., classes]`
 * @param teacher ids and log-probabilities `[..., k]`
 * @returns `[...]` nats, at most log 2
 * @source DistillKit's code (arcee-ai), `sparse_js_div`
 * @example
 * sparseJsd(constant([[0, 0]]), { ids: constant([[0]], 'int32'), logp: constant([[-0.693147]]) }) // => [0]
 */
export function sparseJsd(studentLogits: Tensor, teacher: TopKTeacher, options: SparseOptions = {}): Tensor {
  const { s, t, tails } = sides(studentLogits, teacher, options);
  const halves = (logp: Tensor, logq: Tensor): Tensor => {
    const [p, q] = [exp(logp), exp(logq)];
    const logm = logMass(mul(add(p, q), 0.5));
    return mul(add(weigh(p, logp, logm), weigh(q, logq, logm)), 0.5);
  };
  const outside = tails ? halves(tails.t, tails.s) : mul(exp(s.logRest), Math.LN2 / 2);
  return maskRows(add(sum(halves(t, s.logp), -1), outside), options.mask);
}

/**
 * Sparse total variation ½ Σ |p̂ - q|. With `zero`, student mass outside the k adds ½ per unit.
 *
 * @param studentLogits `[..., classes]`
 * @param teacher ids and log-probabilities `[..., k]`
 * @returns `[...]`, 0 to 1
 * @source DistillKit's code (arcee-ai), `sparse_tvd`
 * @example
 * sparseTotalVariation(constant([[0, 0]]), { ids: constant([[0]], 'int32'), logp: constant([[-0.287682]]) }) // => [0.25]
 */
export function sparseTotalVariation(
  studentLogits: Tensor,
  teacher: TopKTeacher,
  options: SparseOptions = {},
): Tensor {
  const { s, t, tails } = sides(studentLogits, teacher, options);
  const inside = sum(abs(sub(exp(t), exp(s.logp))), -1);
  const outside = tails ? abs(sub(exp(tails.t), exp(tails.s))) : exp(s.logRest);
  return maskRows(mul(add(inside, outside), 0.5), options.mask);
}

/** Values of all ordered pairs of the teacher's top k, and which of them count. */
export interface TopKPairs {
  /** `[..., k, k]`: entry (a, b) for the pair "a before b"; 0 where it does not count */
  values: Tensor;
  /** `[..., k, k]` bool: the teacher prefers a to b, neither is padding, the row is kept */
  pairs: Tensor;
}

/**
 * Logistic ranking: softplus(-(s_a - s_b)) over pairs of the top k with p_a > p_b, on the student's logits.
 * Reduce with `maskedMean(values, pairs)`.
 *
 * @param studentLogits `[..., classes]`
 * @param teacher ids and log-probabilities `[..., k]`
 * @returns values and pairs `[..., k, k]`
 * @source DistillKit's code (arcee-ai), `sparse_logistic_ranking`; Burges et al. 2005 (RankNet)
 * @example
 * sparseLogisticRanking(constant([[0, 0]]), { ids: constant([[1, 0]], 'int32'), logp: constant([[-0.1, -3]]) }).values // => [[[0, 0.693147], [0, 0]]]
 */
export const sparseLogisticRanking = (
  studentLogits: Tensor,
  teacher: TopKTeacher,
  options: Pick<TopKOptions, 'mask'> = {},
): TopKPairs => {
  const s = gatherTop(maskRows(studentLogits, options.mask), teacher.ids);
  return pairwise(s, teacher, options.mask, negLogSigmoid);
};

/**
 * Hinge ranking: max(0, margin - (q_a - q_b)) over pairs of the top k with p_a > p_b, on the student's probabilities.
 * Reduce with `maskedMean(values, pairs)`.
 *
 * @param studentLogits `[..., classes]`
 * @param teacher ids and log-probabilities `[..., k]`
 * @returns values and pairs `[..., k, k]`
 * @source DistillKit's code (arcee-ai), `sparse_hinge`
 * @example
 * sparseHinge(constant([[0, 0]]), { ids: constant([[1, 0]], 'int32'), logp: constant([[-0.1, -3]]) }).values // => [[[0, 0.1], [0, 0]]]
 */
export const sparseHinge = (
  studentLogits: Tensor,
  teacher: TopKTeacher,
  { margin = 0.1, temperature = 1, mask }: TopKOptions & { margin?: number } = {},
): TopKPairs => {
  const q = exp(gatherTop(temperedLogp(maskRows(studentLogits, mask), temperature), teacher.ids));
  return pairwise(q, teacher, mask, (d) => relu(sub(margin, d)));
};

function pairwise(
  x: Tensor,
  { ids, logp }: TopKTeacher,
  mask: Tensor | undefined,
  f: (difference: Tensor) => Tensor,
): TopKPairs {
  const known = teacherKnown({ ids, logp }, mask);
  const [row, column] = [expandDims(known, -1), expandDims(known, -2)];
  let pairs = logicalAnd(greater(row, column), greater(column, Number.NEGATIVE_INFINITY));
  if (mask) pairs = logicalAnd(pairs, expandDims(expandDims(asBool(mask), -1), -1));
  const d = where(pairs, sub(expandDims(x, -1), expandDims(x, -2)), 0);
  return { values: where(pairs, f(d), 0), pairs };
}

const teacherKnown = ({ ids, logp }: TopKTeacher, mask?: Tensor): Tensor =>
  where(greaterEqual(ids, 0), stopGradient(maskRows(logp, mask)), Number.NEGATIVE_INFINITY);

/**
 * The teacher's log-probabilities over its top k and its tail at temperature T: a - log(Σ e^a + rest^(1/T)) and
 * log rest^(1/T) - the same, a = logp / T; at T = 1 simply logp and log rest.
 *
 * @param teacher `[..., k]`
 * @returns logp `[..., k]` (-∞ at padding), logTail `[...]` (clamped); constants
 * @source DistillKit's code (arcee-ai), missing probability `symmetric_uniform`
 * @example
 * teacherWithTail({ ids: constant([[0]], 'int32'), logp: constant([[-0.693147]]) }).logTail // => [-0.693147]
 */
export function teacherWithTail(
  teacher: TopKTeacher,
  { temperature = 1, mask }: TopKOptions = {},
): { logp: Tensor; logTail: Tensor } {
  const known = teacherKnown(teacher, mask);
  const rest = teacher.logTail
    ? expandDims(stopGradient(maskRows(teacher.logTail, mask)), -1)
    : logMass(relu(sub(1, sum(exp(known), -1, true))));
  if (temperature === 1) return { logp: known, logTail: clampTail(squeeze(rest, -1)) };
  const [a, tail] = [mul(known, 1 / temperature), mul(rest, 1 / temperature)];
  const norm = logSumExp(concat([a, tail], -1), -1, true);
  return { logp: sub(a, norm), logTail: clampTail(squeeze(sub(tail, norm), -1)) };
}

/**
 * The teacher's log-probabilities at temperature T renormalised over its top k: a - log Σ e^a, a = logp / T.
 *
 * @param teacher `[..., k]`
 * @returns `[..., k]` (-∞ at padding); a constant
 * @source DistillKit's code (arcee-ai), missing probability `zero`
 * @example
 * teacherRenormalized({ ids: constant([[0, 3]], 'int32'), logp: constant([[-2, -2]]) }) // => [[-0.693147, -0.693147]]
 */
export function teacherRenormalized(
  teacher: TopKTeacher,
  { temperature = 1, mask }: TopKOptions = {},
): Tensor {
  const a = mul(teacherKnown(teacher, mask), 1 / temperature);
  const top = logSumExp(a, -1, true);
  return sub(a, where(greater(top, Number.NEGATIVE_INFINITY), top, 0));
}

/** x at the teacher's ids; padding reads class 0. */
const gatherTop = (x: Tensor, ids: Tensor): Tensor =>
  gatherElements(x, where(greaterEqual(ids, 0), ids, 0), x.rank - 1);

/** The student's log-probabilities at the teacher's ids (-∞ at padding), and the log of its mass elsewhere. */
function studentTop(
  studentLogits: Tensor,
  ids: Tensor,
  { temperature = 1, mask }: TopKOptions,
): { logp: Tensor; logRest: Tensor } {
  const logp = temperedLogp(maskRows(studentLogits, mask), temperature);
  const axis = logp.rank - 1;
  // padding repeats an id of its row, so that it takes nothing more out of the rest
  const known = greaterEqual(ids, 0);
  const repeated = where(known, ids, max(ids, axis, true));
  const some = greaterEqual(repeated, 0);
  const at = where(some, repeated, 0);
  const taken = gatherElements(logp, at, axis);
  const others = scatterElements(logp, at, where(some, Number.NEGATIVE_INFINITY, taken), axis);
  // summed over the other classes: 1 - Σ would lose a small tail
  return { logp: where(known, taken, Number.NEGATIVE_INFINITY), logRest: logSumExp(others) };
}

function sides(studentLogits: Tensor, teacher: TopKTeacher, options: SparseOptions) {
  const s = studentTop(studentLogits, teacher.ids, options);
  if (options.missing === 'zero') return { s, t: teacherRenormalized(teacher, options), tails: undefined };
  const t = teacherWithTail(teacher, options);
  return { s, t: t.logp, tails: { t: t.logTail, s: clampTail(s.logRest) } };
}
