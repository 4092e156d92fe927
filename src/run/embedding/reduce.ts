import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { type NDArray, ndarray } from '../../graph/index.ts';

/** A linear map that keeps as much of the vectors as fits into fewer numbers. */
export interface Reduction {
  /** Share of the squared length that is kept. */
  readonly kept: number;
  /** `[rows, wide]` to `[rows, narrow]`. */
  apply(vectors: NDArray): NDArray;
}

/**
 * Principal components without centring, so that products of vectors change as little as possible: the `width` leading
 * eigenvectors of XᵀX. Vectors of length 1 have length 1 afterwards too.
 */
export function reduceTo(vectors: NDArray, width: number): Reduction {
  const [rows, wide] = vectors.shape;
  const data = vectors.data as Float32Array;
  const gram = Matrix.zeros(wide, wide);
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * wide, (r + 1) * wide);
    for (let a = 0; a < wide; a++)
      for (let b = a; b < wide; b++) gram.set(a, b, gram.get(a, b) + row[a] * row[b]);
  }
  for (let a = 0; a < wide; a++) for (let b = 0; b < a; b++) gram.set(a, b, gram.get(b, a));
  const { realEigenvalues: values, eigenvectorMatrix: basis } = new EigenvalueDecomposition(gram, {
    assumeSymmetric: true,
  });
  const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a]);
  const chosen = order.slice(0, width);
  const total = values.reduce((a, b) => a + Math.max(0, b), 0);
  const unit = lengthsOf(data, rows, wide).every((l) => Math.abs(l - 1) < 1e-3);
  return {
    kept: chosen.reduce((a, i) => a + Math.max(0, values[i]), 0) / Math.max(total, 1e-30),
    apply(given) {
      const n = given.shape[0];
      const x = given.data as Float32Array;
      const out = new Float32Array(n * width);
      for (let r = 0; r < n; r++) {
        for (let k = 0; k < width; k++) {
          let sum = 0;
          for (let i = 0; i < wide; i++) sum += x[r * wide + i] * basis.get(i, chosen[k]);
          out[r * width + k] = sum;
        }
      }
      if (unit) {
        const lengths = lengthsOf(out, n, width);
        for (let i = 0; i < out.length; i++) out[i] /= Math.max(lengths[Math.floor(i / width)], 1e-12);
      }
      return ndarray(out, [n, width]);
    },
  };
}

const lengthsOf = (data: Float32Array, rows: number, width: number): number[] =>
  Array.from({ length: rows }, (_, r) => Math.hypot(...data.subarray(r * width, (r + 1) * width)));
