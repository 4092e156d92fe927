/** Float64 matrix product of the oracle: 4×4 register tiles over packed panels, about as fast as plain JavaScript gets. */

/** Where a matrix lies in an array: element (i, j) is at `offset + i * row + j * col`. */
export interface MatrixView {
  readonly data: Float64Array;
  readonly offset: number;
  readonly row: number;
  readonly col: number;
}

/** c[m, n] += scale · a[m, k] · b[k, n]; `c` is row-major at `at`. */
export function gemm(
  m: number,
  n: number,
  k: number,
  a: MatrixView,
  b: MatrixView,
  c: Float64Array,
  at = 0,
  scale = 1,
): void {
  if (m === 0 || n === 0 || k === 0) return;
  const bp = packPanels(b.data, b.offset, n, k, b.col, b.row);
  const ap = packPanels(a.data, a.offset, m, k, a.row, a.col);
  for (let j = 0; j < n; j += 4) {
    for (let i = 0; i < m; i += 4)
      tile(ap, i * k, bp, j * k, k, c, at, n, i, Math.min(4, m - i), j, n, scale);
  }
}

/** Rows in groups of four, interleaved: out[(r / 4)·4k + p·4 + r % 4]; missing rows are zero. */
function packPanels(
  x: Float64Array,
  offset: number,
  rows: number,
  k: number,
  row: number,
  col: number,
): Float64Array {
  const out = new Float64Array(Math.ceil(rows / 4) * 4 * k);
  for (let r = 0; r < rows; r++) {
    let o = (r >> 2) * 4 * k + (r & 3);
    let p = offset + r * row;
    for (let i = 0; i < k; i++) {
      out[o] = x[p];
      o += 4;
      p += col;
    }
  }
  return out;
}

const sums = new Float64Array(16);

function tile(
  ap: Float64Array,
  pa: number,
  bp: Float64Array,
  pb: number,
  k: number,
  c: Float64Array,
  at: number,
  ldc: number,
  i0: number,
  rows: number,
  j0: number,
  n: number,
  scale: number,
): void {
  let c00 = 0;
  let c01 = 0;
  let c02 = 0;
  let c03 = 0;
  let c10 = 0;
  let c11 = 0;
  let c12 = 0;
  let c13 = 0;
  let c20 = 0;
  let c21 = 0;
  let c22 = 0;
  let c23 = 0;
  let c30 = 0;
  let c31 = 0;
  let c32 = 0;
  let c33 = 0;
  const end = pa + 4 * k;
  for (; pa < end; pa += 4, pb += 4) {
    const a0 = ap[pa];
    const a1 = ap[pa + 1];
    const a2 = ap[pa + 2];
    const a3 = ap[pa + 3];
    const b0 = bp[pb];
    const b1 = bp[pb + 1];
    const b2 = bp[pb + 2];
    const b3 = bp[pb + 3];
    c00 += a0 * b0;
    c01 += a0 * b1;
    c02 += a0 * b2;
    c03 += a0 * b3;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c12 += a1 * b2;
    c13 += a1 * b3;
    c20 += a2 * b0;
    c21 += a2 * b1;
    c22 += a2 * b2;
    c23 += a2 * b3;
    c30 += a3 * b0;
    c31 += a3 * b1;
    c32 += a3 * b2;
    c33 += a3 * b3;
  }
  const s = sums;
  s[0] = c00;
  s[1] = c01;
  s[2] = c02;
  s[3] = c03;
  s[4] = c10;
  s[5] = c11;
  s[6] = c12;
  s[7] = c13;
  s[8] = c20;
  s[9] = c21;
  s[10] = c22;
  s[11] = c23;
  s[12] = c30;
  s[13] = c31;
  s[14] = c32;
  s[15] = c33;
  const cols = Math.min(4, n - j0);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) c[at + (i0 + i) * ldc + j0 + j] += scale * s[4 * i + j];
  }
}
