import { isDecantError } from '../../util/errors.ts';
import { allocate, type DType } from '../dtype.ts';
import { type NDArray, ndarray, setNumber, sizeOf, toNumbers } from '../ndarray.ts';
import type { OpDef } from '../op.ts';
import { type Dim, isConcrete, isSymbolic } from '../shape.ts';
import { constantOp, inputOp, type Tensor, type TensorType } from '../tensor.ts';

/** Largest result, in elements, that folding keeps as a constant. */
const LIMIT = 1024;
/** Most elements that an operand may have, so that folding stays quick. */
const OPERAND_LIMIT = 65536;

const small = (types: readonly TensorType[], limit: number): boolean =>
  types.every((t) => isConcrete(t.shape) && sizeOf(t.shape) <= limit);

/**
 * The outputs of an operator whose operands are all constants, computed now; undefined where that is not so or not
 * worth it. Computed in float64 and rounded once to the dtype of the result.
 */
export function foldConstants(
  op: OpDef<unknown>,
  inputs: readonly Tensor[],
  attrs: unknown,
  types: readonly TensorType[],
): NDArray[] | undefined {
  if (op === constantOp || op === inputOp || !inputs.every((t) => t.node.op === constantOp)) return undefined;
  if (!small(types, LIMIT) || !small(inputs, OPERAND_LIMIT)) return undefined;
  const toRef = (a: NDArray) => ({ dtype: a.dtype, shape: a.shape, data: toNumbers(a) });
  const concrete = types.map((t) => ({ shape: t.shape as number[], dtype: t.dtype }));
  // `size` and slices may depend on a symbolic size although their operands do not
  let open = false;
  const dim = (d: Dim): number => {
    open ||= isSymbolic(d);
    return isSymbolic(d) ? 0 : d;
  };
  let data: Float64Array[];
  try {
    data = op.evaluate(
      inputs.map((t) => toRef(t.node.attrs.value)),
      { attrs, types: concrete, dim, fromNDArray: toRef },
    );
  } catch (e) {
    // an index out of range, say: the engine that runs it tells where it was traced
    if (isDecantError(e)) return undefined;
    throw e;
  }
  if (open) return undefined;
  return concrete.map((t, i) => ndarray(rounded(data[i], t.dtype), t.shape, t.dtype));
}

function rounded(values: Float64Array, dtype: DType): NDArray['data'] {
  const out = allocate(dtype, values.length);
  for (let i = 0; i < values.length; i++) setNumber(out, dtype, i, values[i]);
  return out;
}

/** The number that every element of a constant has, if it is one; seen through broadcasting. */
export function uniformValue(t: Tensor): number | undefined {
  let source = t;
  while (source.node.op.name === 'broadcast') source = source.node.inputs[0];
  if (source.node.op !== constantOp) return undefined;
  const value: NDArray = source.node.attrs.value;
  if (value.data.length === 0 || value.data.length > 64) return undefined;
  const numbers = toNumbers(value);
  return numbers.every((v) => Object.is(v, numbers[0])) ? numbers[0] : undefined;
}
