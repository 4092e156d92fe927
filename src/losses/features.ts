import {
  castArray,
  constant,
  conv,
  type Dim,
  dimEquals,
  gelu,
  isSymbolic,
  linear,
  matmul,
  mean,
  mul,
  ndarray,
  reshape,
  shapeEquals,
  showShape,
  stopGradient,
  sub,
  sum,
  type Tensor,
} from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { maskRows, normalize, safeSqrt } from './numerics.ts';

/**
 * Matching hidden features of two models. The teacher is a constant. Where widths differ, put a projector on the
 * student's side first.
 */
const square = (x: Tensor): Tensor => mul(x, x);

function sameShape(student: Tensor, teacher: Tensor, fix: string): void {
  if (!shapeEquals(student.shape, teacher.shape))
    throw new DecantError('shape', 'student and teacher features differ in shape', {
      seen: `${showShape(student.shape)} and ${showShape(teacher.shape)}`,
      fix,
    });
}

/**
 * FitNets hint: (r(F_s) - F_t)², un-reduced; the loss is its mean over all elements.
 *
 * @param student `[..., features]`, projected to the teacher's shape
 * @param teacher `[..., features]`
 * @returns `[..., features]`
 * @source Romero et al. 2015 (1412.6550), section 2.2, the hint loss (there halved and summed)
 * @example
 * fitnetHint(constant([[1, 2]]), constant([[1, 4]])) // => [[0, 4]]
 */
export function fitnetHint(student: Tensor, teacher: Tensor): Tensor {
  sameShape(student, teacher, 'project the student: linearProjector or convProjector');
  return square(sub(student, stopGradient(teacher)));
}

/**
 * Mean squared difference of hidden states per token.
 *
 * @param student `[..., features]`
 * @param teacher `[..., features]`
 * @param mask `[...]` tokens to keep
 * @returns `[...]`
 * @source DistillKit's code (arcee-ai), hidden-state MSE
 * @example
 * hiddenStateMse(constant([[1, 2]]), constant([[1, 4]])) // => [2]
 */
export const hiddenStateMse = (student: Tensor, teacher: Tensor, mask?: Tensor): Tensor =>
  mean(fitnetHint(maskRows(student, mask), maskRows(teacher, mask)), -1);

/**
 * 1 - cosine of hidden states per token; 1 where one of them is 0.
 *
 * @param student `[..., features]`
 * @param teacher `[..., features]`
 * @param mask `[...]` tokens to keep (0 elsewhere)
 * @returns `[...]`, 0 to 2
 * @source Sanh et al. 2019 (1910.01108), section 3, cosine loss; DistillKit's code, hidden-state cosine
 * @example
 * hiddenStateCosine(constant([[1, 0]]), constant([[0, 2]])) // => [1]
 */
export function hiddenStateCosine(student: Tensor, teacher: Tensor, mask?: Tensor): Tensor {
  sameShape(student, teacher, 'project the student: linearProjector');
  const [s, t] = [maskRows(student, mask), stopGradient(maskRows(teacher, mask))];
  return maskRows(sub(1, sum(mul(normalize(s), normalize(t)), -1)), mask);
}

/**
 * Attention map of a convolutional feature: mean (or sum) over channels of squares, flattened over space and divided by
 * its L2 norm.
 *
 * @param features `[batch, channels, ...space]`
 * @param over the sum or the mean of squares over channels
 * @returns `[batch, positions]`
 * @source Zagoruyko and Komodakis 2017 (1612.03928), section 3.1, p = 2
 * @example
 * attentionMap(constant([[[[3, 4]]]])) // => [[0.490261, 0.871576]]
 */
export function attentionMap(features: Tensor, over: 'mean' | 'sum' = 'mean'): Tensor {
  const energy = (over === 'mean' ? mean : sum)(square(features), 1);
  return normalize(reshape(energy, [features.shape[0], -1]), 1);
}

export interface AttentionTransferOptions {
  /** `code`: (a_s - a_t)², a the mean over channels. `paper`: ‖a_s - a_t‖₂, a the sum. Default `code`. */
  mode?: 'code' | 'paper';
}

/**
 * Attention transfer. `code`: squared differences `[batch, positions]`, the loss is their mean (weight about 1000).
 * `paper`: distances `[batch]`, the loss is their mean. Maps of different size: the larger is average-pooled.
 *
 * @param student `[batch, channels, height, width]`
 * @param teacher `[batch, channels', height', width']`
 * @returns `[batch, positions]` (`code`) or `[batch]` (`paper`)
 * @source Zagoruyko and Komodakis 2017 (1612.03928), eq. 2, and their code
 * @example
 * attentionTransfer(constant([[[[1, 2]]]]), constant([[[[1, 2]], [[1, 2]]]])) // => [[0, 0]]
 */
