import { allocate, toFloat16Bits } from '../../graph/dtype.ts';
import { type NDArray, ndarray, toNumbers } from '../../graph/ndarray.ts';
import { DecantError } from '../../util/errors.ts';
import { halfTable } from './half.ts';
import { bytesOf, float32From, payloadView, writeFloat32 } from './payload.ts';
import type { HiddenSignal, LogitsSignal } from './signal.ts';

/** Dense float32 logits: rows u32, vocab u32, values f32. Exact. */
export function encodeLogits32({ logits }: LogitsSignal): Uint8Array {
  const [rows, vocab] = matrixShape(logits);
  const out = new Uint8Array(8 + 4 * rows * vocab);
  const view = payloadView(out);
  view.setUint32(0, rows, true);
  view.setUint32(4, vocab, true);
  writeFloat32(out, 8, float32Of(logits));
  return out;
}

export function decodeLogits32(payload: Uint8Array): LogitsSignal {
  const view = payloadView(payload);
  const rows = view.getUint32(0, true);
  const vocab = view.getUint32(4, true);
  return { form: 'logits', logits: ndarray(float32From(payload, 8, rows * vocab), [rows, vocab]) };
}

/**
 * Dense float16 logits: rows u32, vocab u32, then per row its largest finite value as f32 and `vocab` float16
 * differences to it. The differences are exact near the top, where the probability is: relative error 2⁻¹¹ of the
 * distance to the maximum.
 */
export function encodeLogits16({ logits }: LogitsSignal): Uint8Array {
  const [rows, vocab] = matrixShape(logits);
  const values = toNumbers(logits);
  const out = new Uint8Array(8 + rows * (4 + 2 * vocab));
  const view = payloadView(out);
  view.setUint32(0, rows, true);
  view.setUint32(4, vocab, true);
  for (let r = 0, at = 8; r < rows; r++) {
    let max = Number.NEGATIVE_INFINITY;
    for (let c = r * vocab; c < (r + 1) * vocab; c++)
      if (values[c] > max && values[c] !== Number.POSITIVE_INFINITY) max = values[c];
    const base = Math.fround(max === Number.NEGATIVE_INFINITY ? 0 : max);
    view.setFloat32(at, base, true);
    at += 4;
    for (let c = r * vocab; c < (r + 1) * vocab; c++, at += 2)
      view.setUint16(at, toFloat16Bits(values[c] - base), true);
  }
  return out;
}

export function decodeLogits16(payload: Uint8Array): LogitsSignal {
  const view = payloadView(payload);
  const rows = view.getUint32(0, true);
  const vocab = view.getUint32(4, true);
  const values = new Float32Array(rows * vocab);
  const half = halfTable();
  for (let r = 0, at = 8, o = 0; r < rows; r++) {
    const base = view.getFloat32(at, true);
    at += 4;
    for (let c = 0; c < vocab; c++, at += 2) values[o++] = base + half[payload[at] | (payload[at + 1] << 8)];
  }
  return { form: 'logits', logits: ndarray(values, [rows, vocab]) };
}

/**
 * Hidden arrays: count u32, then per array its name (u16 length, UTF-8), dtype u8 (0 float32, 1 float16), rank u8,
 * dimensions u32 and values.
 */
export function encodeHidden({ arrays }: HiddenSignal, precision?: 'float32' | 'float16'): Uint8Array {
  const parts: Uint8Array[] = [new Uint8Array(4)];
  const names = Object.keys(arrays);
  payloadView(parts[0]).setUint32(0, names.length, true);
  for (const name of names) {
    const array = arrays[name];
    const half = (precision ?? array.dtype) === 'float16';
    const label = new TextEncoder().encode(name);
    const head = new Uint8Array(2 + label.length + 2 + 4 * array.shape.length);
    const view = payloadView(head);
    view.setUint16(0, label.length, true);
    head.set(label, 2);
    head[2 + label.length] = half ? 1 : 0;
    head[3 + label.length] = array.shape.length;
    array.shape.forEach((d, i) => {
      view.setUint32(4 + label.length + 4 * i, d, true);
    });
    const body = new Uint8Array(array.data.length * (half ? 2 : 4));
    if (!half) writeFloat32(body, 0, float32Of(array));
    else {
      const bits = payloadView(body);
      const numbers = array.dtype === 'float16' ? undefined : toNumbers(array);
      for (let i = 0; i < array.data.length; i++)
        bits.setUint16(2 * i, numbers ? toFloat16Bits(numbers[i]) : (array.data[i] as number), true);
    }
    parts.push(head, body);
  }
  return bytesOf(parts);
}

export function decodeHidden(payload: Uint8Array): HiddenSignal {
  const view = payloadView(payload);
  const arrays: Record<string, NDArray> = {};
  let at = 4;
  for (let n = view.getUint32(0, true); n > 0; n--) {
    const length = view.getUint16(at, true);
    const name = new TextDecoder().decode(payload.subarray(at + 2, at + 2 + length));
    at += 2 + length;
    const half = payload[at] === 1;
    const shape = Array.from({ length: payload[at + 1] }, (_, i) => view.getUint32(at + 2 + 4 * i, true));
    at += 2 + 4 * shape.length;
    const size = shape.reduce((a, b) => a * b, 1);
    if (half) {
      const data = allocate('float16', size) as Uint16Array;
      for (let i = 0; i < size; i++) data[i] = view.getUint16(at + 2 * i, true);
      arrays[name] = ndarray(data, shape, 'float16');
    } else arrays[name] = ndarray(float32From(payload, at, size), shape);
    at += size * (half ? 2 : 4);
  }
  return { form: 'hidden', arrays };
}

function matrixShape(a: NDArray): [number, number] {
  if (a.shape.length !== 2)
    throw new DecantError('shape', 'logits must be stored as a matrix', {
      seen: a.shape,
      allowed: '[rows, vocab]',
    });
  return [a.shape[0], a.shape[1]];
}

const float32Of = (a: NDArray): Float32Array =>
  a.data instanceof Float32Array ? a.data : Float32Array.from(toNumbers(a));
