import { isFloat } from '../../dtype.ts';
import { elu, erf, gelu, leakyRelu, relu, sigmoid, softplus, tanh } from '../../ops/activations.ts';
import { add, div, maximum, minimum, mod, mul, neg, pow, sub } from '../../ops/arithmetic.ts';
import { reshape } from '../../ops/basic.ts';
import {
  cast,
  equal,
  greater,
  greaterEqual,
  isNaN as isNotANumber,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  notEqual,
  where,
} from '../../ops/compare.ts';
import {
  abs,
  ceil,
  clip,
  cos,
  exp,
  floor,
  log,
  reciprocal,
  round,
  sign,
  sin,
  sqrt,
} from '../../ops/elementwise.ts';
import { normalizeAxis } from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import type { Importer, ImportTable, OpNode } from './node.ts';
import { knownElements } from './value.ts';

const unary =
  (f: (x: Tensor) => Tensor): Importer =>
  (n) =>
    f(n.tensor(0));
const binary =
  (f: (a: Tensor, b: Tensor) => Tensor): Importer =>
  (n) =>
    f(n.tensor(0), aligned(n));

/** The second operand; up to operator set 6 the attribute `axis` says where it stands in the first. */
function aligned(n: OpNode): Tensor {
  const b = n.tensor(1);
  if (n.opset >= 7 || !n.hasAttr('axis')) return b;
  const rank = n.value(0).shape.length;
  const after = rank - normalizeAxis(n.int('axis'), rank) - b.rank;
  return reshape(b, [...b.shape, ...Array<number>(Math.max(0, after)).fill(1)]);
}

/** A slope per channel (axis 1) up to operator set 6; since then it broadcasts from the right. */
function parametricRelu(n: OpNode): Tensor {
  const [x, slope] = n.tensors();
  const perChannel = n.opset < 7 && slope.rank === 1 && slope.shape[0] !== 1 && x.rank > 1;
  return prelu(x, perChannel ? reshape(slope, [slope.shape[0], ...x.shape.slice(2).map(() => 1)]) : slope);
}
const variadic =
  (f: (a: Tensor, b: Tensor) => Tensor): Importer =>
  (n) =>
    n.tensors().reduce(f);

/** Comparisons on bools go through int32. */
const asNumber = (x: Tensor): Tensor => (x.dtype === 'bool' ? cast(x, 'int32') : x);

/** Fractional part dropped. */
const truncate = (x: Tensor): Tensor => (isFloat(x.dtype) ? mul(sign(x), floor(abs(x))) : x);

function modulo(n: OpNode): Tensor {
  const [a, b] = n.tensors();
  // fmod takes the sign of the dividend, as in C
  return n.int('fmod', 0) ? sub(a, mul(b, truncate(div(a, b)))) : mod(a, b);
}

function power(n: OpNode): Tensor {
  const [a, b] = [n.tensor(0), aligned(n)];
  if (isFloat(a.dtype)) return pow(a, cast(b, a.dtype));
  return cast(round(pow(cast(a, 'float32'), cast(b, 'float32'))), a.dtype);
}

function limited(n: OpNode): Tensor {
  const x = n.tensor(0);
  if (n.opset < 11) return clip(x, n.float('min', -Infinity), n.float('max', Infinity));
  const limit = (i: number): number | undefined => {
    const known = knownElements(n.value(i))?.elements;
    return known?.length === 1 && typeof known[0] === 'number' ? known[0] : undefined;
  };
  const [lo, hi] = [1, 2].map((i) => (n.has(i) ? limit(i) : undefined));
  const open = [1, 2].map((i) => n.has(i) && (i === 1 ? lo : hi) === undefined);
  // ONNX lets a minimum above the maximum win nothing: the result is the maximum
  const low = open[0] ? maximum(x, n.tensor(1)) : x;
  if (!open[0] && !open[1]) return clip(x, Math.min(lo ?? -Infinity, hi ?? Infinity), hi);
  const bounded = lo === undefined ? low : clip(low, lo);
  return open[1] ? minimum(bounded, n.tensor(2)) : hi === undefined ? bounded : clip(bounded, undefined, hi);
}

const prelu = (x: Tensor, slope: Tensor): Tensor => add(relu(x), mul(slope, minimum(x, 0)));

function selu(n: OpNode): Tensor {
  const alpha = n.float('alpha', 1.6732631921768188);
  const gamma = n.float('gamma', 1.0507010221481323);
  return mul(elu(n.tensor(0), alpha), gamma);
}

