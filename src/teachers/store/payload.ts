/** Little-endian access to payload bytes on every platform. */

export const payloadView = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Writes float32 values at a byte offset. */
export function writeFloat32(out: Uint8Array, offset: number, values: Float32Array): void {
  if (LITTLE) {
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
    return;
  }
  const view = payloadView(out);
  for (let i = 0; i < values.length; i++) view.setFloat32(offset + 4 * i, values[i], true);
}

/** A fresh float32 array from `count` values at a byte offset. */
export function float32From(bytes: Uint8Array, offset: number, count: number): Float32Array {
  if (LITTLE) {
    // a Buffer's slice is a view, which may begin anywhere
    const copy = new Uint8Array(4 * count);
    copy.set(bytes.subarray(offset, offset + 4 * count));
    return new Float32Array(copy.buffer);
  }
  const view = payloadView(bytes);
  return Float32Array.from({ length: count }, (_, i) => view.getFloat32(offset + 4 * i, true));
}

/** One array of all bytes in order. */
export function bytesOf(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
