import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import { item } from '../ndarray.ts';
import type { OpDef, RefArray } from '../op.ts';
import { broadcastShapes } from '../shape.ts';
import { apply, constantOp, type Tensor } from '../tensor.ts';
import { zerosOf } from './basic.ts';
import { equal, greater, where } from './compare.ts';
import { floor, log } from './elementwise.ts';
import { broadcastBinary, mapUnary } from './kernels.ts';
import { call, requireOneDtype } from './pair.ts';
import { sumTo } from './reduce.ts';

interface BinarySpec {
  name: string;
  doc: string;
  onnx: string;
  f: (a: number, b: number) => number;
  vjp: OpDef<null>['vjp'];
  floatOnly?: boolean;
  emit?: OpDef<null>['emit'];
}

/** Element-wise operators of two operands of one dtype, with NumPy broadcasting. */
function binary({ name, doc, onnx, f, vjp, floatOnly, emit }: BinarySpec): OpDef<null> {
  return {
    name,
    doc,
    infer([a, b]) {
      requireOneDtype(a, b);
      if (a.dtype === 'bool' || (floatOnly && !isFloat(a.dtype))) {
        throw new DecantError('shape', `not defined for ${a.dtype}`, { fix: 'cast to a number type first' });
      }
      return [{ shape: broadcastShapes(a.shape, b.shape), dtype: a.dtype }];
    },
    evaluate: ([a, b], { types }) => [broadcastBinary(a, b, types[0].shape, wrap(f, a))],
    vjp,
    emit: emit ?? ((e, inputs) => [e.node(onnx, inputs)]),
  };
}

/** Integer results wrap as the machine's do; integer division truncates. */
function wrap(f: (a: number, b: number) => number, a: RefArray): (x: number, y: number) => number {
  switch (a.dtype) {
    case 'int32':
      return (x, y) => Math.trunc(f(x, y)) | 0;
    case 'uint32':
      return (x, y) => Math.trunc(f(x, y)) >>> 0;
    case 'uint8':
      return (x, y) => Math.trunc(f(x, y)) & 0xff;
    case 'int64':
      return (x, y) => Math.trunc(f(x, y));
    default:
      return f;
  }
}

export const addOp = binary({
  name: 'add',
  doc: 'a + b',
  onnx: 'Add',
  f: (a, b) => a + b,
  vjp: ({ inputs: [a, b], grads: [g] }) => [sumTo(g!, a.shape), sumTo(g!, b.shape)],
});
export const subOp = binary({
  name: 'sub',
  doc: 'a - b',
  onnx: 'Sub',
  f: (a, b) => a - b,
  vjp: ({ inputs: [a, b], grads: [g], needs }) => [
    sumTo(g!, a.shape),
    needs(1) ? sumTo(neg(g!), b.shape) : undefined,
  ],
});
export const mulOp = binary({
  name: 'mul',
  doc: 'a · b',
  onnx: 'Mul',
  f: (a, b) => a * b,
  vjp: ({ inputs: [a, b], grads: [g], needs }) => [
    needs(0) ? sumTo(mul(g!, b), a.shape) : undefined,
    needs(1) ? sumTo(mul(g!, a), b.shape) : undefined,
  ],
});
export const divOp = binary({
  name: 'div',
  doc: 'a / b (integers truncate)',
  onnx: 'Div',
  f: (a, b) => a / b,
  vjp: ({ inputs: [a, b], outputs: [y], grads: [g], needs }) => [
    needs(0) ? sumTo(div(g!, b), a.shape) : undefined,
    needs(1) ? sumTo(neg(div(mul(g!, y), b)), b.shape) : undefined,
  ],
});

/** Cotangent of the first operand where `wins`, half of it where the two are equal. */
const shareOf = (g: Tensor, wins: Tensor, tie: Tensor): Tensor => where(wins, g, where(tie, mul(g, 0.5), 0));

