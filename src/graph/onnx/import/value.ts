import type { DType } from '../../dtype.ts';
import { array, type NDArray, toNumbers } from '../../ndarray.ts';
import { reshape } from '../../ops/basic.ts';
import { stack } from '../../ops/shape.ts';
import { sizeTensor } from '../../ops/sizes.ts';
import type { Dim, Shape } from '../../shape.ts';
import { constant, Tensor } from '../../tensor.ts';
import { evaluateConstant } from './constants.ts';

/** Elements that are known while importing, as numbers or symbolic sizes: what shapes are computed from. */
export interface Known {
  readonly shape: readonly number[];
  readonly elements: readonly Dim[];
}

/** A value of the imported graph: a tensor, or known elements that become a tensor when one is asked for. */
export class Value {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly known: Known | undefined;
  /** TensorProto.DataType in the file, where it is not that of `dtype`. */
  onnxType: number | undefined;
  private made: Tensor | undefined;

  constructor(source: Tensor | { known: Known; dtype: DType }) {
    this.dtype = source.dtype;
    if (source instanceof Tensor) {
      this.made = source;
      this.shape = source.shape;
    } else {
      this.known = source.known;
      this.shape = source.known.shape;
    }
  }

  get tensor(): Tensor {
    this.made ??= materialize(this.known!, this.dtype);
    return this.made;
  }
}

/** Larger constants are no shapes; they stay tensors. */
const MAX_KNOWN = 4096;

/** A constant: known if it may be part of the computation of a shape. */
export function constantValue(a: NDArray, onnxType?: number): Value {
  const v =
    a.data.length > MAX_KNOWN ? new Value(constant(a)) : knownValue([...toNumbers(a)], a.shape, a.dtype);
  v.onnxType = onnxType;
  return v;
}

export const knownValue = (elements: readonly Dim[], shape: readonly number[], dtype: DType): Value =>
  new Value({ known: { shape, elements }, dtype });

/** The elements of a value: known ones, or those of a tensor that depends on constants only. */
export function knownElements(v: Value): Known | undefined {
  if (v.known) return v.known;
  const a = evaluateConstant(v.tensor);
  return a && { shape: a.shape, elements: [...a.data] };
}

function materialize({ elements, shape }: Known, dtype: DType): Tensor {
  if (elements.every((d) => typeof d === 'number')) return constant(array([...elements], dtype, shape));
  const scalars = elements.map((d) => sizeTensor(d, dtype));
  return shape.length === 0 ? scalars[0] : reshape(stack(scalars), shape);
}
