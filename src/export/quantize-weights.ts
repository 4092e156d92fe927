import { type NDArray, ndarray } from '../graph/ndarray.ts';

/** A matrix as int8 with one scale per row or column; `data` is row-major as the matrix was. */
export interface Int8Matrix {
  data: Int8Array;
  scales: Float32Array;
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
  const groups = per === 'row' ? rows : columns;
  const scales = new Float32Array(groups);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const g = per === 'row' ? r : c;
      scales[g] = Math.max(scales[g], Math.abs(x[r * columns + c]));
    }
  }
  // a group of zeros keeps any scale
  for (let g = 0; g < groups; g++) scales[g] = scales[g] === 0 ? 1 : scales[g] / limit;
  const data = new Int8Array(x.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const i = r * columns + c;
      data[i] = clamp(Math.round(x[i] / scales[per === 'row' ? r : c]), -limit, limit);
    }
  }
  return { data, scales };
}

/** A matrix as 4-bit blocks along its input axis, in the layout of onnxruntime's MatMulNBits. */
export interface Int4Matrix {
  /** `[N, blocks, block / 2]`, the low nibble first; zero is 8. */
  data: Uint8Array;
  /** `[N · blocks]` */
  scales: Float32Array;
  blocks: number;
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
  const at = transposed ? (j: number, i: number) => x[j * k + i] : (j: number, i: number) => x[i * n + j];
  const blocks = Math.ceil(k / block);
  const scales = new Float32Array(n * blocks);
  const data = new Uint8Array((n * blocks * block) / 2).fill(0x88);
  for (let j = 0; j < n; j++) {
    for (let b = 0; b < blocks; b++) {
      const end = Math.min(k, (b + 1) * block);
      let extreme = 0;
      for (let i = b * block; i < end; i++) {
        const v = at(j, i);
        if (Math.abs(v) > Math.abs(extreme)) extreme = v;
      }
      const scale = Math.fround(extreme / -8);
      scales[j * blocks + b] = scale;
      if (scale === 0) continue;
      const begin = (j * blocks + b) * block;
      for (let i = b * block; i < end; i++) {
        const q = clamp(Math.round(at(j, i) / scale), -8, 7) + 8;
        const cell = begin + (i - b * block);
        data[cell >> 1] = cell & 1 ? (data[cell >> 1] & 0x0f) | (q << 4) : (data[cell >> 1] & 0xf0) | q;
      }
    }
  }
  return { data, scales, blocks };
}

/** The matrix `[K, N]` that 4-bit blocks stand for. */
export function dequantizeInt4(
  { data, scales, blocks }: Int4Matrix,
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

const clamp = (v: number, lo: number, hi: number): number => Math.min(hi, Math.max(lo, v));
