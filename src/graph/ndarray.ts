import { DecantError } from '../util/errors.ts';
import { allocate, type DType, fromFloat16Bits, type TypedArray, toFloat16Bits } from './dtype.ts';

/** A concrete, dense, row-major array on the host. Plain data: `data.length` is the product of `shape`. */
export interface NDArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

export type NestedNumbers = number | boolean | readonly NestedNumbers[];

export const sizeOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Wraps a typed array; the dtype follows the array's type unless given (Uint8Array: uint8, Uint16Array: float16). */
export function ndarray(data: TypedArray, shape: readonly number[] = [data.length], dtype?: DType): NDArray {
  const type = dtype ?? dtypeOf(data);
  if (sizeOf(shape) !== data.length) {
    throw new DecantError('shape', `an array of shape [${shape}] needs ${sizeOf(shape)} elements`, {
      seen: data.length,
      fix: 'make the product of the shape equal the number of elements',
    });
  }
  return { dtype: type, shape: [...shape], data };
}

/** An array from numbers, flat with a shape, or nested (shape inferred). */
export function array(values: NestedNumbers, dtype: DType = 'float32', shape?: readonly number[]): NDArray {
  const inferred = shape ?? shapeOfNested(values);
  const flat: number[] = [];
  flatten(values, flat);
  const data = allocate(dtype, flat.length);
  for (let i = 0; i < flat.length; i++) setNumber(data, dtype, i, flat[i]);
  return ndarray(data, inferred, dtype);
}

export const scalar = (value: number, dtype: DType = 'float32'): NDArray => array(value, dtype, []);

export const zeros = (shape: readonly number[], dtype: DType = 'float32'): NDArray =>
  ndarray(allocate(dtype, sizeOf(shape)), shape, dtype);

export function full(shape: readonly number[], value: number, dtype: DType = 'float32'): NDArray {
  const out = zeros(shape, dtype);
  for (let i = 0; i < out.data.length; i++) setNumber(out.data, dtype, i, value);
  return out;
}

/** The elements as numbers (float16 and int64 decoded; int64 beyond 2^53 loses precision). */
export function toNumbers(a: NDArray): Float64Array {
  const out = new Float64Array(a.data.length);
  if (a.dtype === 'float16')
    for (let i = 0; i < out.length; i++) out[i] = fromFloat16Bits(a.data[i] as number);
  else if (a.dtype === 'int64') for (let i = 0; i < out.length; i++) out[i] = Number(a.data[i]);
  else out.set(a.data as Float64Array);
  return out;
}

/** The same values as another dtype (round towards zero when going to integers). */
export function cast(a: NDArray, dtype: DType): NDArray {
  if (a.dtype === dtype) return a;
  const numbers = toNumbers(a);
  if (dtype === 'float64') return ndarray(numbers, a.shape, dtype);
  const data = allocate(dtype, numbers.length);
  for (let i = 0; i < numbers.length; i++) setNumber(data, dtype, i, numbers[i]);
  return ndarray(data, a.shape, dtype);
}

/** The single element of an array of one element. */
export function item(a: NDArray): number {
  if (a.data.length !== 1) {
    throw new DecantError('shape', 'item() needs an array of one element', { seen: a.shape });
  }
  return toNumbers(a)[0];
}

/** Nested JavaScript arrays of numbers, for printing and tests. */
export function toNested(a: NDArray): NestedNumbers {
  const numbers = toNumbers(a);
  const build = (axis: number, offset: number, stride: number): NestedNumbers => {
    if (axis === a.shape.length) return numbers[offset];
    const inner = a.shape[axis] === 0 ? 0 : stride / a.shape[axis];
    return Array.from({ length: a.shape[axis] }, (_, i) => build(axis + 1, offset + i * inner, inner));
  };
  return build(0, 0, numbers.length);
}

export function setNumber(data: TypedArray, dtype: DType, i: number, value: number): void {
  if (dtype === 'int64') (data as BigInt64Array)[i] = BigInt(Math.trunc(value));
  else if (dtype === 'float16') (data as Uint16Array)[i] = toFloat16Bits(value);
  else if (dtype === 'bool') (data as Uint8Array)[i] = value ? 1 : 0;
  else (data as Float64Array)[i] = value;
}

function dtypeOf(data: TypedArray): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof BigInt64Array) return 'int64';
  if (data instanceof Uint32Array) return 'uint32';
  if (data instanceof Uint16Array) return 'float16';
  return 'uint8';
}

function shapeOfNested(values: NestedNumbers): number[] {
  const shape: number[] = [];
  let v = values;
  while (Array.isArray(v)) {
    shape.push(v.length);
    v = v[0];
  }
  return shape;
}

function flatten(values: NestedNumbers, out: number[]): void {
  if (Array.isArray(values)) for (const v of values) flatten(v, out);
  else out.push(Number(values));
}
