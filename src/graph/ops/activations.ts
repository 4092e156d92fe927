import type { DType } from '../dtype.ts';
import type { Emitter } from '../op.ts';
import { apply, type Tensor } from '../tensor.ts';
import { add, mul, neg, sub } from './arithmetic.ts';
import { cast, greater, where } from './compare.ts';
import { emitLog1p, exp, square } from './elementwise.ts';
import { call, erfReference, unary } from './unary.ts';

export const tanhOp = unary({
  name: 'tanh',
  doc: 'hyperbolic tangent',
  f: Math.tanh,
  back: (_, y, g) => mul(g, sub(1, square(y))),
  emit: 'Tanh',
});
export const sigmoidOp = unary({
  name: 'sigmoid',
  doc: '1/(1 + e⁻ˣ)',
  f: logistic,
  back: (_, y, g) => mul(g, mul(y, sub(1, y))),
  emit: 'Sigmoid',
});
export const erfOp = unary({
  name: 'erf',
  doc: 'error function (onnxruntime: float32 and float16)',
  f: erfReference,
  back: (x, _, g) => mul(mul(g, 2 / Math.sqrt(Math.PI)), exp(neg(square(x)))),
  emit: 'Erf',
});

/** log(1 + e^{-|x|}): the smooth part of softplus and logSigmoid. */
function emitTail(e: Emitter, x: string, dtype: DType): string {
  return emitLog1p(e, e.node('Exp', [e.node('Neg', [e.node('Abs', [x])])]), dtype);
}

export const softplusOp = unary({
  name: 'softplus',
  doc: 'log(1 + eˣ) = max(x, 0) + log1p(e^{-|x|})',
  f: (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))),
  back: (x, _, g) => mul(g, sigmoid(x)),
  // ONNX's Softplus loses every digit of softplus(-20); this form does not
  emit: (e, x, dtype) => e.node('Add', [e.node('Relu', [x]), emitTail(e, x, dtype)]),
});
export const logSigmoidOp = unary({
  name: 'logSigmoid',
  doc: 'log sigmoid(x) = min(x, 0) - log1p(e^{-|x|})',
  f: (v) => Math.min(v, 0) - Math.log1p(Math.exp(-Math.abs(v))),
  back: (x, _, g) => mul(g, sigmoid(neg(x))),
  emit: (e, x, dtype) => e.node('Sub', [e.node('Min', [x, e.scalar(0, dtype)]), emitTail(e, x, dtype)]),
});
export const reluOp = unary({
  name: 'relu',
  doc: 'max(x, 0); the gradient at 0 is 0',
  f: (v) => (v > 0 ? v : Number.isNaN(v) ? v : 0),
  // y is 0 or positive: its truth value is the mask. Two casts and a product are twice as fast in onnxruntime as Where
  back: (_, y, g) => mul(g, cast(cast(y, 'bool'), g.dtype)),
  emit: 'Relu',
});
export const leakyReluOp = unary<{ slope: number }>({
  name: 'leakyRelu',
  doc: 'x if x > 0, else slope·x; the gradient at 0 is slope',
  f: (v, { slope }) => (v > 0 ? v : slope * v),
  back: (x, _, g, { slope }) => where(greater(x, 0), g, mul(g, slope)),
  emit: (e, x, _, { slope }) => e.node('LeakyRelu', [x], { alpha: { float: slope } }),
});
export const eluOp = unary<{ alpha: number }>({
  name: 'elu',
  doc: 'x if x > 0, else α(eˣ - 1)',
  f: (v, { alpha }) => (v > 0 ? v : alpha * Math.expm1(v)),
  back: (x, y, g, { alpha }) => where(greater(x, 0), g, mul(g, add(y, alpha))),
  emit: (e, x, _, { alpha }) => e.node('Elu', [x], { alpha: { float: alpha } }),
});
export const siluOp = unary({
  name: 'silu',
  doc: 'x·sigmoid(x)',
  f: (v) => v * logistic(v),
  back: (x, _, g) => {
    const s = sigmoid(x);
    return mul(g, mul(s, add(mul(x, sub(1, s)), 1)));
  },
  emit: (e, x) => e.node('Mul', [x, e.node('Sigmoid', [x])]),
});

const ROOT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;
export type GeluApproximation = 'none' | 'tanh';

export const geluOp = unary<{ approximate: GeluApproximation }>({
  name: 'gelu',
  doc: 'x·Φ(x), Φ the normal distribution function, or its tanh approximation',
  f: (v, { approximate }) =>
    approximate === 'none'
      ? 0.5 * v * (1 + erfReference(v * Math.SQRT1_2))
      : 0.5 * v * (1 + Math.tanh(ROOT_2_OVER_PI * (v + CUBIC * v * v * v))),
  // as few passes over the array as possible: these are a tenth of a transformer's backward time
  back: (x, y, g, { approximate }) => {
    if (approximate === 'none') {
      // Φ(x) + x·φ(x) = ½·(1 + erf z + z·2/√π·exp(-z²)), z = x/√2
      const z = mul(x, Math.SQRT1_2);
      const bell = mul(z, exp(sub(Math.log(2 / Math.sqrt(Math.PI)), square(z))));
      return mul(mul(g, 0.5), add(add(erf(z), bell), 1));
    }
    // y = x·s with s = sigmoid(2u): y' = s + y·2u'·(1 - s)
    const x2 = square(x);
    const s = sigmoid(mul(x, add(mul(x2, 2 * ROOT_2_OVER_PI * CUBIC), 2 * ROOT_2_OVER_PI)));
    const rate = add(mul(x2, 6 * ROOT_2_OVER_PI * CUBIC), 2 * ROOT_2_OVER_PI);
    return mul(g, add(s, mul(mul(y, rate), sub(1, s))));
  },
  emit: (e, x, _, { approximate }) => e.node('Gelu', [x], { approximate }),
});

function logistic(v: number): number {
  if (v >= 0) return 1 / (1 + Math.exp(-v));
  const t = Math.exp(v);
  return t / (1 + t);
}

/** Hyperbolic tangent. */
export const tanh = call(tanhOp);
/** 1/(1 + e⁻ˣ) */
export const sigmoid = call(sigmoidOp);
/** Error function. */
export const erf = call(erfOp);
/** log(1 + eˣ), stable for all x. */
export const softplus = call(softplusOp);
/** log sigmoid(x), stable for all x. */
export const logSigmoid = call(logSigmoidOp);
/** max(x, 0); gradient 0 at 0. */
export const relu = call(reluOp);
/** x if x > 0, else slope·x (default slope 0.01). */
export const leakyRelu = (x: Tensor, slope = 0.01): Tensor => apply(leakyReluOp, [x], { slope });
/** x if x > 0, else α(eˣ - 1) (default α = 1). */
export const elu = (x: Tensor, alpha = 1): Tensor => apply(eluOp, [x], { alpha });
/** x·sigmoid(x), also known as swish. */
export const silu = call(siluOp);
/** x·Φ(x) (Hendrycks and Gimpel 2016, arXiv:1606.08415); `approximate: 'tanh'` for the form of GPT-2. */
export const gelu = (x: Tensor, { approximate = 'none' }: { approximate?: GeluApproximation } = {}): Tensor =>
  apply(geluOp, [x], { approximate });
