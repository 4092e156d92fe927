import { fromFloat16Bits, toFloat16Bits } from '../../graph/dtype.ts';
import { DecantError } from '../../util/errors.ts';
import { bitReader, bitsFor, bitWriter } from './bits.ts';
import { payloadView } from './payload.ts';
import type { PackedOptions, TopKSignal } from './signal.ts';
import { emptyTopK, readHead, readIds, rowCounts, TOPK_HEAD, writeHead, writeIds } from './top-k.ts';

/*
 * Packed top-k (the idea of DistillKit's compressed logits: a few exact values, a polynomial in the rank, quantized
 * residuals). Head: that of plain top-k with value size 0, then exact u8, degree u8, bits u8, reserved u8. Per row:
 * count u16 (only if ragged), log tail f32, `exact` float16 values, `degree + 1` float16 coefficients, residual
 * scale float16, one bit stream of residual codes padded to a byte, ids as in plain top-k. Rows of `exact` values or
 * fewer have neither coefficients nor residuals. Reading renormalizes each row over its k + 1 outcomes and keeps the
 * values in descending order.
 */
const HEAD = TOPK_HEAD + 4;

/** Bytes of a packed row with `n` ids. */
function rowBytes(n: number, exact: number, degree: number, bits: number, idBits: number): number {
  const head = Math.min(n, exact);
  const rest = n - head;
  return (
    4 + 2 * head + (rest ? 2 * (degree + 2) + Math.ceil((rest * bits) / 8) : 0) + Math.ceil((n * idBits) / 8)
  );
}

export function encodePacked(signal: TopKSignal, options: PackedOptions = {}): Uint8Array {
  const { exact = 4, degree = 3, bits = 6 } = options;
  if (!(exact >= 0 && exact <= 255 && degree >= 0 && degree <= 8 && bits >= 2 && bits <= 12))
    throw new DecantError('recipe', 'packing options are out of range', {
      seen: { exact, degree, bits },
      allowed: 'exact 0 to 255, degree 0 to 8, bits 2 to 12',
    });
  const { rows, k, vocab } = signal;
  const counts = rowCounts(signal).map((n, r) => finiteCount(signal, r, n));
  const ragged = counts.some((n) => n !== k);
  const idBits = bitsFor(vocab);
  const levels = 2 ** bits - 1;
  let total = HEAD;
  for (const n of counts) total += (ragged ? 2 : 0) + rowBytes(n, exact, degree, bits, idBits);
  const out = new Uint8Array(total);
  const view = payloadView(out);
  writeHead(view, signal, 0, ragged);
  view.setUint8(TOPK_HEAD, exact);
  view.setUint8(TOPK_HEAD + 1, degree);
  view.setUint8(TOPK_HEAD + 2, bits);
  let at = HEAD;
  for (let r = 0; r < rows; r++) {
    const n = counts[r];
    const head = Math.min(n, exact);
    if (ragged) {
      view.setUint16(at, n, true);
      at += 2;
    }
    view.setFloat32(at, signal.logTail[r], true);
    at += 4;
    for (let i = 0; i < head; i++, at += 2) view.setUint16(at, toFloat16Bits(signal.logp[r * k + i]), true);
    if (n > head) {
      const basis = rankBasis(head, n, degree);
      const coefficients = basis.fit(signal.logp.subarray(r * k + head, r * k + n)).map(half);
      // residuals are taken against the curve the reader will see, so rounding the coefficients costs nothing
      const curve = basis.curve(coefficients);
      const residuals = curve.map((c, i) => signal.logp[r * k + head + i] - c);
      const scale = halfUp(residuals.reduce((m, v) => Math.max(m, Math.abs(v)), 0));
      for (const c of coefficients) {
        view.setUint16(at, toFloat16Bits(c), true);
        at += 2;
      }
      view.setUint16(at, toFloat16Bits(scale), true);
      const writer = bitWriter(out, at + 2);
      for (const v of residuals) {
        const code = scale > 0 ? Math.round(((v / scale + 1) / 2) * levels) : 0;
        writer.write(Math.min(levels, Math.max(0, code)), bits);
      }
      at = writer.finish();
    }
    at = writeIds(out, at, signal.ids, r * k, n, idBits);
  }
  return out;
}

