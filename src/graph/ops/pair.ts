import { DecantError } from '../../util/errors.ts';
import type { OpDef } from '../op.ts';
import { apply, lift, type Tensor, type TensorLike, type TensorType } from '../tensor.ts';

/** The public function of an operator of two operands: numbers beside a tensor take its dtype. */
export const call =
  (op: OpDef<null>) =>
  (a: TensorLike, b: TensorLike): Tensor =>
    apply(op, [lift(a, b), lift(b, a)], null);

/** Throws `shape` unless both operands have one dtype. */
export function requireOneDtype(a: TensorType, b: TensorType): void {
  if (a.dtype === b.dtype) return;
  throw new DecantError('shape', 'operands must have one dtype', {
    seen: `${a.dtype} and ${b.dtype}`,
    fix: 'cast one of them',
  });
}