export const maximumOp = binary({
  name: 'maximum',
  doc: 'max(a, b); the gradient is split equally at ties',
  onnx: 'Max',
  f: Math.max,
  vjp: ({ inputs: [a, b], grads: [g] }) => {
    const ga = shareOf(g!, greater(a, b), equal(a, b));
    return [sumTo(ga, a.shape), sumTo(sub(g!, ga), b.shape)];
  },
});
export const minimumOp = binary({
  name: 'minimum',
  doc: 'min(a, b); the gradient is split equally at ties',
  onnx: 'Min',
  f: Math.min,
  vjp: ({ inputs: [a, b], grads: [g] }) => {
    const ga = shareOf(g!, greater(b, a), equal(a, b));
    return [sumTo(ga, a.shape), sumTo(sub(g!, ga), b.shape)];
  },
});
export const modOp = binary({
  name: 'mod',
  doc: 'a - b·floor(a / b): the remainder with the sign of b',
  onnx: 'Mod',
  f: (a, b) => {
    const r = a % b;
    return r !== 0 && r < 0 !== b < 0 ? r + b : r;
  },
  vjp: ({ inputs: [a, b], grads: [g], needs }) => [
    sumTo(g!, a.shape),
    needs(1) ? sumTo(neg(mul(g!, floor(div(a, b)))), b.shape) : undefined,
  ],
  emit: (e, [a, b], { inputs: [{ dtype }] }) => {
    if (!isFloat(dtype)) return [e.node('Mod', [a, b])];
    // ONNX gives floats only C's fmod, which has the sign of a
    const r = e.node('Mod', [a, b], { fmod: 1 });
    const signs = e.node('Mul', [e.node('Sign', [r]), e.node('Sign', [b])]);
    const other = e.node('Less', [signs, e.scalar(0, dtype)]);
    return [e.node('Where', [other, e.node('Add', [r, b]), r])];
  },
});
export const powOp = binary({
  name: 'pow',
  doc: 'a^b; ∂/∂a at b = 0 is 0, ∂/∂b where a ≤ 0 is 0',
  onnx: 'Pow',
  f: (a, b) => (a === 1 || b === 0 ? 1 : a ** b),
  floatOnly: true,
  vjp: ({ inputs: [a, b], outputs: [y], grads: [g], needs }) => {
    const slope = (): Tensor => {
      const c = constantValue(b);
      if (c === 0) return zerosOf(g!);
      if (c === 1) return g!;
      if (c === 2) return mul(mul(g!, 2), a);
      if (c !== undefined) return mul(mul(g!, c), pow(a, c - 1));
      return where(equal(b, 0), 0, mul(mul(g!, b), pow(a, sub(b, 1))));
    };
    const positive = greater(a, 0);
    return [
      needs(0) ? sumTo(slope(), a.shape) : undefined,
      needs(1) ? sumTo(where(positive, mul(mul(g!, y), log(where(positive, a, 1))), 0), b.shape) : undefined,
    ];
  },
});

/** The number in a 0-d constant, if that is what the tensor is. */
export const constantValue = (t: Tensor): number | undefined =>
  t.node.op === constantOp && t.rank === 0 ? item(t.node.attrs.value) : undefined;

export const negOp: OpDef<null> = {
  name: 'neg',
  doc: '-a',
  infer: ([a]) => {
    if (a.dtype === 'bool' || a.dtype === 'uint8' || a.dtype === 'uint32')
      throw new DecantError('shape', `not defined for ${a.dtype}`, { fix: 'cast to a signed type first' });
    return [{ shape: a.shape, dtype: a.dtype }];
  },
  evaluate: ([a]) => [mapUnary(a.data, (v) => -v)],
  vjp: ({ grads: [g] }) => [neg(g!)],
  emit: (e, inputs) => [e.node('Neg', inputs)],
};

/** a + b, broadcasting. */
export const add = call(addOp);
/** a - b, broadcasting. */
export const sub = call(subOp);
/** a · b, broadcasting. */
export const mul = call(mulOp);
/** a / b, broadcasting; integers truncate. */
export const div = call(divOp);
/** max(a, b), broadcasting; ties share the gradient equally. */
export const maximum = call(maximumOp);
/** min(a, b), broadcasting; ties share the gradient equally. */
export const minimum = call(minimumOp);
/** a - b·floor(a / b), broadcasting: the remainder with the sign of b. */
export const mod = call(modOp);
/** a^b, broadcasting, for floats. A negative base needs an integral exponent. */
export const pow = call(powOp);
/** -a */
export const neg = (a: Tensor): Tensor => apply(negOp, [a], null);
