import {
  abs,
  add,
  customVjp,
  exp,
  expandDims,
  expm1,
  greater,
  less,
  logSoftmax,
  maximum,
  mul,
  neg,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { logMass, maskRows, weigh } from './numerics.ts';

/**
 * Divergences between a student q and a teacher p over the last axis. Arguments are log-probabilities (`…Logp`), as
 * `temperedLogp` makes them from logits; -∞ is a class of no mass. The teacher is a constant: no gradient reaches it.
 * Results are un-reduced, one number per row in nats; rows whose mask is off are 0 and pass no gradient.
 */
export interface RowOptions {
  /** `[...]`, the leading axes: rows to keep, boolean or 0/1. */
  mask?: Tensor;
}

/**
 * Log-probabilities at temperature T: log softmax(logits / T).
 *
 * @param logits `[..., classes]`
 * @param temperature T, above 0
 * @returns `[..., classes]`
 * @source Hinton et al. 2015 (1503.02531), eq. 1, as a logarithm
 * @example
 * temperedLogp(constant([[2, 0]]), 2) // => [[-0.313262, -1.313262]]
 */
export const temperedLogp = (logits: Tensor, temperature = 1): Tensor =>
  logSoftmax(temperature === 1 ? logits : mul(logits, 1 / temperature));

const rows = (
  studentLogp: Tensor,
  teacherLogp: Tensor,
  { mask }: RowOptions,
): { logq: Tensor; logp: Tensor } => ({
  logq: maskRows(studentLogp, mask),
  logp: stopGradient(maskRows(teacherLogp, mask)),
});

/**
 * A row value of log q with its derivative in log q written out: fewer passes over `[rows, vocab]` than tracing back
 * through the guards, and the same to any order.
 */
const withSlope = (value: Tensor, logq: Tensor, slope: Tensor): Tensor =>
  customVjp({
    forward: () => value,
    backward: ({ grads: [g] }) => [mul(expandDims(g!, -1), slope)],
  })(logq)[0];

/** log p without -∞: the floor only ever meets p = 0. */
const finiteLog = (logp: Tensor): Tensor => maximum(logp, -1e30);

/** Σ over classes; a masked row was filled with zeros (not log-probabilities of anything), so its sum is cut. */
const total = (terms: Tensor, { mask }: RowOptions): Tensor => maskRows(sum(terms, -1), mask);

/**
 * Entropy -Σ p log p of each row, in nats.
 *
 * @param logp `[..., classes]` log-probabilities
 * @returns `[...]`
 * @source Shannon 1948, textbook definition, unnumbered
 * @example
 * entropy(temperedLogp(constant([[1, 1]]))) // => [0.693147]
 */
export function entropy(logp: Tensor, options: RowOptions = {}): Tensor {
  const x = maskRows(logp, options.mask);
  return total(neg(weigh(exp(x), x, mul(x, 0))), options);
}

/**
 * Cross-entropy with soft targets, -Σ p log q: the forward KL without the teacher's entropy (same gradient). This is
 * what DistiLLM's code calls forward KL. +∞ where q = 0 < p.
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns `[...]` nats
 * @source Ko et al. 2024 (2402.03898), code; Hinton et al. 2015 (1503.02531), section 2
 * @example
 * crossEntropy(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[3, 1]]))) // => [0.693147]
 */
export function crossEntropy(studentLogp: Tensor, teacherLogp: Tensor, options: RowOptions = {}): Tensor {
  const { logq, logp } = rows(studentLogp, teacherLogp, options);
  const p = exp(logp);
  return total(neg(mul(p, where(greater(p, 0), logq, 0))), options);
}

/**
 * Forward KL(p‖q) = Σ p (log p - log q). Mass-covering. +∞ where q = 0 < p (the gradient is not defined there).
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns `[...]` nats
 * @source Kullback and Leibler 1951, textbook definition; per token Ko et al. 2025 (2503.07067), eq. 1
 * @example
 * forwardKl(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[1, 0]]))) // => [0.110944]
 */
export function forwardKl(studentLogp: Tensor, teacherLogp: Tensor, options: RowOptions = {}): Tensor {
  const { logq, logp } = rows(studentLogp, teacherLogp, options);
  const p = exp(logp);
  return maskRows(withSlope(sum(weigh(p, logp, logq), -1), logq, neg(p)), options.mask);
}

/**
 * Reverse KL(q‖p) = Σ q (log q - log p). Mode-seeking. +∞ where p = 0 < q (the gradient is not defined there).
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns `[...]` nats
 * @source Gu et al. 2023 (2306.08543), eq. 1, per token; summed over the vocabulary as in the first term of eq. 3
 * @example
 * reverseKl(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[1, 0]]))) // => [0.120115]
 */
export function reverseKl(studentLogp: Tensor, teacherLogp: Tensor, options: RowOptions = {}): Tensor {
  const { logq, logp } = rows(studentLogp, teacherLogp, options);
  const q = exp(logq);
  const terms = weigh(q, logq, logp);
  return maskRows(withSlope(sum(terms, -1), logq, add(terms, q)), options.mask);
}

export interface SymmetricKlOptions extends RowOptions {
  /** λ, the weight of the reverse direction. Default 0.9. */
  lambda?: number;
  /** Leave the teacher's entropy out of the forward direction, as DistiLLM's code does. Default false. */
  dropTeacherEntropy?: boolean;
}

/**
 * (1 - λ) KL(p‖q) + λ KL(q‖p).
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns `[...]` nats
 * @source Ko et al. 2024 (2402.03898), the authors' code (λ 0.9)
 * @example
 * symmetricKl(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[1, 0]])), { lambda: 0.5 }) // => [0.115529]
 */
export function symmetricKl(
  studentLogp: Tensor,
  teacherLogp: Tensor,
  { lambda = 0.9, dropTeacherEntropy = false, ...options }: SymmetricKlOptions = {},
): Tensor {
  const forward = (dropTeacherEntropy ? crossEntropy : forwardKl)(studentLogp, teacherLogp, options);
  return add(mul(forward, 1 - lambda), mul(reverseKl(studentLogp, teacherLogp, options), lambda));
}

/**
 * Generalized Jensen-Shannon divergence β KL(p‖m) + (1 - β) KL(q‖m), m = βp + (1 - β)q. Bounded by
 * -β log β - (1 - β) log(1 - β), so always finite for 0 < β < 1. At the ends it is *defined* as KL(p‖q) (β = 0) and
 * KL(q‖p) (β = 1), as in TRL: not the limit of the formula, which is 0.
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns `[...]` nats
 * @source Agarwal et al. 2023 (2306.13649), eq. 1
 * @example
 * generalizedJsd(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[1, 0]]))) // => [0.0285353]
 */
export function generalizedJsd(
  studentLogp: Tensor,
  teacherLogp: Tensor,
  { beta = 0.5, ...options }: RowOptions & { beta?: number } = {},
): Tensor {
  unitInterval('beta', beta);
  if (beta === 0) return forwardKl(studentLogp, teacherLogp, options);
  if (beta === 1) return reverseKl(studentLogp, teacherLogp, options);
  return mixtureDivergence(studentLogp, teacherLogp, beta, options);
}

/** β KL(p‖m) + (1 - β) KL(q‖m), m = βp + (1 - β)q, for any β of [0, 1]. */
function mixtureDivergence(
  studentLogp: Tensor,
  teacherLogp: Tensor,
  beta: number,
  options: RowOptions,
): Tensor {
  const { logq, logp } = rows(studentLogp, teacherLogp, options);
  const [p, q] = [exp(logp), exp(logq)];
  const logm = logMass(add(mul(p, beta), mul(q, 1 - beta)));
  const own = mul(q, sub(finiteLog(logq), logm));
  const teachers = sum(mul(p, sub(finiteLog(logp), logm)), -1);
  const value = add(mul(teachers, beta), mul(sum(own, -1), 1 - beta));
  // the derivatives of log m cancel: β p + (1 - β) q over m is 1
  return maskRows(withSlope(value, logq, mul(own, 1 - beta)), options.mask);
}

/**
 * λ KL(q‖m) + (1 - λ) KL(p‖m), m = (1 - λ)p + λq: {@link generalizedJsd} with β = 1 - λ, in DistiLLM's notation, but
 * for the ends: here the formula holds for them too, and is 0.
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns `[...]` nats
 * @source Ko et al. 2024 (2402.03898), the authors' code (λ 0.9)
 * @example
 * jsDistance(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[1, 0]])), { lambda: 0.5 }) // => [0.0285353]
 */
export const jsDistance = (
  studentLogp: Tensor,
  teacherLogp: Tensor,
  { lambda = 0.9, ...options }: RowOptions & { lambda?: number } = {},
): Tensor => {
  unitInterval('lambda', lambda);
  return mixtureDivergence(studentLogp, teacherLogp, 1 - lambda, options);
};

export interface SkewOptions extends RowOptions {
  /** α: weight of the first distribution in the mixture, in [0, 1). Default 0.1. */
  alpha?: number;
  /** Leave the teacher's entropy out, as DistiLLM's code does. Forward only. Default false. */
  dropTeacherEntropy?: boolean;
}

/**
 * Skewed forward KL(p ‖ αp + (1 - α)q); at most -log α. α = 0 is the forward KL.
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns `[...]` nats
 * @source Ko et al. 2024 (2402.03898), definition of SKL; restated in Ko et al. 2025 (2503.07067), section 2,
 *   unnumbered
 * @example
 * skewedForwardKl(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[1, 0]]))) // => [0.0906425]
 */
export function skewedForwardKl(
  studentLogp: Tensor,
  teacherLogp: Tensor,
  { alpha = 0.1, dropTeacherEntropy = false, ...options }: SkewOptions = {},
): Tensor {
  unitInterval('alpha', alpha);
  if (alpha === 0) return (dropTeacherEntropy ? crossEntropy : forwardKl)(studentLogp, teacherLogp, options);
  const { logq, logp } = rows(studentLogp, teacherLogp, options);
  const p = exp(logp);
  const logm = logMass(add(mul(p, alpha), mul(exp(logq), 1 - alpha)));
  return total(dropTeacherEntropy ? neg(mul(p, logm)) : weigh(p, logp, logm), options);
}

/**
 * Skewed reverse KL(q ‖ (1 - α)p + αq); at most -log α. α = 0 is the reverse KL. The gradient flows through q in both
 * places.
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns `[...]` nats
 * @source Ko et al. 2024 (2402.03898), definition of SRKL; restated in Ko et al. 2025 (2503.07067), section 2,
 *   unnumbered
 * @example
 * skewedReverseKl(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[1, 0]]))) // => [0.0949616]
 */
export function skewedReverseKl(
  studentLogp: Tensor,
  teacherLogp: Tensor,
  { alpha = 0.1, ...options }: Omit<SkewOptions, 'dropTeacherEntropy'> = {},
): Tensor {
  unitInterval('alpha', alpha);
  if (alpha === 0) return reverseKl(studentLogp, teacherLogp, options);
  const { logq, logp } = rows(studentLogp, teacherLogp, options);
  const q = exp(logq);
  const logm = logMass(add(mul(exp(logp), 1 - alpha), mul(q, alpha)));
  return total(weigh(q, logq, logm), options);
}

/**
 * Total variation ½ Σ |p - q|, from 0 to 1. Its gradient at p = q is taken as 0.
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns `[...]`
 * @source Wen et al. 2023 (2307.15190) as a distillation loss; textbook definition, unnumbered
 * @example
 * totalVariation(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[1, 0]]))) // => [0.231059]
 */
export function totalVariation(studentLogp: Tensor, teacherLogp: Tensor, options: RowOptions = {}): Tensor {
  const { logq, logp } = rows(studentLogp, teacherLogp, options);
  return total(mul(abs(sub(exp(logp), exp(logq))), 0.5), options);
}

/**
 * α-divergence (1 / (α(α - 1))) (Σ p^α q^(1-α) - 1), with its limits KL(p‖q) at α = 1 and KL(q‖p) at α = 0; α = ½ is
 * four times the squared Hellinger distance, α = 2 half of Pearson's χ². +∞ where q = 0 < p if α ≥ 1, where p = 0 < q
 * if α ≤ 0; bounded in between.
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns `[...]`
 * @source Amari 1985; the parametrized form of Minka 2005, for normalised distributions
 * @example
 * alphaDivergence(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[1, 0]])), { alpha: 0.5 }) // => [0.1148293]
 */
export function alphaDivergence(
  studentLogp: Tensor,
  teacherLogp: Tensor,
  { alpha = 0.5, ...options }: RowOptions & { alpha?: number } = {},
): Tensor {
  if (alpha === 1) return forwardKl(studentLogp, teacherLogp, options);
  if (alpha === 0) return reverseKl(studentLogp, teacherLogp, options);
  const { logq, logp } = rows(studentLogp, teacherLogp, options);
  // Σ a·(e^u - 1) over the distribution whose power is nearer to 1: no cancellation against the -1
  const [logA, logB, power] = alpha >= 0.5 ? [logp, logq, 1 - alpha] : [logq, logp, alpha];
  const a = exp(logA);
  const some = greater(a, 0);
  const u = where(some, mul(sub(where(some, logB, 0), where(some, logA, 0)), power), 0);
  const near = less(abs(u), 1);
  const small = mul(a, expm1(where(near, u, 0)));
  // far off, e^u may overflow while a·e^u does not
  const large = sub(exp(where(near, 0, add(where(some, logA, 0), u))), a);
  const terms = where(some, where(near, small, large), 0);
  return total(mul(terms, 1 / (alpha * (alpha - 1))), options);
}

function unitInterval(name: string, value: number): void {
  if (!(value >= 0 && value <= 1))
    throw new DecantError('usage', `${name} lies outside its range`, { seen: value, allowed: '0 to 1' });
}
