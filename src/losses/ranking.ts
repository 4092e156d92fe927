import {
  cast,
  gatherElements,
  mean,
  mul,
  sigmoid,
  slice,
  softplus,
  sort,
  stopGradient,
  sub,
  type Tensor,
  where,
} from '../graph/index.ts';
import { forwardKl, temperedLogp } from './divergences.ts';
import { asBool, maskRows, normalize } from './numerics.ts';
import { plackettLuce } from './reward.ts';

/**
 * Losses of rankers that score candidates of a query. `Scores` are raw (dot products, logits); the teacher's are
 * constants. Results are un-reduced.
 */
const square = (x: Tensor): Tensor => mul(x, x);

/**
 * Pointwise distillation of scores: (s - t)².
 *
 * @param studentScores `[...]`
 * @param teacherScores `[...]`
 * @returns `[...]`
 * @source Hofstätter et al. 2020 (2010.02666), section 4.2
 * @example
 * pointwiseMse(constant([1]), constant([3])) // => [4]
 */
export const pointwiseMse = (studentScores: Tensor, teacherScores: Tensor): Tensor =>
  square(sub(studentScores, stopGradient(teacherScores)));

/**
 * RankNet: -log σ(s⁺ - s⁻), optionally times a weight (t⁺ - t⁻ gives the weighted form, which keeps its sign).
 *
 * @param positiveScores `[pairs]`
 * @param negativeScores `[pairs]`
 * @param weights `[pairs]`, constants
 * @returns `[pairs]`
 * @source Burges et al. 2005, the cross-entropy cost; Hofstätter et al. 2020 (2010.02666), section 4.2, for the
 *   weighted form
 * @example
 * rankNet(constant([1]), constant([1])) // => [0.693147]
 */
export function rankNet(positiveScores: Tensor, negativeScores: Tensor, weights?: Tensor): Tensor {
  const loss = softplus(sub(negativeScores, positiveScores));
  return weights ? mul(loss, stopGradient(weights)) : loss;
}

/**
 * RankNet distillation: cross-entropy of σ(s⁺ - s⁻) with the teacher's σ(t⁺ - t⁻).
 *
 * @param student positive and negative scores `[pairs]`
 * @param teacher positive and negative scores `[pairs]`
 * @returns `[pairs]` nats
 * @source Burges et al. 2005, the cross-entropy form, with the teacher's probability as the target
 * @example
 * rankNetDistillation({ positive: constant([1]), negative: constant([1]) }, { positive: constant([0]), negative: constant([0]) }) // => [0.693147]
 */
export function rankNetDistillation(student: PairScores, teacher: PairScores): Tensor {
  const d = sub(student.positive, student.negative);
  const p = sigmoid(stopGradient(sub(teacher.positive, teacher.negative)));
  return sub(softplus(d), mul(p, d)); // = -p log σ(d) - (1 - p) log σ(-d)
}

export interface PairScores {
  positive: Tensor;
  negative: Tensor;
}

/**
 * Margin-MSE: ((s⁺ - s⁻) - (t⁺ - t⁻))².
 *
 * @param student positive and negative scores `[pairs]`
 * @param teacher positive and negative scores `[pairs]`
 * @returns `[pairs]`
 * @source Hofstätter et al. 2020 (2010.02666), definition of Margin-MSE
 * @example
 * marginMse({ positive: constant([3]), negative: constant([1]) }, { positive: constant([5]), negative: constant([4]) }) // => [1]
 */
export const marginMse = (student: PairScores, teacher: PairScores): Tensor =>
  pointwiseMse(sub(student.positive, student.negative), sub(teacher.positive, teacher.negative));

/**
 * Margin-MSE of one positive (first) against n negatives per query.
 *
 * @param studentScores `[queries, n + 1]`
 * @param teacherScores `[queries, n + 1]`
 * @returns `[queries, n]`
 * @source sentence-transformers' documentation, `MarginMSELoss` with several negatives
 * @example
 * marginMseList(constant([[3, 1, 2]]), constant([[5, 4, 4]])) // => [[1, 0]]
 */
