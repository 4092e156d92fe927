import { DecantError } from '../../util/errors.ts';
import { DTYPES, type DType, isFloat } from '../dtype.ts';
import type { OpDef } from '../op.ts';
import { broadcastShapes } from '../shape.ts';
import { apply, lift, type Tensor, type TensorLike } from '../tensor.ts';
import { broadcastBinary, broadcastStrides, eachRow, mapUnary, sizeOf } from './kernels.ts';
import { call, requireOneDtype } from './pair.ts';
import { sumTo } from './reduce.ts';

type Takes = 'any' | 'ordered' | 'bool';

function comparison(
  name: string,
  doc: string,
  f: (a: number, b: number) => boolean,
  emit: OpDef<null>['emit'],
  takes: Takes,
): OpDef<null> {
  return {
    name,
    doc,
    infer([a, b]) {
      requireOneDtype(a, b);
      if ((takes === 'bool') !== (a.dtype === 'bool') && takes !== 'any') {
        throw new DecantError('shape', `not defined for ${a.dtype}`, {
          allowed: takes === 'bool' ? 'bool' : 'number types',
        });
      }
      return [{ shape: broadcastShapes(a.shape, b.shape), dtype: 'bool' }];
    },
    evaluate: ([a, b], { types }) => [broadcastBinary(a, b, types[0].shape, (x, y) => (f(x, y) ? 1 : 0))],
    vjp: 'none',
    emit,
  };
}

const onnx =
  (op: string): OpDef<null>['emit'] =>
  (e, inputs) => [e.node(op, inputs)];

export const equalOp = comparison('equal', 'a = b', (a, b) => a === b, onnx('Equal'), 'any');
export const notEqualOp = comparison(
  'notEqual',
  'a ≠ b',
  (a, b) => a !== b,
  (e, inputs) => [e.node('Not', [e.node('Equal', inputs)])],
  'any',
);
export const lessOp = comparison('less', 'a < b', (a, b) => a < b, onnx('Less'), 'ordered');
export const lessEqualOp = comparison('lessEqual', 'a ≤ b', (a, b) => a <= b, onnx('LessOrEqual'), 'ordered');
export const greaterOp = comparison('greater', 'a > b', (a, b) => a > b, onnx('Greater'), 'ordered');
export const greaterEqualOp = comparison(
  'greaterEqual',
  'a ≥ b',
  (a, b) => a >= b,
  onnx('GreaterOrEqual'),
  'ordered',
);
export const logicalAndOp = comparison(
  'logicalAnd',
  'a and b',
  (a, b) => a !== 0 && b !== 0,
  onnx('And'),
  'bool',
);
export const logicalOrOp = comparison(
  'logicalOr',
  'a or b',
  (a, b) => a !== 0 || b !== 0,
  onnx('Or'),
  'bool',
);

/** a = b element-wise, broadcasting; bool. */
export const equal = call(equalOp);
/** a ≠ b element-wise, broadcasting; bool. */
export const notEqual = call(notEqualOp);
/** a < b element-wise, broadcasting; bool. */
export const less = call(lessOp);
/** a ≤ b element-wise, broadcasting; bool. */
export const lessEqual = call(lessEqualOp);
/** a > b element-wise, broadcasting; bool. */
export const greater = call(greaterOp);
/** a ≥ b element-wise, broadcasting; bool. */
export const greaterEqual = call(greaterEqualOp);
/** a and b, broadcasting; bool. */
export const logicalAnd = call(logicalAndOp);
/** a or b, broadcasting; bool. */
export const logicalOr = call(logicalOrOp);

export const logicalNotOp: OpDef<null> = {
  name: 'logicalNot',
  doc: 'not a',
  infer: ([a]) => {
    if (a.dtype !== 'bool') throw new DecantError('shape', `not defined for ${a.dtype}`, { allowed: 'bool' });
    return [{ shape: a.shape, dtype: 'bool' }];
  },
  evaluate: ([a]) => [mapUnary(a.data, (v) => (v === 0 ? 1 : 0))],
  vjp: 'none',
  emit: onnx('Not'),
};
/** not a; bool. */
export const logicalNot = (a: Tensor): Tensor => apply(logicalNotOp, [a], null);