export function attentionTransfer(
  student: Tensor,
  teacher: Tensor,
  { mode = 'code' }: AttentionTransferOptions = {},
): Tensor {
  const [s, t] = commonSize(student, stopGradient(teacher));
  const over = mode === 'code' ? 'mean' : 'sum';
  const difference = square(sub(attentionMap(s, over), attentionMap(t, over)));
  return mode === 'code' ? difference : safeSqrt(sum(difference, 1));
}

function commonSize(a: Tensor, b: Tensor): [Tensor, Tensor] {
  const [sa, sb] = [a.shape.slice(2), b.shape.slice(2)];
  if (sa.length === sb.length && sa.every((d, i) => dimEquals(d, sb[i]))) return [a, b];
  if (sa.length !== 2 || sb.length !== 2 || [...sa, ...sb].some(isSymbolic))
    throw new DecantError('shape', 'only maps with two spatial axes of known size can be pooled', {
      seen: `${showShape(a.shape)} and ${showShape(b.shape)}`,
    });
  const target = sa.map((d, i) => Math.min(d as number, sb[i] as number)) as [number, number];
  return [adaptiveAveragePool(a, target), adaptiveAveragePool(b, target)];
}

/**
 * Averages over a grid of `size` cells; cell i of n over d positions covers floor(i·d/n) to ceil((i+1)·d/n).
 *
 * @param x `[batch, channels, height, width]`, spatial sizes known
 * @param size height and width of the result
 * @returns `[batch, channels, ...size]`
 * @source PyTorch's documentation of `adaptive_avg_pool2d`, unnumbered
 * @example
 * adaptiveAveragePool(constant([[[[1, 3], [5, 7]]]]), [1, 1]) // => [[[[4]]]]
 */
export function adaptiveAveragePool(x: Tensor, size: readonly [number, number]): Tensor {
  const pool = (from: Dim, to: number): Tensor => {
    const n = from as number;
    const weights = new Float64Array(n * to);
    for (let i = 0; i < to; i++) {
      const [low, high] = [Math.floor((i * n) / to), Math.ceil(((i + 1) * n) / to)];
      for (let j = low; j < high; j++) weights[i * n + j] = 1 / (high - low);
    }
    return constant(castArray(ndarray(weights, [to, n]), x.dtype));
  };
  const rows = matmul(pool(x.shape[2], size[0]), x);
  return matmul(rows, pool(x.shape[3], size[1]), { transB: true });
}

/** Weights of a linear projector, laid out like a Hugging Face `Linear`. */
export interface LinearProjector {
  /** `[out, in]` */
  weight: Tensor;
  /** `[out]` */
  bias?: Tensor;
}

/**
 * Linear regressor from student to teacher width: x Wᵀ + b.
 *
 * @param x `[..., in]`
 * @returns `[..., out]`
 * @source Romero et al. 2015 (1412.6550), section 2.2
 * @example
 * linearProjector(constant([[1, 2]]), { weight: constant([[1, 1]]), bias: constant([0.5]) }) // => [[3.5]]
 */
export const linearProjector = (x: Tensor, { weight, bias }: LinearProjector): Tensor =>
  linear(x, weight, bias, { transW: true });

/**
 * Two-layer projector: linear, GELU, linear.
 *
 * @param x `[..., in]`
 * @returns `[..., out]`
 * @source Chen et al. 2020 (2002.05709), section 4.2 (a non-linear projection head; GELU here)
 * @example
 * mlpProjector(constant([[0]]), { first: { weight: constant([[1]]) }, second: { weight: constant([[2]]), bias: constant([1]) } }) // => [[1]]
 */
export const mlpProjector = (
  x: Tensor,
  { first, second }: { first: LinearProjector; second: LinearProjector },
): Tensor => linearProjector(gelu(linearProjector(x, first)), second);

/**
 * 1×1 convolution from student to teacher channels.
 *
 * @param x `[batch, in, height, width]`
 * @param projector weight `[out, in]`, bias `[out]`
 * @returns `[batch, out, height, width]`
 * @source Romero et al. 2015 (1412.6550), section 2.2 (convolutional regressor)
 * @example
 * convProjector(constant([[[[1, 2]], [[3, 4]]]]), { weight: constant([[1, 1]]) }) // => [[[[4, 6]]]]
 */
export function convProjector(x: Tensor, { weight, bias }: LinearProjector): Tensor {
  return conv(x, reshape(weight, [...weight.shape, 1, 1]), { bias });
}
