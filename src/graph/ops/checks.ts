import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import type { TensorType } from '../tensor.ts';

/** The operand, which must be of a float type. */
export function floatOperand(x: TensorType): TensorType {
  if (!isFloat(x.dtype)) {
    throw new DecantError('shape', `not defined for ${x.dtype}`, {
      allowed: 'float types',
      fix: "cast(x, 'float32') first",
    });
  }
  return x;
}
