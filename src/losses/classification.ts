import {
  add,
  arange,
  div,
  equal,
  exp,
  expandDims,
  greater,
  isSymbolic,
  logSoftmax,
  mean,
  mul,
  neg,
  squeeze,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { forwardKl, type RowOptions, temperedLogp } from './divergences.ts';
import { crossEntropyWithLabels, pickLabel } from './labels.ts';
import { logSumExp, maskRows, normalize, safeSqrt, weigh } from './numerics.ts';

/**
 * Distillation losses of classification. Arguments are raw logits `[batch, classes]` (any leading axes), labels are
 * int32 `[batch]`; the teacher is a constant. Results are one number per example unless stated; the batch mean is the
 * caller's. Top-k teachers: pass the log-probabilities of the K+1 distribution (`sparse.ts`) as logits.
 */
export interface TemperatureOptions extends RowOptions {
  /** τ; both models' logits are divided by it. */
  temperature?: number;
}

/**
 * Softened KL of knowledge distillation, τ² KL(p_τ‖q_τ). The factor keeps gradients of one size over τ.
 *
 * @param studentLogits `[..., classes]`
 * @param teacherLogits `[..., classes]`
 * @returns `[...]` nats
 * @source Hinton et al. 2015 (1503.02531), section 2: eq. 1 for the temperature, the factor T² unnumbered
 * @example
 * hintonKl(constant([[0, 0]]), constant([[4, 0]]), { temperature: 4 }) // => [1.775107]
 */
export const hintonKl = (
  studentLogits: Tensor,
  teacherLogits: Tensor,
  { temperature = 4, mask }: TemperatureOptions = {},
): Tensor => {
  const logp = (x: Tensor): Tensor => temperedLogp(maskRows(x, mask), temperature);
  return mul(forwardKl(logp(studentLogits), logp(teacherLogits), { mask }), temperature ** 2);
};

export interface HintonOptions extends TemperatureOptions {
  /** α, the weight of the cross-entropy with labels (at temperature 1); 1 - α weighs the KL. Default 0.5. */
  alpha?: number;
}

/**
 * Knowledge distillation with labels: α CE(softmax(s), y) + (1 - α) τ² KL(p_τ‖q_τ).
 *
 * @param studentLogits `[..., classes]`
 * @param teacherLogits `[..., classes]`
 * @param labels `[...]` int32; -100 leaves the cross-entropy out
 * @returns `[...]` nats
 * @source Hinton et al. 2015 (1503.02531), section 2: eq. 1 for the temperature, the weighted sum unnumbered
 * @example
 * hintonKd(constant([[0, 0]]), constant([[4, 0]]), constant([0], 'int32'), { temperature: 4 }) // => [1.234127]
 */
export const hintonKd = (
  studentLogits: Tensor,
  teacherLogits: Tensor,
  labels: Tensor,
  { alpha = 0.5, mask, ...options }: HintonOptions = {},
): Tensor =>
  add(
    mul(maskRows(crossEntropyWithLabels(maskRows(studentLogits, mask), labels), mask), alpha),
    mul(hintonKl(studentLogits, teacherLogits, { mask, ...options }), 1 - alpha),
  );

/**
 * Z-scored logits (z - mean) / (std + eps) over the last axis, unbiased standard deviation; the gradient passes
 * through both. Needs two classes or more. Constant logits become 0 (gradient through the deviation 0).
 *
 * @param logits `[..., classes]`
 * @returns `[..., classes]`
 * @source Sun et al. 2024 (2403.01427), the Z-score as in the authors' code (`KD.py`)
 * @example
 * standardizeLogits(constant([[1, 2, 3]])) // => [[-1, 0, 1]]
 */
export function standardizeLogits(logits: Tensor, { eps = 1e-7 }: { eps?: number } = {}): Tensor {
  const classes = atLeastTwoClasses(logits, 'logit standardization');
  const centred = sub(logits, mean(logits, -1, true));
  const deviation = safeSqrt(mul(sum(mul(centred, centred), -1, true), 1 / (classes - 1)));
  return div(centred, add(deviation, eps));
}

/**
 * {@link hintonKd} with z-scored logits of both models in the KL; the cross-entropy sees the raw ones.
 *
 * @param studentLogits `[..., classes]`
 * @param teacherLogits `[..., classes]`
 * @param labels `[...]` int32
 * @returns `[...]` nats
 * @source Sun et al. 2024 (2403.01427), as in the authors' code (`KD.py`; base τ 2, KL weight 9 there)
 * @example
 * standardizedKd(constant([[0, 1]]), constant([[0, 5]]), constant([1], 'int32'), { alpha: 0 }) // => [0]
 */
export const standardizedKd = (
  studentLogits: Tensor,
  teacherLogits: Tensor,
  labels: Tensor,
  { eps = 1e-7, alpha = 0.5, mask, ...options }: HintonOptions & { eps?: number } = {},
): Tensor => {
  const [s, t] = [maskRows(studentLogits, mask), maskRows(teacherLogits, mask)];
  return add(
    mul(maskRows(crossEntropyWithLabels(s, labels), mask), alpha),
    mul(
      hintonKl(standardizeLogits(s, { eps }), standardizeLogits(t, { eps }), { mask, ...options }),
      1 - alpha,
    ),
  );
};

export interface DkdOptions extends TemperatureOptions {
  /** Weight of the target-class term. Default 1. */
  alpha?: number;
  /** Weight of the non-target term. Default 8 (the paper uses 2 to 8). */
  beta?: number;
}

/**
 * Decoupled KD: τ² (α KL(b(t)‖b(s)) + β KL over classes ≠ y), b = (mass of y, rest), the second over softmax(z/τ) with
 * the target removed. α = 1 and β = 1 - p_τ(y) give the Hinton KL. Needs two classes or more.
 *
 * @param studentLogits `[..., classes]`
 * @param teacherLogits `[..., classes]`
 * @param labels `[...]` int32
 * @returns `[...]` nats
 * @source Zhao et al. 2022 (2203.08679), the DKD loss as in mdistiller's code (`DKD.py`)
 * @example
 * decoupledKd(constant([[1, 2, 3]]), constant([[1, 2, 3]]), constant([0], 'int32')) // => [0]
 */
export function decoupledKd(
  studentLogits: Tensor,
  teacherLogits: Tensor,
  labels: Tensor,
  { alpha = 1, beta = 8, temperature = 4, mask }: DkdOptions = {},
): Tensor {
  atLeastTwoClasses(studentLogits, 'decoupled KD');
  const s = splitTarget(maskRows(studentLogits, mask), labels, temperature);
  const t = splitTarget(stopGradient(maskRows(teacherLogits, mask)), labels, temperature);
  const target = add(
    weigh(exp(t.logTarget), t.logTarget, s.logTarget),
    weigh(exp(t.logRest), t.logRest, s.logRest),
  );
  const rest = forwardKl(s.others, t.others);
  return maskRows(mul(add(mul(target, alpha), mul(rest, beta)), temperature ** 2), mask);
}

export interface NkdOptions extends TemperatureOptions {
  /** Weight of the non-target term. Default 1.5. */
  gamma?: number;
}

/**
 * Normalized KD: -p(y) log q(y) - γ τ² Σ_{c≠y} N_t(c) log N_s(c), N = softmax(z/τ) over c ≠ y; the first term at
 * temperature 1. A cross-entropy: its minimum is not 0. Added to the cross-entropy with labels. Needs two classes.
 *
 * @param studentLogits `[..., classes]`
 * @param teacherLogits `[..., classes]`
 * @param labels `[...]` int32
 * @returns `[...]` nats
 * @source Yang et al. 2023 (2303.13005), the NKD loss; τ² as in the authors' code (`nkd.py`)
 * @example
 * normalizedKd(constant([[0, 0, 0]]), constant([[0, 0, 0]]), constant([0], 'int32')) // => [1.405925]
 */
export function normalizedKd(
  studentLogits: Tensor,
  teacherLogits: Tensor,
  labels: Tensor,
  { gamma = 1.5, temperature = 1, mask }: NkdOptions = {},
): Tensor {
  atLeastTwoClasses(studentLogits, 'normalized KD');
  const [sl, tl] = [maskRows(studentLogits, mask), stopGradient(maskRows(teacherLogits, mask))];
  const py = pickLabel(exp(logSoftmax(tl)), labels);
  const target = neg(mul(py, pickLabel(logSoftmax(sl), labels)));
  const nt = splitTarget(tl, labels, temperature).others;
  const ns = splitTarget(sl, labels, temperature).others;
  const w = exp(nt);
  const rest = neg(sum(weigh(w, ns, mul(w, 0)), -1));
  return maskRows(add(target, mul(rest, gamma * temperature ** 2)), mask);
}

/** log mass of the target, of the rest, and log-probabilities among the others (-∞ at the target). */
function splitTarget(
  logits: Tensor,
  labels: Tensor,
  temperature: number,
): { logTarget: Tensor; logRest: Tensor; others: Tensor } {
  const classes = logits.shape[logits.rank - 1];
  const z = temperature === 1 ? logits : mul(logits, 1 / temperature);
  const logp = logSoftmax(z);
  const isTarget = equal(expandDims(labels, -1), arange(classes, { dtype: 'int32' }));
  const logRest = logSumExp(where(isTarget, Number.NEGATIVE_INFINITY, logp), -1, true);
  // a rest of no mass has no distribution: the uniform one stands in, equal for both models
  const some = greater(logRest, Number.NEGATIVE_INFINITY);
  return {
    logTarget: sum(where(isTarget, logp, 0), -1),
    logRest: squeeze(logRest, -1),
    others: logSoftmax(where(isTarget, Number.NEGATIVE_INFINITY, where(some, z, 0))),
  };
}

export interface DistOptions extends TemperatureOptions {
  /** Norms below it count as it. Default 1e-8. */
  eps?: number;
}

/** 1 - Pearson correlation along an axis. Rows without variation correlate 0 with everything. */
const correlationDistance = (a: Tensor, b: Tensor, axis: number, eps: number): Tensor => {
  const direction = (x: Tensor): Tensor => normalize(sub(x, mean(x, axis, true)), axis, eps);
  return sub(1, sum(mul(direction(a), direction(b)), axis));
};

/**
 * DIST: relations instead of values. `inter` is 1 - ρ(q_n, p_n) over classes, one per example; `intra` is
 * 1 - ρ(q_·c, p_·c) over the batch, one per class; both times τ². The loss is β·mean(inter) + γ·mean(intra), β = γ = 2.
 * The original code has no τ²: divide by it to follow that.
 *
 * @param studentLogits `[batch, classes]`
 * @param teacherLogits `[batch, classes]`
 * @returns inter `[batch]`, intra `[classes]`
 * @source Huang et al. 2022 (2205.10536), eq. 8 (inter) and 9 (intra); τ² as in torchdistill's code
 * @example
 * dist(constant([[1, 0, 3], [2, 2, 0]]), constant([[1, 0, 3], [2, 2, 0]])).inter // => [0, 0]
 */
export function dist(
  studentLogits: Tensor,
  teacherLogits: Tensor,
  { temperature = 1, eps = 1e-8 }: Omit<DistOptions, 'mask'> = {},
): { inter: Tensor; intra: Tensor } {
  const q = exp(temperedLogp(studentLogits, temperature));
  const p = stopGradient(exp(temperedLogp(teacherLogits, temperature)));
  return {
    inter: mul(correlationDistance(q, p, 1, eps), temperature ** 2),
    intra: mul(correlationDistance(q, p, 0, eps), temperature ** 2),
  };
}

function atLeastTwoClasses(logits: Tensor, what: string): number {
  const classes = logits.shape[logits.rank - 1];
  if (isSymbolic(classes) || classes < 2)
    throw new DecantError('shape', `${what} needs two classes or more`, {
      seen: isSymbolic(classes) ? classes.key : classes,
      fix: 'with one class every distribution is the same: there is nothing to distil',
    });
  return classes;
}
