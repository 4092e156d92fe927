import { fromFloat16Bits, toFloat16Bits } from '../../graph/dtype.ts';
import { type NDArray, toNumbers } from '../../graph/ndarray.ts';
import { DecantError } from '../../util/errors.ts';
import { bitReader, bitsFor, bitWriter } from './bits.ts';
import { payloadView } from './payload.ts';
import type { TopKSignal } from './signal.ts';

/**
 * The k largest log-probabilities of every row of `logits` `[rows, vocab]` and the log of the mass left, both from
 * one log-sum-exp in float64; equal logits keep the lower id first.
 */
export function topKFromLogits(logits: NDArray, k: number): TopKSignal {
  const [rows, vocab] = logits.shape;
  if (logits.shape.length !== 2 || k < 1)
    throw new DecantError('shape', 'top-k needs logits [rows, vocab] and k of at least 1', {
      seen: { shape: logits.shape, k },
    });
  const values = toNumbers(logits);
  const size = Math.min(k, vocab);
  const out = emptyTopK(rows, size, vocab);
  const heap = new Int32Array(size);
  for (let r = 0; r < rows; r++) {
    const row = values.subarray(r * vocab, (r + 1) * vocab);
    selectTop(row, heap);
    const max = row[heap[0]];
    let sum = 0;
    for (let c = 0; c < vocab; c++) sum += Math.exp(row[c] - max);
    const z = max + Math.log(sum);
    let tail = 0;
    if (size < vocab) {
      const listed = new Set(heap);
      for (let c = 0; c < vocab; c++) if (!listed.has(c)) tail += Math.exp(row[c] - z);
    }
    out.logTail[r] = Math.log(tail);
    for (let i = 0; i < size; i++) {
      if (row[heap[i]] === Number.NEGATIVE_INFINITY) break; // stays padding
      out.ids[r * size + i] = heap[i];
      out.logp[r * size + i] = row[heap[i]] - z;
    }
  }
  return out;
}

/** A signal of padding only: ids -1, values and tails -Infinity. */
export const emptyTopK = (rows: number, k: number, vocab: number): TopKSignal => ({
  form: 'topk',
  rows,
  k,
  vocab,
  ids: new Int32Array(rows * k).fill(-1),
  logp: new Float32Array(rows * k).fill(Number.NEGATIVE_INFINITY),
  logTail: new Float32Array(rows).fill(Number.NEGATIVE_INFINITY),
});

/** log(1 - Σ exp(logp)) of one row: the tail of a top-k list that came without it (an API's alternatives). */
export function tailOf(logp: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < logp.length; i++) sum += Math.exp(logp[i]);
  return sum < 1 ? Math.log1p(-sum) : Number.NEGATIVE_INFINITY;
}

/**
 * Plain top-k bytes: rows u32, k u16, value size u8 (4 or 2), ragged u8, vocab u32; then per row the count u16 (only if
 * ragged), log tail f32, `k` values f32 or f16, and `k` ids of ⌈log₂ vocab⌉ bits, padded to a byte. Float32 is exact.
 */
export function encodeTopK(signal: TopKSignal, precision: 'float32' | 'float16' = 'float32'): Uint8Array {
  const { rows, k, vocab } = signal;
  const counts = rowCounts(signal);
  const ragged = counts.some((n) => n !== k);
  const size = precision === 'float16' ? 2 : 4;
  const idBits = bitsFor(vocab);
  let total = TOPK_HEAD;
  for (const n of counts) total += (ragged ? 2 : 0) + 4 + n * size + Math.ceil((n * idBits) / 8);
  const out = new Uint8Array(total);
  const view = payloadView(out);
  writeHead(view, signal, size, ragged);
  let at = TOPK_HEAD;
  for (let r = 0; r < rows; r++) {
    const n = counts[r];
    if (ragged) {
      view.setUint16(at, n, true);
      at += 2;
    }
    view.setFloat32(at, signal.logTail[r], true);
    at += 4;
    for (let i = r * k; i < r * k + n; i++, at += size) {
      if (size === 2) view.setUint16(at, toFloat16Bits(signal.logp[i]), true);
      else view.setFloat32(at, signal.logp[i], true);
    }
    at = writeIds(out, at, signal.ids, r * k, n, idBits);
  }
  return out;
}