export function marginMseList(studentScores: Tensor, teacherScores: Tensor): Tensor {
  const margins = (x: Tensor): Tensor =>
    sub(
      slice(x, { axes: [1], starts: [0], ends: [1] }),
      slice(x, { axes: [1], starts: [1], ends: [undefined] }),
    );
  return pointwiseMse(margins(studentScores), margins(teacherScores));
}

export interface ListwiseOptions {
  /** T of both models. Default 1. The result is multiplied by T². */
  temperature?: number;
  /** α: the teacher's scores are multiplied by it (ColBERTv2's distillation alpha). Default 1. */
  teacherScale?: number;
  /** `[queries, n]`, candidates to keep. */
  mask?: Tensor;
}

/**
 * List-wise KL: T² KL(softmax(αt/T) ‖ softmax(s/T)) over the candidates of each query.
 *
 * @param studentScores `[queries, n]`
 * @param teacherScores `[queries, n]`
 * @returns `[queries]` nats
 * @source Santhanam et al. 2021 (2112.01488), section 3.2; sentence-transformers' documentation, `DistillKLDivLoss`,
 *   for T²
 * @example
 * listwiseKl(constant([[1, 2]]), constant([[3, 4]])) // => [0]
 */
export function listwiseKl(
  studentScores: Tensor,
  teacherScores: Tensor,
  { temperature = 1, teacherScale = 1, mask }: ListwiseOptions = {},
): Tensor {
  const kept = (x: Tensor): Tensor => (mask ? where(asBool(mask), x, Number.NEGATIVE_INFINITY) : x);
  const q = temperedLogp(kept(studentScores), temperature);
  const p = temperedLogp(kept(mul(teacherScores, teacherScale)), temperature);
  return mul(forwardKl(q, p), temperature ** 2);
}

/**
 * ListMLE: negative log-likelihood (Plackett-Luce) of the teacher's order under the student's scores.
 *
 * @param studentScores `[queries, n]`
 * @param teacherScores `[queries, n]`; ties: the earlier candidate first
 * @param options mask `[queries, n]`; top: only the first `top` places count
 * @returns `[queries]` nats
 * @source Xia et al. 2008, definition of the likelihood loss; Plackett 1975
 * @example
 * listMle(constant([[0, 0, 0]]), constant([[1, 3, 2]])) // => [1.791759]
 */
export function listMle(
  studentScores: Tensor,
  teacherScores: Tensor,
  { mask, top }: { mask?: Tensor; top?: number } = {},
): Tensor {
  const t = stopGradient(teacherScores);
  // absent candidates go last
  const keys = mask ? where(asBool(mask), t, Number.NEGATIVE_INFINITY) : t;
  const order = sort(keys, 1, { descending: true })[1];
  const ranked = gatherElements(maskRows(studentScores, mask), order, 1);
  const present = mask ? gatherElements(cast(asBool(mask), 'int32'), order, 1) : undefined;
  return plackettLuce(ranked, { mask: present, top });
}

/**
 * Mean squared difference of embeddings, over the features.
 *
 * @param student `[..., features]`
 * @param teacher `[..., features]`; reduce a wider teacher (PCA) or project the student first
 * @param options normalized: compare directions (both divided by their L2 norms)
 * @returns `[...]`
 * @source Reimers and Gurevych 2020 (2004.09813), definition of the training loss
 * @example
 * embeddingMse(constant([[1, 2]]), constant([[1, 4]])) // => [2]
 */
export function embeddingMse(
  student: Tensor,
  teacher: Tensor,
  { normalized = false }: { normalized?: boolean } = {},
): Tensor {
  const f = normalized ? normalize : (x: Tensor): Tensor => x;
  return mean(square(sub(f(student), stopGradient(f(teacher)))), -1);
}
