import {
  add,
  cast,
  div,
  exp,
  expandDims,
  expm1,
  greater,
  less,
  log,
  log1p,
  max,
  maximum,
  mean,
  mul,
  neg,
  notEqual,
  softplus,
  sqrt,
  squeeze,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';

/** A mask of any type as booleans: true where it is not zero. */
export const asBool = (mask: Tensor): Tensor => (mask.dtype === 'bool' ? mask : notEqual(mask, 0));

/** A mask of any type as numbers of the dtype of `like`. */
export const asWeights = (mask: Tensor, like: Tensor): Tensor =>
  mask.dtype === like.dtype ? mask : cast(mask, like.dtype);

/**
 * Rows of `x` replaced by zeros where the mask is off, so that nothing in them, infinities and NaN included, reaches
 * value or gradient. `mask` has the leading axes of `x`.
 */
export function maskRows(x: Tensor, mask: Tensor | undefined): Tensor {
  if (!mask) return x;
  let m = asBool(mask);
  while (m.rank < x.rank) m = expandDims(m, -1);
  return where(m, x, 0);
}

/** Smallest mass told from zero: 1e-37 in float32 (above its denormals), 1e-300 in float64. */
export const tiny = (x: Tensor): number => (x.dtype === 'float64' ? 1e-300 : 1e-37);

/** log max(p, tiny): finite for p = 0, with no gradient there. */
export const logMass = (p: Tensor): Tensor => log(maximum(p, tiny(p)));

/**
 * a · (x - y) where a > 0, else 0. A zero probability silences its logarithms whatever they are (0 · ∞ is 0 here), in
 * the gradient too: the difference is only selected, never multiplied.
 */
export const weigh = (a: Tensor, x: Tensor, y: Tensor): Tensor => mul(a, where(greater(a, 0), sub(x, y), 0));

/**
 * log Σ eˣ over one axis (kept as 1 if `keepDims`); where all entries are -∞ the value is -∞ and the gradient 0.
 * Written out: onnxruntime's ReduceLogSumExp returns -∞ for some rows that merely begin with -∞.
 */
export function logSumExp(x: Tensor, axis = -1, keepDims = false): Tensor {
  const top = stopGradient(max(x, axis, true));
  const some = greater(top, Number.NEGATIVE_INFINITY);
  const shift = where(some, top, 0);
  const total = sum(exp(sub(x, shift)), axis, true);
  const out = where(some, add(shift, log(where(some, total, 1))), Number.NEGATIVE_INFINITY);
  return keepDims ? out : squeeze(out, axis);
}

/** log(1 - eˣ) for x ≤ 0, branching at -ln 2 (Mächler 2012); -∞ for x ≥ 0, with no gradient there. */
export function log1mExp(x: Tensor): Tensor {
  const inside = less(x, 0);
  const near = greater(x, -Math.LN2);
  const a = where(inside, where(near, x, -0.5), -0.5);
  const b = where(near, -1, x);
  return where(inside, where(near, log(neg(expm1(a))), log1p(neg(exp(b)))), Number.NEGATIVE_INFINITY);
}

/** -log σ(x), without overflow. */
export const negLogSigmoid = (x: Tensor): Tensor => softplus(neg(x));

/** -(1 - ε) log σ(z) - ε log σ(-z): the cross-entropy of a preference whose label is flipped with probability ε. */
export const smoothedLogistic = (z: Tensor, epsilon: number): Tensor =>
  epsilon === 0
    ? negLogSigmoid(z)
    : add(mul(negLogSigmoid(z), 1 - epsilon), mul(negLogSigmoid(neg(z)), epsilon));

/** √x with gradient 0 at x ≤ 0. */
export function safeSqrt(x: Tensor): Tensor {
  const positive = greater(x, 0);
  return where(positive, sqrt(where(positive, x, 1)), 0);
}

/** a / b, and `otherwise` where b = 0. */
export function safeDiv(a: Tensor, b: Tensor, otherwise = 0): Tensor {
  const some = notEqual(b, 0);
  return where(some, div(a, where(some, b, 1)), otherwise);
}

/**
 * x less its mean along an axis, exactly 0 where all of it is equal: the largest entry is taken off first, since a sum of
 * equal numbers is rounded. `there` marks the entries that exist; the others give 0.
 */
export function centred(x: Tensor, axis: number, there?: Tensor): Tensor {
  const kept = (y: Tensor): Tensor => (there ? where(there, y, 0) : y);
  const top = max(there ? where(there, x, Number.NEGATIVE_INFINITY) : x, axis, true);
  const near = kept(sub(x, stopGradient(top)));
  return kept(
    sub(
      near,
      there ? safeDiv(sum(near, axis, true), sum(asWeights(there, x), axis, true)) : mean(near, axis, true),
    ),
  );
}

/** Euclidean norm along an axis, kept as 1; gradient 0 at the origin. */
export const safeNorm = (x: Tensor, axis = -1): Tensor => safeSqrt(sum(mul(x, x), axis, true));

/** x / max(‖x‖, eps) along an axis. */
export const normalize = (x: Tensor, axis = -1, eps = 1e-12): Tensor =>
  div(x, maximum(safeNorm(x, axis), eps));