export function decodePacked(payload: Uint8Array): TopKSignal {
  const view = payloadView(payload);
  const { rows, k, vocab, ragged } = readHead(view);
  const exact = view.getUint8(TOPK_HEAD);
  const degree = view.getUint8(TOPK_HEAD + 1);
  const bits = view.getUint8(TOPK_HEAD + 2);
  const levels = 2 ** bits - 1;
  const idBits = bitsFor(vocab);
  const out = emptyTopK(rows, k, vocab);
  let at = HEAD;
  for (let r = 0; r < rows; r++) {
    let n = k;
    if (ragged) {
      n = view.getUint16(at, true);
      at += 2;
    }
    const values = out.logp.subarray(r * k, r * k + n);
    const head = Math.min(n, exact);
    out.logTail[r] = view.getFloat32(at, true);
    at += 4;
    const readHalf = (): number => {
      at += 2;
      return fromFloat16Bits(view.getUint16(at - 2, true));
    };
    for (let i = 0; i < head; i++) values[i] = readHalf();
    if (n > head) {
      const coefficients = Array.from({ length: degree + 1 }, readHalf);
      const scale = readHalf();
      const curve = rankBasis(head, n, degree).curve(coefficients);
      const reader = bitReader(payload, at);
      for (let i = head; i < n; i++)
        values[i] = curve[i - head] + scale * ((2 * reader.read(bits)) / levels - 1);
      at = reader.finish();
    }
    at = readIds(payload, at, out.ids, r * k, n, idBits);
    out.logTail[r] = normalize(values, out.logTail[r]);
  }
  return out;
}

/** Entries of a row with mass; throws unless they are in descending order, which the curve needs. */
function finiteCount({ k, logp }: TopKSignal, row: number, n: number): number {
  const values = logp.subarray(row * k, row * k + n);
  let count = n;
  while (count > 0 && values[count - 1] === Number.NEGATIVE_INFINITY) count--;
  for (let i = 0; i < count; i++)
    if (!Number.isFinite(values[i]) || (i > 0 && values[i] > values[i - 1]))
      throw new DecantError('data', `packed top-k row ${row} must hold finite values, largest first`, {
        seen: [...values.subarray(Math.max(0, i - 1), i + 1)],
        fix: 'sort the row, or store it unpacked',
      });
  return count;
}

/** Descending order (a running minimum never enlarges the largest error), then total mass 1; returns the log tail. */
function normalize(values: Float32Array, logTail: number): number {
  let mass = Math.exp(logTail);
  for (let i = 0; i < values.length; i++) {
    if (i > 0 && values[i] > values[i - 1]) values[i] = values[i - 1];
    mass += Math.exp(values[i]);
  }
  if (!(mass > 0)) return logTail;
  const z = Math.log(mass);
  for (let i = 0; i < values.length; i++) values[i] -= z;
  return logTail - z;
}

interface RankBasis {
  fit(values: ArrayLike<number>): number[];
  curve(coefficients: readonly number[]): Float64Array;
}

const bases = new Map<string, RankBasis>(); // a pure function of its key: a cache, not state

/** Chebyshev polynomials in ln(rank) over ranks `from + 1 .. n`, least squares by modified Gram-Schmidt. */
function rankBasis(from: number, n: number, degree: number): RankBasis {
  const key = `${from}/${n}/${degree}`;
  const known = bases.get(key);
  if (known) return known;
  const size = n - from;
  const low = Math.log(from + 1);
  const span = Math.log(n) - low || 1;
  const columns = Array.from({ length: degree + 1 }, () => new Float64Array(size));
  for (let i = 0; i < size; i++) {
    const x = (2 * (Math.log(from + 1 + i) - low)) / span - 1;
    for (let d = 0; d <= degree; d++)
      columns[d][i] = d === 0 ? 1 : d === 1 ? x : 2 * x * columns[d - 1][i] - columns[d - 2][i];
  }
  const q = columns.map((c) => c.slice());
  const upper = columns.map(() => new Float64Array(degree + 1));
  for (let d = 0; d <= degree; d++) {
    for (let e = 0; e < d; e++) {
      upper[e][d] = dot(q[e], q[d]);
      for (let i = 0; i < size; i++) q[d][i] -= upper[e][d] * q[e][i];
    }
    const length = Math.sqrt(dot(q[d], q[d]));
    upper[d][d] = length > 1e-9 ? length : 0; // fewer ranks than coefficients: the column adds nothing
    for (let i = 0; i < size; i++) q[d][i] = upper[d][d] ? q[d][i] / length : 0;
  }
  const basis: RankBasis = {
    fit(values) {
      const out = new Array<number>(degree + 1).fill(0);
      for (let d = degree; d >= 0; d--) {
        let sum = dot(q[d], values);
        for (let e = d + 1; e <= degree; e++) sum -= upper[d][e] * out[e];
        out[d] = upper[d][d] ? sum / upper[d][d] : 0;
      }
      return out;
    },
    curve(coefficients) {
      const out = new Float64Array(size);
      for (let d = 0; d <= degree; d++)
        for (let i = 0; i < size; i++) out[i] += coefficients[d] * columns[d][i];
      return out;
    },
  };
  if (bases.size > 4096) bases.clear();
  bases.set(key, basis);
  return basis;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

const half = (v: number): number => fromFloat16Bits(toFloat16Bits(v));

/** The smallest float16 that is not below v ≥ 0. */
function halfUp(v: number): number {
  const bits = toFloat16Bits(v);
  return fromFloat16Bits(fromFloat16Bits(bits) < v ? bits + 1 : bits);
}
