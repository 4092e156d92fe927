import { allocate, type DType, fromFloat16Bits, type TypedArray, toFloat16Bits } from '../graph/dtype.ts';
import type { NDArray } from '../graph/ndarray.ts';
import { DecantError } from '../util/errors.ts';

/** Bits per element of every element type of the safetensors format, in the format's own order of types. */
export const STORED_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** An element type as it is spelled in the file. */
export type StoredDType = keyof typeof STORED_BITS;

const RANK = new Map(Object.keys(STORED_BITS).map((t, i) => [t, i]));

/**
 * The reference implementation's order of tensors in a file: wide types first, so that every tensor is aligned, then
 * by name.
 */
export const byStorageOrder = (
  a: { name: string; dtype: StoredDType },
  b: { name: string; dtype: StoredDType },
): number => RANK.get(b.dtype)! - RANK.get(a.dtype)! || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** Which host type a stored type is read into; the ones that are absent can be copied but not read. */
export const HOST_DTYPE: Partial<Record<StoredDType, DType>> = {
  BOOL: 'bool',
  U8: 'uint8',
  I8: 'int32',
  U16: 'int32',
  I16: 'int32',
  F16: 'float16',
  BF16: 'float32',
  U32: 'uint32',
  I32: 'int32',
  F32: 'float32',
  U64: 'int64',
  I64: 'int64',
  F64: 'float64',
};

const NATURAL: Record<DType, StoredDType> = {
  float32: 'F32',
  float64: 'F64',
  float16: 'F16',
  int32: 'I32',
  int64: 'I64',
  uint32: 'U32',
  uint8: 'U8',
  bool: 'BOOL',
};

/** The stored type that holds a host type without loss. */
export const naturalStorage = (dtype: DType): StoredDType => NATURAL[dtype];

const asBytes = (data: ArrayBufferView): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Little-endian file bytes as host elements (BF16 becomes float32 with the same bits on top). Copies. */
export function decodeTensor(bytes: Uint8Array, stored: StoredDType, at: string): TypedArray {
  const host = HOST_DTYPE[stored];
  if (!host) {
    throw new DecantError('model', `tensors of type ${stored} cannot be read as numbers`, {
      at,
      seen: stored,
      allowed: Object.keys(HOST_DTYPE).join(', '),
      fix: 'convert the checkpoint to one of these types',
    });
  }
  const out = allocate(host, (bytes.length * 8) / STORED_BITS[stored]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (stored) {
    case 'BF16': {
      const bits = new Uint32Array(out.buffer);
      for (let i = 0; i < bits.length; i++) bits[i] = view.getUint16(2 * i, true) << 16;
      return out;
    }
    case 'I8':
      for (let i = 0; i < out.length; i++) out[i] = view.getInt8(i);
      return out;
    case 'I16':
      for (let i = 0; i < out.length; i++) out[i] = view.getInt16(2 * i, true);
      return out;
    case 'U16':
      for (let i = 0; i < out.length; i++) out[i] = view.getUint16(2 * i, true);
      return out;
  }
  asBytes(out).set(bytes);
  if (stored === 'BOOL') {
    const bad = bytes.findIndex((b) => b > 1);
    if (bad >= 0)
      throw new DecantError('model', `a bool at element ${bad} is neither 0 nor 1`, { at, seen: bytes[bad] });
  }
  if (stored === 'U64') {
    const bad = (out as BigInt64Array).findIndex((v) => v < 0n);
    if (bad >= 0)
      throw new DecantError('model', `an unsigned value at element ${bad} is over 2^63-1`, { at });
  }
  return out;
}

/** Host elements as little-endian file bytes of a stored type; refuses values that do not fit. May share memory. */
export function encodeTensor(array: NDArray, stored: StoredDType, at: string): Uint8Array {
  const { dtype, data } = array;
  if (stored === naturalStorage(dtype) || (stored === 'U64' && dtype === 'int64')) {
    if (stored === 'U64') integersWithin(data, 0, Number.POSITIVE_INFINITY, stored, at);
    return asBytes(data);
  }
  if (stored === 'BF16' && dtype === 'float32') return encodeBfloat16(data as Float32Array);
  const float = dtype === 'float32' || dtype === 'float64' || dtype === 'float16';
  const number =
    dtype === 'float16' ? (i: number) => fromFloat16Bits(Number(data[i])) : (i: number) => Number(data[i]);
  if (float && (stored === 'F16' || stored === 'F32' || stored === 'F64' || stored === 'BF16')) {
    if (stored === 'BF16')
      return encodeBfloat16(Float32Array.from({ length: data.length }, (_, i) => number(i)));
    const out =
      stored === 'F16'
        ? new Uint16Array(data.length)
        : new (stored === 'F32' ? Float32Array : Float64Array)(data.length);
    for (let i = 0; i < out.length; i++) out[i] = stored === 'F16' ? toFloat16Bits(number(i)) : number(i);
    return asBytes(out);
  }
  const range = INTEGER_RANGE[stored];
  if (!float && range) {
    integersWithin(data, range[0], range[1], stored, at);
    const out = new range[2](data.length);
    for (let i = 0; i < out.length; i++) out[i] = number(i);
    return asBytes(out);
  }
  if (!float && stored === 'I64') return asBytes(BigInt64Array.from(data as Int32Array, (v) => BigInt(v)));
  throw new DecantError('model', `${dtype} values cannot be stored as ${stored}`, {
    at,
    allowed: float ? 'F16, BF16, F32, F64' : 'I8, U8, I16, U16, I32, U32, I64, BOOL',
  });
}

const INTEGER_RANGE: Partial<
  Record<
    StoredDType,
    [
      number,
      number,
      new (n: number) => Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array,
    ]
  >
> = {
  BOOL: [0, 1, Uint8Array],
  I8: [-128, 127, Int8Array],
  U8: [0, 255, Uint8Array],
  I16: [-32768, 32767, Int16Array],
  U16: [0, 65535, Uint16Array],
  I32: [-2147483648, 2147483647, Int32Array],
  U32: [0, 4294967295, Uint32Array],
};

function integersWithin(data: TypedArray, low: number, high: number, stored: string, at: string): void {
  for (let i = 0; i < data.length; i++) {
    if (data[i] < low || data[i] > high) {
      throw new DecantError('model', `element ${i} does not fit ${stored}`, {
        at,
        seen: String(data[i]),
        allowed: `${low} to ${high}`,
      });
    }
  }
}

/** Rounds to nearest, ties to even; NaN stays NaN. Values that came from bfloat16 keep their bits. */
function encodeBfloat16(data: Float32Array): Uint8Array {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const out = new Uint16Array(data.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i];
    if ((b & 0x7fffffff) > 0x7f800000) {
      const top = b >>> 16;
      out[i] = (top & 0x7f) === 0 ? top | 0x40 : top; // the payload sat in the dropped half: keep a NaN
    } else {
      out[i] = (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
    }
  }
  return asBytes(out);
}