const hardSigmoid = (x: Tensor, alpha: number, beta: number): Tensor => clip(add(mul(x, alpha), beta), 0, 1);

function infinite(n: OpNode): Tensor {
  const x = n.tensor(0);
  const positive = equal(x, Infinity);
  const negative = equal(x, -Infinity);
  if (!n.int('detect_negative', 1)) return positive;
  return n.int('detect_positive', 1) ? logicalOr(positive, negative) : negative;
}

/** Element-wise operators, and those that return their input. */
export const elementwise: ImportTable = {
  Abs: unary(abs),
  Neg: unary(neg),
  Exp: unary(exp),
  Log: unary(log),
  Sqrt: unary(sqrt),
  Reciprocal: unary(reciprocal),
  Sin: unary(sin),
  Cos: unary(cos),
  Tan: unary((x) => div(sin(x), cos(x))),
  Sinh: unary((x) => mul(sub(exp(x), exp(neg(x))), 0.5)),
  Cosh: unary((x) => mul(add(exp(x), exp(neg(x))), 0.5)),
  Tanh: unary(tanh),
  // odd functions through |x|, where nothing cancels
  Asinh: unary((x) => mul(sign(x), log(add(abs(x), sqrt(add(mul(x, x), 1)))))),
  Acosh: unary((x) => log(add(x, sqrt(sub(mul(x, x), 1))))),
  Atanh: unary((x) => mul(log(div(add(x, 1), sub(1, x))), 0.5)),
  Erf: unary(erf),
  Sigmoid: unary(sigmoid),
  Softplus: unary(softplus),
  Softsign: unary((x) => div(x, add(abs(x), 1))),
  Floor: unary(floor),
  Ceil: unary(ceil),
  Round: unary(round),
  Sign: unary(sign),
  Relu: unary((x) => (isFloat(x.dtype) ? relu(x) : maximum(x, 0))),
  LeakyRelu: (n) => leakyRelu(n.tensor(0), n.float('alpha', 0.01)),
  PRelu: parametricRelu,
  Elu: (n) => elu(n.tensor(0), n.float('alpha', 1)),
  Celu: (n) => {
    const alpha = n.float('alpha', 1);
    return mul(elu(div(n.tensor(0), alpha), 1), alpha);
  },
  Selu: selu,
  Gelu: (n) =>
    gelu(n.tensor(0), { approximate: n.string('approximate', 'none') === 'tanh' ? 'tanh' : 'none' }),
  Swish: (n) => {
    const x = n.tensor(0);
    return mul(x, sigmoid(mul(x, n.float('alpha', 1))));
  },
  Mish: unary((x) => mul(x, tanh(softplus(x)))),
  HardSigmoid: (n) => hardSigmoid(n.tensor(0), n.float('alpha', 0.2), n.float('beta', 0.5)),
  HardSwish: unary((x) => mul(x, hardSigmoid(x, 1 / 6, 0.5))),
  ThresholdedRelu: (n) => {
    const x = n.tensor(0);
    return where(greater(x, n.float('alpha', 1)), x, 0);
  },
  Shrink: (n) => {
    const x = n.tensor(0);
    const [lambda, bias] = [n.float('lambd', 0.5), n.float('bias', 0)];
    return where(greater(x, lambda), sub(x, bias), where(less(x, -lambda), add(x, bias), 0));
  },
  Clip: limited,
  IsNaN: unary(isNotANumber),
  IsInf: infinite,

  Add: binary(add),
  Sub: binary(sub),
  Mul: binary(mul),
  Div: binary(div),
  Mod: modulo,
  Pow: power,
  Max: variadic(maximum),
  Min: variadic(minimum),
  Sum: variadic(add),
  Mean: (n) => div(n.tensors().reduce(add), n.inputCount),

  Equal: binary(equal),
  Less: binary(less),
  LessOrEqual: binary(lessEqual),
  Greater: binary(greater),
  GreaterOrEqual: binary(greaterEqual),
  And: binary(logicalAnd),
  Or: binary(logicalOr),
  Xor: binary((a, b) => notEqual(asNumber(a), asNumber(b))),
  Not: unary(logicalNot),
  Where: (n) => where(n.tensor(0), n.tensor(1), n.tensor(2)),

  Identity: (n) => n.value(0),
  Cast: (n) => cast(n.tensor(0), n.dtypeAttr('to')),
  CastLike: (n) => cast(n.tensor(0), n.value(1).dtype),
};
