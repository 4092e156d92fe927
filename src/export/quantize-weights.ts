import { fromFloat16Bits, toFloat16Bits } from '../graph/dtype.ts';
import { type NDArray, ndarray } from '../graph/ndarray.ts';

/** A matrix as int8 with one scale per row or column; `data` is row-major as the matrix was. */
export interface Int8Matrix {
  data: Int8Array;
  scales: Float32Array;
  /** ‖w - ŵ‖ / ‖w‖ */
  error: number;
}

/**
 * Symmetric int8: scale = max|w| / limit, q = round(w / scale). `limit` is 127; 63 keeps the sums of products of
 * processors without VNNI instructions from saturating.
 *
 * @param w `[rows, columns]`
 * @param per what shares a scale
 */
export function quantizeInt8(w: NDArray, per: 'row' | 'column', limit = 127): Int8Matrix {
  const [rows, columns] = w.shape;
  const x = w.data as Float32Array;
  const byRow = per === 'row';
  const scales = new Float32Array(byRow ? rows : columns);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++, i++) {
      const v = Math.abs(x[i]);
      const g = byRow ? r : c;
      if (v > scales[g]) scales[g] = v;
    }
  }
  // a group of zeros keeps any scale
  for (let g = 0; g < scales.length; g++) scales[g] = scales[g] === 0 ? 1 : scales[g] / limit;
  const data = new Int8Array(x.length);
  const loss = new Loss();
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++, i++) {
      const scale = scales[byRow ? r : c];
      const q = clamp(Math.round(x[i] / scale), -limit, limit);
      data[i] = q;
      loss.add(x[i], q * scale);
    }
  }
  return { data, scales, error: loss.relative };
}

/** A matrix as 4-bit blocks along its input axis, in the layout of onnxruntime's MatMulNBits. */
export interface Int4Matrix {
  /** `[N, blocks, block / 2]`, the low nibble first; zero is 8. */
  data: Uint8Array;
  /** `[N · blocks]` */
  scales: Float32Array;
  blocks: number;
  error: number;
}

/**
 * Symmetric 4 bits in blocks of `block` inputs: the element of largest magnitude becomes -8, the others
 * round(w / scale), kept in [-8, 7].
 *
 * @param w `[K, N]`, or `[N, K]` if transposed
 */
export function quantizeInt4(w: NDArray, transposed: boolean, block: number): Int4Matrix {
  const [n, k] = transposed ? w.shape : [w.shape[1], w.shape[0]];
  const x = w.data as Float32Array;
  const [perOutput, perInput] = transposed ? [k, 1] : [1, n];
  const blocks = Math.ceil(k / block);
  const scales = new Float32Array(n * blocks);
  const data = new Uint8Array((n * blocks * block) / 2).fill(0x88);
  const loss = new Loss();
  for (let j = 0; j < n; j++) {
    for (let b = 0; b < blocks; b++) {
      const end = Math.min(k, (b + 1) * block);
      let extreme = 0;
      for (let i = b * block; i < end; i++) {
        const v = x[j * perOutput + i * perInput];
        if (Math.abs(v) > Math.abs(extreme)) extreme = v;
      }
      if (extreme === 0) continue;
      const scale = Math.fround(extreme / -8);
      scales[j * blocks + b] = scale;
      let cell = (j * blocks + b) * block;
      for (let i = b * block; i < end; i++, cell++) {
        const v = x[j * perOutput + i * perInput];
        const q = clamp(Math.round(v / scale), -8, 7);
        const old = data[cell >> 1];
        data[cell >> 1] = cell & 1 ? (old & 0x0f) | ((q + 8) << 4) : (old & 0xf0) | (q + 8);
        loss.add(v, q * scale);
      }
    }
  }
  return { data, scales, blocks, error: loss.relative };
}

/** The matrix `[K, N]` that 4-bit blocks stand for. */
export function dequantizeInt4(
  { data, scales, blocks }: Pick<Int4Matrix, 'data' | 'scales' | 'blocks'>,
  k: number,
  n: number,
  block: number,
): NDArray {
  const out = new Float32Array(k * n);
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < k; i++) {
      const cell = (j * blocks + Math.floor(i / block)) * block + (i % block);
      const q = (cell & 1 ? data[cell >> 1] >> 4 : data[cell >> 1] & 0x0f) - 8;
      out[i * n + j] = q * scales[j * blocks + Math.floor(i / block)];
    }
  }
  return ndarray(out, [k, n]);
}

/** The raw bits of the nearest float16 numbers. */
export function quantizeHalf(w: NDArray): { data: Uint16Array; error: number } {
  const x = w.data as Float32Array;
  const data = new Uint16Array(x.length);
  const loss = new Loss();
  for (let i = 0; i < x.length; i++) {
    data[i] = toFloat16Bits(x[i]);
    loss.add(x[i], fromFloat16Bits(data[i]));
  }
  return { data, error: loss.relative };
}

const clamp = (v: number, lo: number, hi: number): number => Math.min(hi, Math.max(lo, v));

/** Accumulates ‖w - ŵ‖ / ‖w‖. */
class Loss {
  private miss = 0;
  private total = 0;
  add(w: number, kept: number): void {
    const d = w - kept;
    this.miss += d * d;
    this.total += w * w;
  }
  get relative(): number {
    return this.total === 0 ? 0 : Math.sqrt(this.miss / this.total);
  }
}
