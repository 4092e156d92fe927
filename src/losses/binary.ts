import { add, mul, neg, sigmoid, softplus, stopGradient, sub, sum, type Tensor } from '../graph/index.ts';

/**
 * Binary cross-entropy from logits, -y log σ(z) - (1 - y) log(1 - σ(z)) = softplus(z) - y z, in nats; un-reduced.
 * Finite for any logit.
 *
 * @param logits `[...]`
 * @param labels `[...]`, floats in [0, 1]
 * @returns `[...]`
 * @source Goodfellow, Bengio & Courville 2016, section 6.2.2.2
 * @example
 * binaryCrossEntropy(constant([0, 100]), constant([1, 0])) // => [0.693147, 100]
 */
export function binaryCrossEntropy(logits: Tensor, labels: Tensor): Tensor {
  // softplus(z) - y z = (1 - y) softplus(z) + y softplus(-z): no difference of large numbers
  return add(mul(sub(1, labels), softplus(logits)), mul(labels, softplus(neg(logits))));
}

export interface BinaryKlOptions {
  /** τ; both models' logits are divided by it. Default 2. */
  temperature?: number;
}

/** Entropy of a coin that falls on one side with log-odds z, in nats. */
const coinEntropy = (z: Tensor): Tensor => binaryCrossEntropy(z, sigmoid(z));

/**
 * Every class a question of its own, is it this one: τ² Σ_c KL(Bern(σ(t_c/τ)) ‖ Bern(σ(s_c/τ))), nats. Finite for any
 * logit. The gradient of a class vanishes where |t_c/τ| is large.
 *
 * @param studentLogits `[..., classes]`
 * @param teacherLogits `[..., classes]`, constants
 * @returns `[...]`
 * @source Yang et al. 2023 (2308.06520), the multi-label form
 * @example
 * binaryKl(constant([[0, 0]]), constant([[4, 0]])) // => [1.311253]
 */
export function binaryKl(
  studentLogits: Tensor,
  teacherLogits: Tensor,
  { temperature = 2 }: BinaryKlOptions = {},
): Tensor {
  const [s, t] = [studentLogits, stopGradient(teacherLogits)].map((x) => mul(x, 1 / temperature));
  const each = sub(binaryCrossEntropy(s, sigmoid(t)), coinEntropy(t));
  return mul(sum(each, -1), temperature ** 2);
}

/**
 * {@link binaryKl} with the teacher's logit as the origin: τ² Σ_c KL(Bern(1/2) ‖ Bern(σ((s_c - t_c)/τ))), nats. Its
 * gradient τ (σ((s_c - t_c)/τ) - 1/2) is bounded and of one scale for every teacher logit.
 *
 * @param studentLogits `[..., classes]`
 * @param teacherLogits `[..., classes]`, constants
 * @returns `[...]`
 * @source Yang et al. 2024 (2411.08937), in the authors' code
 * @example
 * binaryKlNorm(constant([[0, 0]]), constant([[4, 0]])) // => [1.735123]
 */
export function binaryKlNorm(
  studentLogits: Tensor,
  teacherLogits: Tensor,
  { temperature = 2 }: BinaryKlOptions = {},
): Tensor {
  const x = mul(sub(studentLogits, stopGradient(teacherLogits)), 1 / temperature);
  const each = sub(mul(add(softplus(x), softplus(neg(x))), 0.5), Math.LN2);
  return mul(sum(each, -1), temperature ** 2);
}
