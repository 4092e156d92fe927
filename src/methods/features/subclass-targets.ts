import { EigenvalueDecomposition, Matrix, QrDecomposition, SingularValueDecomposition } from 'ml-matrix';
import { DecantError } from '../../util/errors.ts';
import type { Rng } from '../../util/rng.ts';

/** Rows of numbers, as the host's linear algebra takes them. */
export type Rows = readonly (readonly number[])[];

export interface SubclassOptions {
  /** S, subclasses per class. */
  readonly subclasses: number;
  /** `[classes, dim]` of the teacher's output layer: what it sees is taken out of the embeddings. */
  readonly weights?: Rows;
}

/** Where the teacher's embeddings of each class vary most; constants of a data set and a teacher. */
export interface SubclassDirections {
  /** `[dim, dim]`, symmetric and idempotent; W P = 0. */
  readonly projector: number[][];
  /** `[classes, dim]`, of the projected embeddings. */
  readonly means: number[][];
  /** `[classes, S]`, the largest first. */
  readonly eigenvalues: number[][];
  /** `[classes]`: variance of the projected embeddings, over all directions. */
  readonly variances: number[];
  /** `[classes, dim, S]`, the leading directions times the rotation. */
  readonly directions: number[][][];
}

/**
 * P = I - Wᵀ (W Wᵀ)⁺ W: takes out what the output layer sees. Rows of W that depend on each other count once.
 *
 * @param weights `[classes, dim]` of the teacher's output layer
 */
export function nullSpaceProjector(weights: Rows): Matrix {
  const w = new Matrix(weights as number[][]);
  const { rightSingularVectors, diagonal } = new SingularValueDecomposition(w, { autoTranspose: true });
  const p = Matrix.eye(w.columns);
  diagonal.forEach((s, i) => {
    if (s <= 1e-9 * diagonal[0]) return;
    const v = rightSingularVectors.getColumnVector(i);
    p.sub(v.mmul(v.transpose()));
  });
  return p;
}

/** A random orthonormal matrix, uniform over all of them: Q of a Gaussian matrix, the diagonal of R made positive. */
export function randomRotation(size: number, rng: Rng): number[][] {
  const gaussian = Matrix.zeros(size, size);
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) gaussian.set(i, j, rng.normal());
  const qr = new QrDecomposition(gaussian);
  const r = qr.upperTriangularMatrix;
  const q = qr.orthogonalMatrix;
  for (let j = 0; j < size; j++) if (r.get(j, j) < 0) q.mulColumn(j, -1);
  return q.to2DArray();
}

/**
 * Principal directions of the projected embeddings within each class, rotated so that no subclass has most of the
 * variance. Signs: the largest entry of a direction is positive.
 *
 * @param embeddings `[rows, dim]` of the teacher's training rows
 * @param classOf `[rows]`: the teacher's choice, or true labels
 * @param rotations `[classes, S, S]`, orthonormal
 * @source Loo et al. 2024 (2409.20449), section 3
 */
export function subclassDirections(
  embeddings: Rows,
  classOf: readonly number[],
  rotations: readonly Rows[],
  { subclasses, weights }: SubclassOptions,
): SubclassDirections {
  const classes = rotations.length;
  const dim = embeddings[0].length;
  const projector = weights ? nullSpaceProjector(weights) : Matrix.eye(dim);
  const projected = new Matrix(embeddings as number[][]).mmul(projector);
  const out: SubclassDirections = {
    projector: projector.to2DArray(),
    means: [],
    eigenvalues: [],
    variances: [],
    directions: [],
  };
  for (let c = 0; c < classes; c++) {
    const own = classOf.flatMap((k, i) => (k === c ? [i] : []));
    requireRows(c, own.length, subclasses, Math.min(own.length - 1, dim));
    const rows = projected.subMatrixRow(own, 0, dim - 1);
    const mean = rows.mean('column');
    const centred = rows.subRowVector(mean);
    const covariance = centred.transpose().mmul(centred).div(own.length);
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(covariance, {
      assumeSymmetric: true,
    });
    const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b] - realEigenvalues[a]);
    const leading = Matrix.zeros(dim, subclasses);
    order.slice(0, subclasses).forEach((from, to) => {
      const u = eigenvectorMatrix.getColumn(from);
      const largest = u.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
      leading.setColumn(
        to,
        u.map((x) => x * Math.sign(largest)),
      );
    });
    out.means.push(mean);
    out.variances.push(covariance.trace());
    out.eigenvalues.push(order.slice(0, subclasses).map((i) => realEigenvalues[i]));
    out.directions.push(leading.mmul(new Matrix(rotations[c] as number[][])).to2DArray());
  }
  return out;
}

/** Errors: `data` when a class is to be split into more parts than its rows allow. */
export function requireRows(c: number, rows: number, subclasses: number, most: number): void {
  if (subclasses > most)
    throw new DecantError('data', 'a class has too few rows for so many subclasses', {
      at: `class ${c}, ${rows} rows`,
      seen: subclasses,
      allowed: `at most ${Math.max(0, most)} subclasses`,
      fix: 'lower the number of subclasses, or give more rows of this class',
    });
}

/** z_{c,s} = v_{c,s} · (P h - μ_c) of every row, in every class: `[rows, classes, S]`. */
export function subclassLogits(embeddings: Rows, d: SubclassDirections): number[][][] {
  const projected = new Matrix(embeddings as number[][]).mmul(new Matrix(d.projector));
  const perClass = d.means.map((mean, c) =>
    projected.clone().subRowVector(mean).mmul(new Matrix(d.directions[c])).to2DArray(),
  );
  return embeddings.map((_, row) => perClass.map((z) => z[row]));
}

/**
 * log p_{c,s} = log p_c + log softmax_s(z_{c,·} / β), p_c = softmax(logits / τ)_c: the teacher's classes split into
 * subclasses; Σ_s p_{c,s} = p_c.
 *
 * @param logits `[rows, classes]`
 * @param z `[rows, classes, S]`
 * @returns `[rows, classes · S]`, entry c·S + s
 */
export function subclassTargets(
  logits: Rows,
  z: readonly Rows[],
  { beta, temperature }: { beta: number; temperature: number },
): number[][] {
  return logits.map((row, i) => {
    const logp = logSoftmax(row.map((x) => x / temperature));
    return logp.flatMap((lp, c) => logSoftmax(z[i][c].map((x) => x / beta)).map((ls) => lp + ls));
  });
}

function logSoftmax(x: readonly number[]): number[] {
  const top = Math.max(...x);
  const total = top + Math.log(x.reduce((s, v) => s + Math.exp(v - top), 0));
  return x.map((v) => v - total);
}
