import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import type { OpDef, RefArray } from '../op.ts';
import { broadcastShapes } from '../shape.ts';
import { apply, lift, type Tensor, type TensorLike } from '../tensor.ts';
import { broadcastBinary } from './kernels.ts';
import { sumTo } from './reduce.ts';

interface BinarySpec {
  name: string;
  doc: string;
  onnx: string;
  f: (a: number, b: number) => number;
  vjp: OpDef<null>['vjp'];
  floatOnly?: boolean;
}

/** Element-wise operators of two operands of one dtype, with NumPy broadcasting. */
function binary({ name, doc, onnx, f, vjp, floatOnly }: BinarySpec): OpDef<null> {
  return {
    name,
    doc,
    infer([a, b]) {
      if (a.dtype !== b.dtype) {
        throw new DecantError('shape', 'operands must have one dtype', {
          seen: `${a.dtype} and ${b.dtype}`,
          fix: 'cast one of them',
        });
      }
      if (a.dtype === 'bool' || (floatOnly && !isFloat(a.dtype))) {
        throw new DecantError('shape', `not defined for ${a.dtype}`, { fix: 'cast to a number type first' });
      }
      return [{ shape: broadcastShapes(a.shape, b.shape), dtype: a.dtype }];
    },
    evaluate: ([a, b], { types }) => [broadcastBinary(a, b, types[0].shape, wrap(f, a))],
    vjp,
    emit: (e, inputs) => [e.node(onnx, inputs)],
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

const call =
  (op: OpDef<null>) =>
  (a: TensorLike, b: TensorLike): Tensor =>
    apply(op, [lift(a, b), lift(b, a)], null);

/** a + b, broadcasting. */
export const add = call(addOp);
/** a - b, broadcasting. */
export const sub = call(subOp);
/** a · b, broadcasting. */
export const mul = call(mulOp);
/** a / b, broadcasting; integers truncate. */
export const div = call(divOp);
/** -a */
export const neg = (a: Tensor): Tensor => mul(a, -1);
