import { isFloat } from '../../dtype.ts';
import { add, mul } from '../../ops/arithmetic.ts';
import { einsum } from '../../ops/einsum.ts';
import { linear, matmul } from '../../ops/linear.ts';
import { transpose } from '../../ops/shape.ts';
import type { Tensor } from '../../tensor.ts';
import type { ImportTable, OpNode } from './node.ts';

/** alpha · op(a) · op(b) + beta · c. */
function gemm(n: OpNode): Tensor {
  const a = n.int('transA', 0) ? transpose(n.tensor(0)) : n.tensor(0);
  const b = n.tensor(1);
  const transB = n.int('transB', 0) !== 0;
  const alpha = n.float('alpha', 1);
  const beta = n.float('beta', 1);
  const c = n.optional(2);
  const scaled = (t: Tensor, by: number): Tensor => (by === 1 ? t : mul(t, by));
  const width = b.shape[transB ? 0 : 1];
  if (alpha === 1 && beta === 1 && c?.rank === 1 && c.shape[0] === width && isFloat(a.dtype)) {
    return linear(a, b, c, { transW: transB });
  }
  const product = scaled(matmul(a, b, { transB }), alpha);
  return c ? add(product, scaled(c, beta)) : product;
}

/** Products of matrices. */
export const linearAlgebra: ImportTable = {
  MatMul: (n) => matmul(n.tensor(0), n.tensor(1)),
  Gemm: gemm,
  Einsum: (n) => einsum(n.string('equation', ''), ...n.tensors()),
};
