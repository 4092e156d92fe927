import type { NDArray } from '../graph/ndarray.ts';
import { evalDim, isSymbolic, showShape, symbolName } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { inputName } from '../graph/trace.ts';
import { DecantError } from '../util/errors.ts';

/** Arrays given for graph inputs have their number, dtypes and shapes; the error names the input. */
export function checkInputs(tensors: readonly Tensor[], arrays: readonly NDArray[]): void {
  if (arrays.length !== tensors.length) {
    throw new DecantError('usage', 'wrong number of inputs', {
      seen: arrays.length,
      allowed: `${tensors.length}: ${tensors.map(inputName).join(', ')}`,
    });
  }
  const sizes: Record<string, number> = {};
  tensors.forEach((t, i) => {
    const a = arrays[i];
    if (a.dtype !== t.dtype) {
      throw new DecantError('shape', 'wrong dtype', { at: inputName(t), seen: a.dtype, allowed: t.dtype });
    }
    const bad = (): never => {
      throw new DecantError('shape', 'wrong shape', {
        at: inputName(t),
        seen: a.shape,
        allowed: `${showShape(t.shape)}${Object.keys(sizes).length > 0 ? ` with ${JSON.stringify(sizes)}` : ''}`,
      });
    };
    if (a.shape.length !== t.shape.length) bad();
    t.shape.forEach((d, axis) => {
      const name = symbolName(d);
      if (name !== undefined) sizes[name] ??= a.shape[axis];
      const known = !isSymbolic(d) || name !== undefined;
      if (known && evalDim(d, sizes) !== a.shape[axis]) bad();
    });
  });
}
