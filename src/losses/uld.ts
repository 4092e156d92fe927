import {
  abs,
  add,
  arange,
  argmax,
  array,
  broadcastTo,
  cast,
  constant,
  type Dim,
  expandDims,
  gather,
  gatherElements,
  isSymbolic,
  less,
  log,
  maximum,
  minimum,
  mul,
  pad,
  size,
  slice,
  softmax,
  sort,
  stopGradient,
  sub,
  sum,
  type Tensor,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { generalizedJsd } from './divergences.ts';
import { asBool, maskRows, safeDiv } from './numerics.ts';

/**
 * Universal logit distillation: teacher and student with different tokenizers, compared through their sorted
 * probabilities. The teacher is a constant.
 */
export interface UldOptions {
  /** Which row goes with an answer token: `observed` the one at its own position (the authors' default), `bayesian` the
   * one before, which predicts it. */
  strategy?: 'observed' | 'bayesian';
  temperature?: number;
}

/**
 * ULD: the answer spans of both models cut to the shorter length n, each row of probabilities sorted descending, the
 * smaller vocabulary padded with zeros; Σ over positions and vocabulary of |p - q|, divided by n. Invariant under any
 * permutation of either vocabulary. An example without answer is 0.
 *
 * @param studentLogits `[batch, seq, vocab]`
 * @param teacherLogits `[batch, seq', vocab']`
 * @param studentAnswer `[batch, seq]`, 1 on answer tokens, which are contiguous
 * @param teacherAnswer `[batch, seq']`
 * @returns `[batch]`
 * @source Boizard et al. 2024 (2402.12030), the ULD loss in the form of the authors' and TRL's code (weight 1.5 in the
 *   paper)
 * @example
 * uld(constant([[[2, 0, 1]]]), constant([[[1, 2, 0]]]), constant([[1]]), constant([[1]])) // => [0]
 */
export function uld(
  studentLogits: Tensor,
  teacherLogits: Tensor,
  studentAnswer: Tensor,
  teacherAnswer: Tensor,
  { strategy = 'observed', temperature = 1 }: UldOptions = {},
): Tensor {
  const s = answerRows(studentLogits, studentAnswer, strategy);
  const t = answerRows(stopGradient(teacherLogits), teacherAnswer, strategy);
  const positions = shorter(s.rows.shape[1], t.rows.shape[1]);
  const length = minimum(s.length, t.length); // [batch]
  const kept = less(expandDims(arange(positions), 0), expandDims(length, 1));
  const first = (x: Tensor): Tensor => takeFirst(x, positions);
  const distance = sortedDistance(
    softmaxAt(maskRows(first(s.rows), kept), temperature),
    softmaxAt(maskRows(first(t.rows), kept), temperature),
  );
  const total = sum(maskRows(distance, kept), -1);
  return safeDiv(total, cast(length, total.dtype));
}

const softmaxAt = (logits: Tensor, temperature: number): Tensor =>
  softmax(temperature === 1 ? logits : mul(logits, 1 / temperature));

/**
 * Σ |sort(q) - sort(p)| over the vocabulary, the smaller one padded with zeros.
 *
 * @param studentP `[..., vocab]` probabilities
 * @param teacherP `[..., vocab']` probabilities
 * @returns `[...]`, 0 to 2
 * @source Boizard et al. 2024 (2402.12030), the Wasserstein distance in its closed form
 * @example
 * sortedDistance(constant([[0.25, 0.75]]), constant([[0.5, 0, 0.5]])) // => [0.5]
 */
export function sortedDistance(studentP: Tensor, teacherP: Tensor): Tensor {
  const down = (x: Tensor): Tensor => sort(x, -1, { descending: true })[0];
  const [q, p] = padVocabulary(down(studentP), down(stopGradient(teacherP)));
  return sum(abs(sub(q, p)), -1);
}

function padVocabulary(a: Tensor, b: Tensor): [Tensor, Tensor] {
  const [va, vb] = [a.shape[a.rank - 1], b.shape[b.rank - 1]];
  if (isSymbolic(va) || isSymbolic(vb)) throw new DecantError('shape', 'vocabulary sizes must be known');
  const widen = (x: Tensor, by: number): Tensor =>
    by <= 0
      ? x
      : pad(
          x,
          Array.from({ length: x.rank }, (_, i) => [0, i === x.rank - 1 ? by : 0] as const),
        );
  return [widen(a, vb - va), widen(b, va - vb)];
}

/** Rows of the answer moved to the front: `rows [batch, seq, vocab]` and their number `[batch]`. */
function answerRows(
  logits: Tensor,
  answer: Tensor,
  strategy: 'observed' | 'bayesian',
): { rows: Tensor; length: Tensor } {
  const mask = cast(asBool(answer), 'int32');
  const [batch, seq, vocab] = logits.shape;
  const start = argmax(mask, 1); // first answer token
  const shift = strategy === 'bayesian' ? -1 : 0;
  const at = add(expandDims(add(start, shift), 1), expandDims(arange(seq), 0)); // [batch, seq]
  const inside = minimum(maximum(at, 0), sub(size(seq, 'int32'), 1));
  const index = broadcastTo(expandDims(inside, 2), [batch, seq, vocab]);
  return { rows: gatherElements(logits, index, 1), length: sum(mask, 1) };
}

const shorter = (a: Dim, b: Dim): number => {
  if (isSymbolic(a) || isSymbolic(b)) throw new DecantError('shape', 'sequence lengths must be known');
  return Math.min(a, b);
};

const takeFirst = (x: Tensor, n: number): Tensor => slice(x, { axes: [1], starts: [0], ends: [n] });

export interface HybridUldOptions {
  /** β of the divergence on tokens that both vocabularies hold. Default 0 (forward KL). */
  beta?: number;
  /** Weights of the matched and the unmatched part; default: share of the teacher's vocabulary that is matched, and the
   * rest. */
  weights?: readonly [matched: number, unmatched: number];
}

/**
 * Hybrid ULD: tokens that are the same string in both vocabularies take the generalized JSD of their probabilities
 * (clamped at 1e-8, not renormalised), all others the sorted distance.
 *
 * @param studentP `[..., vocab]` probabilities
 * @param teacherP `[..., vocab']` probabilities
 * @param matched ids of each matched token in both vocabularies, int32 `[matches]` (host arrays)
 * @returns `[...]`
 * @source TRL's code, GOLD trainer (hybrid loss), after Patiño et al. 2025
 * @example
 * hybridUld(constant([[0.5, 0.3, 0.2]]), constant([[0.2, 0.5, 0.3]]), { student: [0, 1], teacher: [1, 2] }) // => [0]
 */
export function hybridUld(
  studentP: Tensor,
  teacherP: Tensor,
  matched: { student: readonly number[]; teacher: readonly number[] },
  { beta = 0, weights }: HybridUldOptions = {},
): Tensor {
  const vs = vocabularyOf(studentP);
  const vt = vocabularyOf(teacherP);
  const take = (x: Tensor, ids: readonly number[]): Tensor =>
    gather(x, constant(array(ids, 'int32', [ids.length])), x.rank - 1);
  const rest = (n: number, ids: readonly number[]): number[] => {
    const used = new Set(ids);
    return Array.from({ length: n }, (_, i) => i).filter((i) => !used.has(i));
  };
  const share = vt === 0 ? 0 : matched.teacher.length / vt;
  const [wm, wu] = weights ?? [share, 1 - share];
  const logOf = (x: Tensor): Tensor => log(maximum(x, 1e-8));
  const same =
    matched.student.length === 0
      ? undefined
      : generalizedJsd(logOf(take(studentP, matched.student)), logOf(take(teacherP, matched.teacher)), {
          beta,
        });
  const [rs, rt] = [rest(vs, matched.student), rest(vt, matched.teacher)];
  const other =
    rs.length + rt.length === 0 ? undefined : sortedDistance(take(studentP, rs), take(teacherP, rt));
  const parts = [same && mul(same, wm), other && mul(other, wu)].filter((x): x is Tensor => x !== undefined);
  return parts.reduce((a, b) => add(a, b));
}

function vocabularyOf(x: Tensor): number {
  const v = x.shape[x.rank - 1];
  if (isSymbolic(v)) throw new DecantError('shape', 'vocabulary sizes must be known');
  return v;
}
