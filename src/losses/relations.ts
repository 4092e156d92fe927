import {
  abs,
  add,
  arange,
  cast,
  div,
  equal,
  expandDims,
  greater,
  less,
  log,
  matmul,
  maximum,
  mean,
  mul,
  reshape,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';
import { normalize, safeDiv, safeNorm, safeSqrt } from './numerics.ts';

/**
 * Matching relations between the examples of a batch: widths of student and teacher may differ. Features are
 * `[batch, ...features]`, trailing axes taken as one. The teacher is a constant. Pair losses are un-reduced
 * `[batch, batch]`.
 */
const flat = (x: Tensor): Tensor => (x.rank === 2 ? x : reshape(x, [x.shape[0], -1]));

const smoothL1 = (d: Tensor): Tensor => {
  const a = abs(d);
  return where(less(a, 1), mul(mul(d, d), 0.5), sub(a, 0.5));
};

const eye = (x: Tensor): Tensor =>
  equal(expandDims(arange(x.shape[0]), 1), expandDims(arange(x.shape[0]), 0));

/**
 * Euclidean distances between all rows; squared ones are clamped at 1e-12 before the root, and the diagonal is 0.
 *
 * @param features `[batch, ...features]`
 * @returns `[batch, batch]`
 * @source Park et al. 2019 (1904.05068), eq. 5 before the division; clamp as in the authors' code
 * @example
 * pairwiseDistances(constant([[0, 0], [3, 4]])) // => [[0, 5], [5, 0]]
 */
export function pairwiseDistances(features: Tensor): Tensor {
  const x = flat(features);
  // differences, not a² + b² - 2ab: near points would lose their distance in float32
  const d = sub(expandDims(x, 1), expandDims(x, 0));
  return where(eye(x), 0, safeSqrt(maximum(sum(mul(d, d), -1), 1e-12)));
}

/**
 * RKD distances: smooth-L1 of pairwise distances, each model's divided by its own mean over d > 0 (the student's mean
 * carries gradient). The loss is the mean over batch² entries, diagonal included.
 *
 * @param student `[batch, ...features]`
 * @param teacher `[batch, ...features']`
 * @returns `[batch, batch]`
 * @source Park et al. 2019 (1904.05068), eq. 5 to 8
 * @example
 * rkdDistance(constant([[0], [1], [3]]), constant([[0], [2], [6]])) // => [[0, 0, 0], [0, 0, 0], [0, 0, 0]]
 */
export function rkdDistance(student: Tensor, teacher: Tensor): Tensor {
  const scaled = (x: Tensor): Tensor => {
    const d = pairwiseDistances(x);
    const positive = greater(d, 0);
    const count = sum(cast(positive, d.dtype));
    return safeDiv(d, safeDiv(sum(d), count));
  };
  return smoothL1(sub(scaled(student), scaled(stopGradient(teacher))));
}

/**
 * RKD angles: smooth-L1 of the cosines <e_ij, e_ik> between unit difference vectors, for all triples (j, i, k). The loss
 * is the mean over batch³ entries.
 *
 * @param student `[batch, ...features]`
 * @param teacher `[batch, ...features']`
 * @returns `[batch, batch, batch]`
 * @source Park et al. 2019 (1904.05068), eq. 9 for the cosines, eq. 8 for the Huber loss
 * @example
 * rkdAngle(constant([[0, 0], [1, 0]]), constant([[0, 0], [0, 5]])) // => [[[0, 0], [0, 0]], [[0, 0], [0, 0]]]
 */
export function rkdAngle(student: Tensor, teacher: Tensor): Tensor {
  const cosines = (x: Tensor): Tensor => {
    const e = normalize(sub(expandDims(x, 0), expandDims(x, 1)));
    return matmul(e, e, { transB: true });
  };
  return smoothL1(sub(cosines(flat(student)), cosines(flat(stopGradient(teacher)))));
}

/**
 * Probabilistic knowledge transfer: t log((t + eps)/(s + eps)), s and t rows of (cosine + 1)/2 normalised to sum 1
 * (diagonal included). The loss is the mean over batch² entries.
 *
 * @param student `[batch, ...features]`
 * @param teacher `[batch, ...features']`
 * @returns `[batch, batch]`
 * @source Passalis and Tefas 2018 (1803.10837), the cosine kernel as in the authors' code
 * @example
 * probabilisticTransfer(constant([[1, 0], [0, 1]]), constant([[2, 0], [0, 3]])) // => [[0, 0], [0, 0]]
 */
export function probabilisticTransfer(
  student: Tensor,
  teacher: Tensor,
  { eps = 1e-7 }: { eps?: number } = {},
): Tensor {
  const kernel = (x: Tensor): Tensor => {
    const unit = div(x, add(safeNorm(x), eps));
    const c = mul(add(matmul(unit, unit, { transB: true }), 1), 0.5);
    return div(c, sum(c, 1, true));
  };
  const [s, t] = [kernel(flat(student)), kernel(flat(stopGradient(teacher)))];
  return mul(t, log(div(add(t, eps), add(s, eps))));
}

/**
 * Similarity-preserving KD: (rownorm(F_t F_tᵀ) - rownorm(F_s F_sᵀ))². The loss is the mean over batch² entries.
 *
 * @param student `[batch, ...features]`
 * @param teacher `[batch, ...features']`
 * @param options norm of each row: `l2` (paper) or `l1` (torchdistill). Default `l2`
 * @returns `[batch, batch]`
 * @source Tung and Mori 2019 (1907.09682), definition of the loss; `l1` as in torchdistill's code
 * @example
 * similarityPreserving(constant([[1, 0], [0, 1]]), constant([[2, 0], [0, 3]])) // => [[0, 0], [0, 0]]
 */
export function similarityPreserving(
  student: Tensor,
  teacher: Tensor,
  { norm = 'l2' }: { norm?: 'l1' | 'l2' } = {},
): Tensor {
  const gram = (x: Tensor): Tensor => {
    const g = matmul(x, x, { transB: true });
    return norm === 'l2' ? normalize(g) : div(g, maximum(sum(abs(g), 1, true), 1e-12));
  };
  const d = sub(gram(flat(stopGradient(teacher))), gram(flat(student)));
  return mul(d, d);
}

/**
 * Linear centred kernel alignment of two representations, 0 to 1; 0 where one of them is constant. 1 - CKA is a loss.
 *
 * @param student `[batch, ...features]`
 * @param teacher `[batch, ...features']`
 * @returns a scalar
 * @source Kornblith et al. 2019 (1905.00414), eq. 4 with a linear kernel
 * @example
 * linearCka(constant([[1, 0], [0, 1], [2, 2]]), constant([[2, 0], [0, 2], [4, 4]])) // => 1
 */
export function linearCka(student: Tensor, teacher: Tensor): Tensor {
  const centre = (x: Tensor): Tensor => sub(x, mean(x, 0, true));
  const [s, t] = [centre(flat(student)), centre(flat(stopGradient(teacher)))];
  const energy = (a: Tensor, b: Tensor): Tensor => {
    const c = matmul(a, b, { transA: true });
    return sum(mul(c, c));
  };
  return safeDiv(energy(s, t), mul(safeSqrt(energy(s, s)), safeSqrt(energy(t, t))));
}
