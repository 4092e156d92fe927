import { DecantError } from '../../util/errors.ts';
import { array } from '../ndarray.ts';
import type { OpDef } from '../op.ts';
import {
  broadcastShapes,
  type Dim,
  dimDivide,
  dimEquals,
  dimKey,
  dimProduct,
  isConcrete,
  type Shape,
  shapeEquals,
  showShape,
} from '../shape.ts';
import { apply, constant, type Tensor } from '../tensor.ts';
import { broadcastStrides, strided } from './kernels.ts';
import { sumTo } from './reduce.ts';

export const identityOp: OpDef<null> = {
  name: 'identity',
  doc: 'x, as a node of its own',
  infer: ([x]) => [{ shape: x.shape, dtype: x.dtype }],
  evaluate: ([x]) => [x.data],
  vjp: ({ grads: [g] }) => [g],
  emit: (_, [x]) => [x],
};
/** x as a node of its own: a point to differentiate at. Costs nothing when it runs. */
export const identity = (x: Tensor): Tensor => apply(identityOp, [x], null);

export const reshapeOp: OpDef<{ shape: Shape }> = {
  name: 'reshape',
  doc: 'the same elements in another shape',
  infer: ([x], { shape }) => {
    if (!dimEquals(dimProduct(x.shape), dimProduct(shape))) {
      throw new DecantError('shape', `cannot reshape ${showShape(x.shape)} to ${showShape(shape)}`, {
        seen: `${dimKey(dimProduct(x.shape))} elements`,
        allowed: `${dimKey(dimProduct(shape))} elements`,
      });
    }
    return [{ shape, dtype: x.dtype }];
  },
  evaluate: ([x]) => [x.data],
  vjp: ({ inputs: [x], grads: [g] }) => [reshape(g!, x.shape)],
  emit: (e, [x], { attrs }) => [e.node('Reshape', [x, e.reshapeTarget(attrs.shape)], { allowzero: 1 })],
};

/** The same elements in another shape; one size may be -1 (found from the others). */
export function reshape(x: Tensor, shape: Shape): Tensor {
  let target = shape;
  const open = shape.indexOf(-1);
  if (open >= 0) {
    const rest = dimProduct(shape.filter((_, i) => i !== open));
    const found: Dim | undefined = dimDivide(dimProduct(x.shape), rest);
    if (found === undefined) {
      throw new DecantError(
        'shape',
        `cannot reshape ${showShape(x.shape)} to ${showShape(shape)}: -1 has no exact size`,
      );
    }
    target = shape.map((d, i) => (i === open ? found : d));
  }
  return shapeEquals(x.shape, target) ? x : apply(reshapeOp, [x], { shape: target });
}

export const broadcastOp: OpDef<{ shape: Shape }> = {
  name: 'broadcast',
  doc: 'x stretched along axes of size 1',
  infer: ([x], { shape }) => {
    if (!shapeEquals(broadcastShapes(x.shape, shape), shape)) {
      throw new DecantError('shape', `cannot broadcast ${showShape(x.shape)} to ${showShape(shape)}`);
    }
    return [{ shape, dtype: x.dtype }];
  },
  evaluate: ([x], { types: [t] }) => {
    return [strided(x.data, t.shape, broadcastStrides(x.shape, t.shape))];
  },
  vjp: ({ inputs: [x], grads: [g] }) => [sumTo(g!, x.shape)],
  emit: (e, [x], { attrs }) => [e.node('Expand', [x, e.shape(attrs.shape)])],
};

/** x stretched to `shape` (sizes 1 and missing leading axes are repeated). */
export const broadcastTo = (x: Tensor, shape: Shape): Tensor =>
  shapeEquals(x.shape, shape) ? x : apply(broadcastOp, [x], { shape });

/** A tensor of one value, of any shape (symbolic too). */
export const fill = (shape: Shape, value: number, dtype: Tensor['dtype'] = 'float32'): Tensor =>
  broadcastTo(constant(array(value, dtype, [])), shape);

export const zerosOf = (x: Tensor): Tensor => fill(x.shape, 0, x.dtype);
export const onesOf = (x: Tensor): Tensor => fill(x.shape, 1, x.dtype);
export const isStatic = (x: Tensor): boolean => isConcrete(x.shape);
