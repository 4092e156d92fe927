import { add, mul, neg, softplus, sub, type Tensor } from '../graph/index.ts';

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