function floatTest(name: string, doc: string, f: (v: number) => boolean, op: string): OpDef<null> {
  return {
    name,
    doc,
    infer: ([a]) => {
      if (!isFloat(a.dtype))
        throw new DecantError('shape', `not defined for ${a.dtype}`, { allowed: 'float types' });
      return [{ shape: a.shape, dtype: 'bool' }];
    },
    evaluate: ([a]) => [mapUnary(a.data, (v) => (f(v) ? 1 : 0))],
    vjp: 'none',
    emit: onnx(op),
  };
}
export const isNaNOp = floatTest('isNaN', 'x is not a number', Number.isNaN, 'IsNaN');
export const isInfOp = floatTest('isInf', 'x is +∞ or -∞', (v) => Math.abs(v) === Infinity, 'IsInf');
/** Whether x is NaN; bool. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: the field's name for it
export const isNaN = (x: Tensor): Tensor => apply(isNaNOp, [x], null);
/** Whether x is +∞ or -∞; bool. */
export const isInf = (x: Tensor): Tensor => apply(isInfOp, [x], null);

export const whereOp: OpDef<null> = {
  name: 'where',
  doc: 'a where the condition holds, b elsewhere',
  infer([c, a, b]) {
    if (c.dtype !== 'bool')
      throw new DecantError('shape', 'the condition must be bool', {
        seen: c.dtype,
        fix: 'compare first, for example notEqual(x, 0)',
      });
    if (a.dtype !== b.dtype)
      throw new DecantError('shape', 'both branches must have one dtype', {
        seen: `${a.dtype} and ${b.dtype}`,
        fix: 'cast one of them',
      });
    return [{ shape: broadcastShapes(c.shape, a.shape, b.shape), dtype: a.dtype }];
  },
  evaluate([c, a, b], { types: [{ shape }] }) {
    const out = new Float64Array(sizeOf(shape));
    const strides = [c, a, b].map((t) => broadcastStrides(t.shape, shape));
    eachRow(shape, strides, (start, n, [pc, pa, pb], [sc, sa, sb]) => {
      for (let i = 0; i < n; i++)
        out[start + i] = c.data[pc + i * sc] !== 0 ? a.data[pa + i * sa] : b.data[pb + i * sb];
    });
    return [out];
  },
  vjp: ({ inputs: [c, a, b], grads: [g], needs }) => [
    undefined,
    needs(1) ? sumTo(where(c, g!, 0), a.shape) : undefined,
    needs(2) ? sumTo(where(c, 0, g!), b.shape) : undefined,
  ],
  emit(e, [c, a, b], { inputs: [, { dtype }] }) {
    // onnxruntime has no Where for bool and uint32
    if (dtype === 'bool') {
      const not = e.node('Not', [c]);
      return [e.node('Or', [e.node('And', [c, a]), e.node('And', [not, b])])];
    }
    if (dtype === 'uint32')
      return [e.cast(e.node('Where', [c, e.cast(a, 'int64'), e.cast(b, 'int64')]), dtype)];
    return [e.node('Where', [c, a, b])];
  },
};

/** a where `condition` (bool) holds, b elsewhere; all three broadcast. The branch not taken gets gradient 0. */
export const where = (condition: Tensor, a: TensorLike, b: TensorLike): Tensor =>
  apply(whereOp, [condition, lift(a, b), lift(b, a)], null);

/** The value a number takes in an integer or bool dtype: truncated towards zero and wrapped. */
export function toDType(v: number, dtype: DType): number {
  switch (dtype) {
    case 'bool':
      return v === 0 ? 0 : 1;
    case 'int32':
      return Math.trunc(v) | 0;
    case 'uint32':
      return Math.trunc(v) >>> 0;
    case 'uint8':
      return Math.trunc(v) & 0xff;
    case 'int64':
      return Math.trunc(v);
    default:
      return v;
  }
}

export const castOp: OpDef<{ dtype: DType }> = {
  name: 'cast',
  doc: 'x as another dtype: towards zero for integers, x ≠ 0 for bool',
  infer: ([x], { dtype }) => {
    if (!(dtype in DTYPES))
      throw new DecantError('shape', 'unknown dtype', {
        seen: dtype,
        allowed: Object.keys(DTYPES).join(', '),
      });
    return [{ shape: x.shape, dtype }];
  },
  evaluate: ([x], { attrs: { dtype } }) => [
    isFloat(dtype) ? x.data : mapUnary(x.data, (v) => toDType(v, dtype)),
  ],
  vjp: ({ inputs: [x], attrs, grads: [g] }) => [
    isFloat(attrs.dtype) && isFloat(x.dtype) ? cast(g!, x.dtype) : undefined,
  ],
  emit: (e, [x], { attrs }) => [e.cast(x, attrs.dtype)],
};

/** x as another dtype. Differentiable between float types; values outside an integer type's range are undefined. */
export const cast = (x: Tensor, dtype: DType): Tensor =>
  x.dtype === dtype ? x : apply(castOp, [x], { dtype });
