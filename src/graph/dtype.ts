/** Element types. `float64` exists for the oracle; `uint32` for random bits; int64 data lives in BigInt64Array. */
export type DType = 'float32' | 'float64' | 'float16' | 'int32' | 'int64' | 'bool' | 'uint8' | 'uint32';

export type TypedArray =
  | Float32Array
  | Float64Array
  | Uint16Array // float16 as raw bits
  | Int32Array
  | BigInt64Array
  | Uint8Array // uint8 and bool
  | Uint32Array;

interface DTypeFacts {
  bytes: number;
  kind: 'float' | 'int' | 'bool';
  /** ONNX TensorProto.DataType */
  onnx: number;
}

export const DTYPES: Readonly<Record<DType, DTypeFacts>> = {
  float32: { bytes: 4, kind: 'float', onnx: 1 },
  uint8: { bytes: 1, kind: 'int', onnx: 2 },
  int32: { bytes: 4, kind: 'int', onnx: 6 },
  int64: { bytes: 8, kind: 'int', onnx: 7 },
  bool: { bytes: 1, kind: 'bool', onnx: 9 },
  float16: { bytes: 2, kind: 'float', onnx: 10 },
  float64: { bytes: 8, kind: 'float', onnx: 11 },
  uint32: { bytes: 4, kind: 'int', onnx: 12 },
};

export const isFloat = (t: DType): boolean => DTYPES[t].kind === 'float';
export const isInt = (t: DType): boolean => DTYPES[t].kind === 'int';

/** A zero-filled typed array of `length` elements of `dtype`. */
export function allocate(dtype: DType, length: number): TypedArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(length);
    case 'float64':
      return new Float64Array(length);
    case 'float16':
      return new Uint16Array(length);
    case 'int32':
      return new Int32Array(length);
    case 'int64':
      return new BigInt64Array(length);
    case 'uint32':
      return new Uint32Array(length);
    default:
      return new Uint8Array(length);
  }
}

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** Raw bits of the float16 nearest to `x` (ties to even; overflow to infinity). */
export function toFloat16Bits(x: number): number {
  f32[0] = x;
  const bits = u32[0];
  const sign = (bits >>> 16) & 0x8000;
  const abs = bits & 0x7fffffff;
  if (abs > 0x7f800000) return sign | 0x7e00; // NaN
  if (abs >= 0x477ff000) return sign | 0x7c00; // rounds to infinity
  if (abs < 0x38800000) {
    // subnormal half: scale so that one unit is 2^-24, round ties to even
    const scaled = Math.abs(f32[0]) * 16777216;
    const floor = Math.floor(scaled);
    const rest = scaled - floor;
    return sign | (floor + (rest > 0.5 || (rest === 0.5 && (floor & 1) === 1) ? 1 : 0));
  }
  const rounded = abs + 0xfff + ((abs >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The number that raw float16 bits stand for. */
export function fromFloat16Bits(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >>> 10) & 0x1f;
  const fraction = h & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
