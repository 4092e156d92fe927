import type { DType } from '../dtype.ts';
import type { Emitter } from '../op.ts';
import { apply, type Tensor } from '../tensor.ts';
import { add, div, mul, neg, sub } from './arithmetic.ts';
import { greaterEqual, lessEqual, logicalAnd, where } from './compare.ts';
import { call, unary } from './unary.ts';

export const expOp = unary({
  name: 'exp',
  doc: 'eˣ',
  f: Math.exp,
  back: (_, y, g) => mul(g, y),
  emit: 'Exp',
});
export const logOp = unary({
  name: 'log',
  doc: 'natural logarithm; -∞ at 0, NaN below',
  f: Math.log,
  back: (x, _, g) => div(g, x),
  emit: 'Log',
});

/**
 * log(1 + x) without cancellation (Kahan): with u = fl(1 + x), x·log(u)/(u - 1) is accurate because the two rounding
 * errors cancel; where u = 1 or ∞, x itself is the answer.
 */
export function emitLog1p(e: Emitter, x: string, dtype: DType): string {
  const one = e.scalar(1, dtype);
  const u = e.node('Add', [x, one]);
  const rest = e.node('Sub', [u, one]);
  const ratio = e.node('Div', [e.node('Mul', [e.node('Log', [u]), x]), rest]);
  const trivial = e.node('Or', [
    e.node('Equal', [u, one]),
    e.node('Equal', [u, e.scalar(Number.POSITIVE_INFINITY, dtype)]),
  ]);
  return e.node('Where', [trivial, x, ratio]);
}

export const log1pOp = unary({
  name: 'log1p',
  doc: 'log(1 + x), accurate near 0',
  f: Math.log1p,
  back: (x, _, g) => div(g, add(x, 1)),
  emit: emitLog1p,
});
export const expm1Op = unary({
  name: 'expm1',
  doc: 'eˣ - 1, accurate near 0',
  f: Math.expm1,
  back: (_, y, g) => mul(g, add(y, 1)),
  // eˣ - 1 = tanh(x/2)·(eˣ + 1): no cancellation, and right at ±∞
  emit: (e, x, dtype) =>
    e.node('Mul', [
      e.node('Tanh', [e.node('Mul', [x, e.scalar(0.5, dtype)])]),
      e.node('Add', [e.node('Exp', [x]), e.scalar(1, dtype)]),
    ]),
});
export const sinOp = unary({
  name: 'sin',
  doc: 'sine of radians',
  f: Math.sin,
  back: (x, _, g) => mul(g, cos(x)),
  emit: 'Sin',
});
export const cosOp = unary({
  name: 'cos',
  doc: 'cosine of radians',
  f: Math.cos,
  back: (x, _, g) => neg(mul(g, sin(x))),
  emit: 'Cos',
});
export const sqrtOp = unary({
  name: 'sqrt',
  doc: '√x; the gradient at 0 is ∞',
  f: Math.sqrt,
  back: (_, y, g) => div(mul(g, 0.5), y),
  emit: 'Sqrt',
});
export const rsqrtOp = unary({
  name: 'rsqrt',
  doc: '1/√x',
  f: (v) => 1 / Math.sqrt(v),
  back: (_, y, g) => mul(mul(g, -0.5), mul(y, mul(y, y))),
  emit: (e, x) => e.node('Reciprocal', [e.node('Sqrt', [x])]),
});
export const squareOp = unary({
  name: 'square',
  doc: 'x²',
  f: (v) => v * v,
  back: (x, _, g) => mul(mul(g, 2), x),
  emit: (e, x) => e.node('Mul', [x, x]),
  ints: true,
});
export const reciprocalOp = unary({
  name: 'reciprocal',
  doc: '1/x',
  f: (v) => 1 / v,
  back: (_, y, g) => neg(mul(g, mul(y, y))),
  emit: 'Reciprocal',
});
export const absOp = unary({
  name: 'abs',
  doc: '|x|; the gradient at 0 is 0',
  f: Math.abs,
  back: (x, _, g) => mul(g, sign(x)),
  emit: 'Abs',
  ints: true,
});
export const signOp = unary({ name: 'sign', doc: '-1, 0 or 1', f: Math.sign, emit: 'Sign', ints: true });
export const floorOp = unary({ name: 'floor', doc: 'largest integer ≤ x', f: Math.floor, emit: 'Floor' });
export const ceilOp = unary({ name: 'ceil', doc: 'smallest integer ≥ x', f: Math.ceil, emit: 'Ceil' });
export const roundOp = unary({
  name: 'round',
  doc: 'nearest integer, halves to even',
  f: roundHalfEven,
  emit: 'Round',
});
export const clipOp = unary<{ min: number; max: number }>({
  name: 'clip',
  doc: 'x limited to [min, max]; the gradient is 1 inside and at the limits, 0 outside',
  f: (v, { min, max }) => Math.min(Math.max(v, min), max),
  back: (x, _, g, { min, max }) => {
    const above = min === Number.NEGATIVE_INFINITY ? undefined : greaterEqual(x, min);
    const below = max === Number.POSITIVE_INFINITY ? undefined : lessEqual(x, max);
    const inside = above && below ? logicalAnd(above, below) : (above ?? below);
    return inside ? where(inside, g, 0) : g;
  },
  // with one bound left out, ONNX's Clip would bring infinities down to the largest finite number
  emit: (e, x, dtype, { min, max }) => {
    if (min === Number.NEGATIVE_INFINITY) return e.node('Min', [x, e.scalar(max, dtype)]);
    if (max === Number.POSITIVE_INFINITY) return e.node('Max', [x, e.scalar(min, dtype)]);
    return e.node('Clip', [x, e.scalar(min, dtype), e.scalar(max, dtype)]);
  },
  ints: true,
});

function roundHalfEven(v: number): number {
  const f = Math.floor(v);
  const rest = v - f;
  if (rest < 0.5) return f;
  if (rest > 0.5) return f + 1;
  return f % 2 === 0 ? f : f + 1;
}

/** eˣ */
export const exp = call(expOp);
/** log x (natural); -∞ at 0. */
export const log = call(logOp);
/** log(1 + x), accurate near 0. */
export const log1p = call(log1pOp);
/** eˣ - 1, accurate near 0. */
export const expm1 = call(expm1Op);
/** Sine of x (radians). */
export const sin = call(sinOp);
/** Cosine of x (radians). */
export const cos = call(cosOp);
/** √x; its gradient at 0 is ∞ (see `norm` for one that is 0 there). */
export const sqrt = call(sqrtOp);
/** 1/√x */
export const rsqrt = call(rsqrtOp);
/** x² */
export const square = call(squareOp);
/** 1/x */
export const reciprocal = call(reciprocalOp);
/** |x|; gradient 0 at 0. */
export const abs = call(absOp);
/** -1, 0 or 1; no gradient. */
export const sign = call(signOp);
/** Largest integer ≤ x; no gradient. */
export const floor = call(floorOp);
/** Smallest integer ≥ x; no gradient. */
export const ceil = call(ceilOp);
/** Nearest integer, halves to even; no gradient. */
export const round = call(roundOp);
/** x limited to [min, max] (numbers; either may be infinite). Gradient 0 outside. */
export const clip = (x: Tensor, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY): Tensor =>
  min === Number.NEGATIVE_INFINITY && max === Number.POSITIVE_INFINITY ? x : apply(clipOp, [x], { min, max });
/** (x - y)², broadcasting. */
export const squaredDifference = (x: Tensor, y: Tensor): Tensor => square(sub(x, y));
