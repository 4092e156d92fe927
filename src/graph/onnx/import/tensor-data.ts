import { type TensorProto, TensorProto_DataLocation } from 'onnx-buf';
import { DecantError } from '../../../util/errors.ts';
import { allocate, type DType, fromFloat16Bits, type TypedArray } from '../../dtype.ts';
import { type NDArray, ndarray } from '../../ndarray.ts';
import { type ExternalData, externalBytes } from '../external.ts';

interface OnnxType {
  name: string;
  /** Decant's type; types that Decant lacks are widened (or, for 64-bit integers, narrowed with saturation). */
  dtype: DType;
  bytes: number;
  read?: (view: DataView, at: number) => number;
}

const little = true;
const types: Record<number, OnnxType> = {
  1: { name: 'float32', dtype: 'float32', bytes: 4 },
  2: { name: 'uint8', dtype: 'uint8', bytes: 1 },
  3: { name: 'int8', dtype: 'int32', bytes: 1, read: (v, at) => v.getInt8(at) },
  4: { name: 'uint16', dtype: 'int32', bytes: 2, read: (v, at) => v.getUint16(at, little) },
  5: { name: 'int16', dtype: 'int32', bytes: 2, read: (v, at) => v.getInt16(at, little) },
  6: { name: 'int32', dtype: 'int32', bytes: 4 },
  7: { name: 'int64', dtype: 'int32', bytes: 8, read: (v, at) => Number(v.getBigInt64(at, little)) },
  9: { name: 'bool', dtype: 'bool', bytes: 1 },
  10: {
    name: 'float16',
    dtype: 'float32',
    bytes: 2,
    read: (v, at) => fromFloat16Bits(v.getUint16(at, little)),
  },
  11: { name: 'float64', dtype: 'float64', bytes: 8 },
  12: { name: 'uint32', dtype: 'uint32', bytes: 4 },
  13: { name: 'uint64', dtype: 'uint32', bytes: 8, read: (v, at) => Number(v.getBigUint64(at, little)) },
  16: { name: 'bfloat16', dtype: 'float32', bytes: 2, read: (v, at) => bfloat16(v.getUint16(at, little)) },
};

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);
function bfloat16(bits: number): number {
  u32[0] = bits << 16;
  return f32[0];
}

/** Decant's element type for an ONNX one; an unknown one is an error. */
export function importedDType(onnx: number, at: string): DType {
  return typeOf(onnx, at).dtype;
}

function typeOf(onnx: number, at: string): OnnxType {
  const t = types[onnx];
  if (t) return t;
  throw new DecantError('model', 'an element type that is not supported', {
    at,
    seen: `TensorProto.DataType ${onnx}`,
    allowed: Object.values(types)
      .map((x) => x.name)
      .join(', '),
  });
}

/** The concrete sizes of a tensor; their product is a safe integer. */
function sizes(t: TensorProto, at: string): { shape: number[]; count: number } {
  const shape = t.dims.map(Number);
  const count = shape.reduce((n, d) => n * d, 1);
  if (shape.some((d) => !Number.isSafeInteger(d) || d < 0) || !Number.isSafeInteger(count)) {
    throw new DecantError('model', 'a tensor has an impossible shape', { at, seen: shape });
  }
  return { shape, count };
}

/** An initializer or attribute as an array. Raw float32 data that is aligned is not copied. */
export function tensorData(t: TensorProto, files?: ExternalData): NDArray {
  const at = `tensor '${t.name}'`;
  const type = typeOf(t.dataType, at);
  const { shape, count } = sizes(t, at);
  const wrong = (seen: number): DecantError =>
    new DecantError('model', `a tensor of shape [${shape}] needs ${count} elements`, {
      at,
      seen,
      fix: 'the file is damaged: export or download it again',
    });
  if (t.segment) throw new DecantError('model', 'a tensor in segments is not supported', { at });
  const isExternal = t.dataLocation === TensorProto_DataLocation.EXTERNAL;
  if (isExternal || t.rawData.length > 0 || !hasTypedData(t)) {
    const raw = isExternal ? externalBytes(t, files) : t.rawData;
    if (raw.length !== count * type.bytes) throw wrong(raw.length / type.bytes);
    return ndarray(fromRaw(raw, type, count), shape, type.dtype);
  }
  const list = typedData(t, type);
  if (list.length !== count) throw wrong(list.length);
  return ndarray(fromNumbers(list, type.dtype), shape, type.dtype);
}

const hasTypedData = (t: TensorProto): boolean =>
  t.floatData.length + t.int32Data.length + t.int64Data.length + t.doubleData.length + t.uint64Data.length >
  0;

function typedData(t: TensorProto, type: OnnxType): ArrayLike<number> {
  switch (type.name) {
    case 'float32':
      return t.floatData;
    case 'float64':
      return t.doubleData;
    case 'int64':
      return t.int64Data.map(Number);
    case 'uint32':
    case 'uint64':
      return t.uint64Data.map(Number);
    case 'float16':
      return t.int32Data.map((bits) => fromFloat16Bits(bits & 0xffff));
    case 'bfloat16':
      return t.int32Data.map((bits) => bfloat16(bits & 0xffff));
    default:
      return t.int32Data;
  }
}

const CONSTRUCTORS: Partial<Record<DType, new (b: ArrayBuffer, at: number, n: number) => TypedArray>> = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

function fromRaw(raw: Uint8Array, type: OnnxType, count: number): TypedArray {
  if (type.read) {
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    const { read } = type;
    const numbers = new Float64Array(count);
    for (let i = 0; i < count; i++) numbers[i] = read(view, i * type.bytes);
    return fromNumbers(numbers, type.dtype);
  }
  const Make = CONSTRUCTORS[type.dtype]!;
  if (raw.byteOffset % type.bytes === 0) return new Make(raw.buffer as ArrayBuffer, raw.byteOffset, count);
  // a copy by constructor: slice() of a Node Buffer would be a view
  return new Make(new Uint8Array(raw).buffer, 0, count);
}

/** Numbers as elements of a type; integers saturate, so that "a very large number" stays one. */
function fromNumbers(numbers: ArrayLike<number>, dtype: DType): TypedArray {
  const out = allocate(dtype, numbers.length) as Float64Array;
  const [lo, hi] =
    dtype === 'int32'
      ? [-(2 ** 31), 2 ** 31 - 1]
      : dtype === 'uint32'
        ? [0, 2 ** 32 - 1]
        : [-Infinity, Infinity];
  for (let i = 0; i < numbers.length; i++) out[i] = Math.min(hi, Math.max(lo, numbers[i]));
  return out;
}
