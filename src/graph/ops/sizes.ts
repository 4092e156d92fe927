import type { DType } from '../dtype.ts';
import { array } from '../ndarray.ts';
import type { OpDef } from '../op.ts';
import { type Dim, dimProduct, isSymbolic, type Shape } from '../shape.ts';
import { apply, constant, type Tensor } from '../tensor.ts';

export const sizeOp: OpDef<{ dim: Dim; dtype: DType }> = {
  name: 'size',
  doc: 'the size of a symbolic dimension, as a 0-d tensor',
  infer: (_, { dtype }) => [{ shape: [], dtype }],
  evaluate: (_, { attrs, dim }) => [Float64Array.of(dim(attrs.dim))],
  vjp: 'none',
  emit: (e, _, { attrs }) => [e.cast(e.dim(attrs.dim), attrs.dtype)],
};

/** A dimension's size as a 0-d tensor (a constant when it is a number). */
export const sizeTensor = (dim: Dim, dtype: DType = 'float32'): Tensor =>
  isSymbolic(dim) ? apply(sizeOp, [], { dim, dtype }) : constant(array(dim, dtype, []));

/** A dimension's size as a 0-d integer tensor: for positions and index arithmetic. */
export const size = (dim: Dim, dtype: DType = 'int32'): Tensor => sizeTensor(dim, dtype);

/** The number of elements along some axes (default: all), as a 0-d tensor. */
export const countTensor = (shape: Shape, axes: readonly number[], dtype: DType): Tensor =>
  sizeTensor(dimProduct(axes.map((a) => shape[a])), dtype);

export const arangeOp: OpDef<{ size: Dim; start: number; step: number; dtype: DType }> = {
  name: 'arange',
  doc: 'start, start + step, … (`size` elements)',
  infer: (_, { size, dtype }) => [{ shape: [size], dtype }],
  evaluate: (_, { attrs, dim }) => [
    Float64Array.from({ length: dim(attrs.size) }, (_, i) => attrs.start + i * attrs.step),
  ],
  vjp: 'none',
  // Range counts in int64; scaling afterwards keeps every element exact and the length free of rounding
  emit: (e, _, { attrs: { size, start, step, dtype } }) => {
    const whole = Number.isInteger(start) && Number.isInteger(step);
    let x = e.node('Range', [e.scalar(0, 'int64'), e.dim(size), e.scalar(1, 'int64')]);
    const kind = whole ? 'int64' : dtype;
    if (kind !== 'int64') x = e.cast(x, kind);
    if (step !== 1) x = e.node('Mul', [x, e.scalar(step, kind)]);
    if (start !== 0) x = e.node('Add', [x, e.scalar(start, kind)]);
    return [kind === dtype ? x : e.cast(x, dtype)];
  },
};

/** `[size]` values start, start + step, …; `size` may be symbolic. */
export const arange = (
  size: Dim,
  { start = 0, step = 1, dtype = 'int32' as DType }: { start?: number; step?: number; dtype?: DType } = {},
): Tensor => apply(arangeOp, [], { size, start, step, dtype });
