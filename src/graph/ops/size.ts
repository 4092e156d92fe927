import { array } from '../ndarray.ts';
import type { OpDef } from '../op.ts';
import { type Dim, isSymbolic } from '../shape.ts';
import { apply, constant, type Tensor } from '../tensor.ts';

export const sizeOp: OpDef<{ dim: Dim; dtype: 'int32' | 'int64' | 'float32' }> = {
  name: 'size',
  doc: 'a symbolic dimension as a scalar',
  infer: (_, { dtype }) => [{ shape: [], dtype }],
  evaluate: (_, { attrs, dim }) => [Float64Array.of(dim(attrs.dim))],
  vjp: 'none',
  emit: (e, _, { attrs }) => [attrs.dtype === 'int64' ? e.dim(attrs.dim) : e.cast(e.dim(attrs.dim), attrs.dtype)],
};

/** A dimension (number or symbolic) as a 0-d tensor: for positions and means over symbolic sizes. */
export const size = (dim: Dim, dtype: 'int32' | 'int64' | 'float32' = 'int32'): Tensor =>
  isSymbolic(dim) ? apply(sizeOp, [], { dim, dtype }) : constant(array(dim, dtype, []));