export function decodeTopK(payload: Uint8Array): TopKSignal {
  const view = payloadView(payload);
  const { rows, k, vocab, size, ragged } = readHead(view);
  const out = emptyTopK(rows, k, vocab);
  const idBits = bitsFor(vocab);
  let at = TOPK_HEAD;
  for (let r = 0; r < rows; r++) {
    let n = k;
    if (ragged) {
      n = view.getUint16(at, true);
      at += 2;
    }
    out.logTail[r] = view.getFloat32(at, true);
    at += 4;
    for (let i = r * k; i < r * k + n; i++, at += size)
      out.logp[i] = size === 2 ? fromFloat16Bits(view.getUint16(at, true)) : view.getFloat32(at, true);
    at = readIds(payload, at, out.ids, r * k, n, idBits);
  }
  return out;
}

export const TOPK_HEAD = 12;

export function writeHead(view: DataView, signal: TopKSignal, size: number, ragged: boolean): void {
  if (signal.k > 65535)
    throw new DecantError('data', 'k is too large to store', { seen: signal.k, allowed: '1 to 65535' });
  view.setUint32(0, signal.rows, true);
  view.setUint16(4, signal.k, true);
  view.setUint8(6, size);
  view.setUint8(7, ragged ? 1 : 0);
  view.setUint32(8, signal.vocab, true);
}

export function readHead(view: DataView): {
  rows: number;
  k: number;
  vocab: number;
  size: number;
  ragged: boolean;
} {
  return {
    rows: view.getUint32(0, true),
    k: view.getUint16(4, true),
    size: view.getUint8(6),
    ragged: view.getUint8(7) === 1,
    vocab: view.getUint32(8, true),
  };
}

/** Known ids of every row; ids must come before padding and lie inside the vocabulary. */
export function rowCounts(signal: TopKSignal): number[] {
  const { rows, k, vocab, ids } = signal;
  return Array.from({ length: rows }, (_, r) => {
    let n = 0;
    while (n < k && ids[r * k + n] >= 0) n++;
    for (let i = r * k; i < (r + 1) * k; i++)
      if (ids[i] >= vocab || (i >= r * k + n && ids[i] >= 0))
        throw new DecantError('data', `top-k row ${r} has an id outside the vocabulary or after padding`, {
          seen: ids[i],
          allowed: `0 to ${vocab - 1}`,
        });
    return n;
  });
}

export function writeIds(
  out: Uint8Array,
  at: number,
  ids: Int32Array,
  from: number,
  n: number,
  bits: number,
): number {
  const writer = bitWriter(out, at);
  for (let i = from; i < from + n; i++) writer.write(ids[i], bits);
  return writer.finish();
}

export function readIds(
  bytes: Uint8Array,
  at: number,
  ids: Int32Array,
  from: number,
  n: number,
  bits: number,
): number {
  const reader = bitReader(bytes, at);
  for (let i = from; i < from + n; i++) ids[i] = reader.read(bits);
  return reader.finish();
}

/** Fills `top` with the indices of the largest values, largest first, by a min-heap: O(n log k). */
function selectTop(values: Float64Array, top: Int32Array): void {
  const k = top.length;
  // x goes below y in the final order when it is smaller, or equal with a higher id
  const worse = (x: number, y: number): boolean =>
    values[x] < values[y] || (values[x] === values[y] && x > y);
  const sink = (at: number, size: number): void => {
    const moved = top[at];
    for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && worse(top[child + 1], top[child])) child++;
      if (!worse(top[child], moved)) break;
      top[at] = top[child];
      at = child;
    }
    top[at] = moved;
  };
  for (let i = 0; i < k; i++) top[i] = i;
  for (let i = (k >> 1) - 1; i >= 0; i--) sink(i, k);
  for (let i = k; i < values.length; i++) {
    if (!worse(top[0], i)) continue;
    top[0] = i;
    sink(0, k);
  }
  for (let size = k - 1; size > 0; size--) {
    const worst = top[0];
    top[0] = top[size];
    top[size] = worst;
    sink(0, size);
  }
}
