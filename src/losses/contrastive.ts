import {
  add,
  arange,
  broadcastTo,
  div,
  exp,
  expandDims,
  gather,
  log,
  logSoftmax,
  matmul,
  mul,
  neg,
  scatterElements,
  stopGradient,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { pickLabel } from './labels.ts';
import { asBool, normalize } from './numerics.ts';

/** What contrastive representation distillation keeps between steps: one unit vector per training example and side. */
export interface CrdMemory {
  /** `[examples, dim]` */
  student: Tensor;
  /** `[examples, dim]` */
  teacher: Tensor;
}

export interface CrdOptions {
  /** τ of the scores. Default 0.07. */
  temperature?: number;
  /** Normaliser Z_s of the student's scores: examples · mean of the first batch's scores, then fixed. */
  zStudent: number | Tensor;
  /** Normaliser Z_t of the teacher's scores. */
  zTeacher: number | Tensor;
  /** Number of training examples n. */
  examples: number;
  /** Default 1e-7. */
  eps?: number;
}

/**
 * Contrastive representation distillation: per example, for each side,
 * -log P⁺/(P⁺ + K/n + ε) - Σ_K log (K/n)/(P⁻ + K/n + ε), with scores P = exp(<M_t[j], e_s>/τ)/Z_s of the student's
 * embedding against the teacher's memory and exp(<M_s[j], e_t>/τ)/Z_t of the teacher's against the student's; both
 * summed. Embeddings are normalised here; a trained embedding of the teacher gets its gradient.
 *
 * @param studentEmbedding `[batch, dim]`
 * @param teacherEmbedding `[batch, dim]`
 * @param memory of both models, `[examples, dim]` each, rows of length 1
 * @param positive `[batch]` int32, index of each example
 * @param negatives `[batch, K]` int32, indices of its negatives
 * @returns `[batch]` nats
 * @source Tian et al. 2020 (1910.10699), eq. 10 with the critic of eq. 19, normalised as in the authors' code
 * @example
 * crdLoss(constant([[1, 0]]), constant([[1, 0]]), { student: constant([[1, 0], [0, 1]]), teacher: constant([[1, 0], [0, 1]]) }, constant([0], 'int32'), constant([[1]], 'int32'), { temperature: 1, zStudent: 4, zTeacher: 4, examples: 2 }) // => [1.91382]
 */
export function crdLoss(
  studentEmbedding: Tensor,
  teacherEmbedding: Tensor,
  memory: CrdMemory,
  positive: Tensor,
  negatives: Tensor,
  options: CrdOptions,
): Tensor {
  const { zStudent, zTeacher } = options;
  const s = crdScores(studentEmbedding, memory.teacher, positive, negatives, options);
  const t = crdScores(teacherEmbedding, memory.student, positive, negatives, options);
  return add(
    crdSide(div(s.positive, zStudent), div(s.negatives, zStudent), options),
    crdSide(div(t.positive, zTeacher), div(t.negatives, zTeacher), options),
  );
}

/**
 * Unnormalised scores exp(<M[j], e>/τ) of CRD; n times their mean over the first batch is the normaliser Z.
 *
 * @param embedding `[batch, dim]`
 * @param memory `[examples, dim]` of the other side; a constant
 * @param positive `[batch]` int32
 * @param negatives `[batch, K]` int32
 * @returns positive `[batch]`, negatives `[batch, K]`
 * @source Tian et al. 2020 (1910.10699), the exponential similarity of eq. 19, as in the authors' code
 * @example
 * crdScores(constant([[1, 0]]), constant([[1, 0], [0, 1]]), constant([0], 'int32'), constant([[1]], 'int32'), { temperature: 1 }).negatives // => [[1]]
 */
export function crdScores(
  embedding: Tensor,
  memory: Tensor,
  positive: Tensor,
  negatives: Tensor,
  { temperature = 0.07 }: { temperature?: number } = {},
): { positive: Tensor; negatives: Tensor } {
  const e = normalize(embedding);
  const m = stopGradient(memory);
  const near = gather(m, positive, 0);
  const far = gather(m, negatives, 0);
  return {
    positive: exp(mul(sum(mul(near, e), -1), 1 / temperature)),
    negatives: exp(mul(sum(mul(far, expandDims(e, 1)), -1), 1 / temperature)),
  };
}

function crdSide(positive: Tensor, negatives: Tensor, { examples, eps = 1e-7 }: CrdOptions): Tensor {
  const k = negatives.shape[1];
  if (typeof k !== 'number') throw new DecantError('shape', 'the number of CRD negatives must be known');
  const noise = k / examples;
  const hit = log(div(positive, add(positive, noise + eps)));
  const miss = log(div(noise, add(negatives, noise + eps)));
  return neg(add(hit, sum(miss, -1)));
}

/**
 * A memory after a step: M[i] ← normalise(m·M[i] + (1 - m)·normalise(e)). Each index once per batch.
 *
 * @param memory `[examples, dim]`
 * @param indices `[batch]` int32
 * @param embedding `[batch, dim]`
 * @returns `[examples, dim]`, no gradient
 * @source Tian et al. 2020 (1910.10699), the authors' code (momentum 0.5)
 * @example
 * crdUpdateMemory(constant([[1, 0], [0, 1]]), constant([0], 'int32'), constant([[0, 2]])) // => [[0.707107, 0.707107], [0, 1]]
 */
export function crdUpdateMemory(
  memory: Tensor,
  indices: Tensor,
  embedding: Tensor,
  { momentum = 0.5 }: { momentum?: number } = {},
): Tensor {
  const old = gather(stopGradient(memory), indices, 0);
  const fresh = normalize(stopGradient(embedding));
  const moved = normalize(add(mul(old, momentum), mul(fresh, 1 - momentum)));
  return scatterElements(stopGradient(memory), broadcastTo(expandDims(indices, 1), moved.shape), moved, 0);
}

export interface InfoNceOptions {
  /** τ of the cosine similarities. Default 0.07. */
  temperature?: number;
  /** `[batch, candidates]`: candidates to keep, e.g. to leave out false negatives. */
  mask?: Tensor;
}

/**
 * InfoNCE: -log softmax_j(cos(a_i, b_j)/τ) at j = i; the candidates b beyond the batch are further negatives. Both sides
 * get gradients; wrap a frozen teacher's features in stopGradient. CLIP's symmetric form is the mean of both directions.
 *
 * @param anchors `[batch, dim]`
 * @param candidates `[batch + extra, dim]`, the positive of anchor i at row i
 * @returns `[batch]` nats
 * @source van den Oord et al. 2018 (1807.03748), eq. 4; Chen et al. 2020 (2002.05709), eq. 1 for cosine and τ
 * @example
 * infoNce(constant([[1, 0], [0, 1]]), constant([[1, 0], [0, 1]]), { temperature: 1 }) // => [0.313262, 0.313262]
 */
export function infoNce(
  anchors: Tensor,
  candidates: Tensor,
  { temperature = 0.07, mask }: InfoNceOptions = {},
): Tensor {
  let scores = mul(matmul(normalize(anchors), normalize(candidates), { transB: true }), 1 / temperature);
  if (mask) scores = where(asBool(mask), scores, Number.NEGATIVE_INFINITY);
  return neg(pickLabel(logSoftmax(scores), arange(anchors.shape[0], { dtype: 'int32' })));
}
