import { createRng } from '../../util/rng.ts';
import { kMeans, nearest } from './k-means.ts';
import {
  nullSpaceProjector,
  type Rows,
  randomRotation,
  requireRows,
  subclassDirections,
  subclassLogits,
} from './subclass-targets.ts';

export interface SplitOptions {
  readonly subclasses: number;
  readonly split: 'principal' | 'clusters' | 'random';
  readonly rotate: boolean;
  readonly normalize: boolean;
  readonly seed: number;
  /** `[classes, dim]` of the teacher's output layer, when what it sees is to be taken out. */
  readonly weights?: Rows;
}

export interface Split {
  /** `[rows, classes, S]`; -∞ where a hard split rules a subclass out. */
  readonly z: number[][][];
  readonly facts: Readonly<Record<string, number>>;
}

/**
 * Splits every class of every row into S subclasses, whichever class the row is of.
 *
 * @param embeddings `[rows, dim]`
 * @param classOf `[rows]`
 */
export function splitClasses(
  embeddings: Rows,
  classOf: readonly number[],
  classes: number,
  options: SplitOptions,
): Split {
  const { subclasses, seed } = options;
  const each = <T>(f: (c: number) => T): T[] => Array.from({ length: classes }, (_, c) => f(c));
  if (subclasses === 1) return { z: embeddings.map(() => each(() => [0])), facts: {} };
  if (options.split === 'random') {
    const rng = createRng(`${seed}/random`);
    const z = embeddings.map(() => each(() => Array.from({ length: subclasses }, () => rng.normal())));
    return { z, facts: {} };
  }
  if (options.split === 'clusters')
    return { z: clusterSplit(embeddings, classOf, classes, options), facts: {} };
  const rotations = each((c) =>
    options.rotate ? randomRotation(subclasses, createRng(`${seed}/rotation/${c}`)) : identity(subclasses),
  );
  const directions = subclassDirections(embeddings, classOf, rotations, options);
  const z = subclassLogits(embeddings, directions);
  const shares = directions.eigenvalues.map(
    (top, c) => top.reduce((a, b) => a + b, 0) / Math.max(directions.variances[c], 1e-300),
  );
  return {
    z: options.normalize ? normalized(z, classOf, classes) : z,
    facts: { explainedVariance: shares.reduce((a, b) => a + b, 0) / classes },
  };
}

const identity = (n: number): number[][] =>
  Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));

/** z_c in units of its standard deviation over the rows of class c and all subclasses. */
function normalized(z: readonly number[][][], classOf: readonly number[], classes: number): number[][][] {
  const squares = new Float64Array(classes);
  const counts = new Float64Array(classes);
  z.forEach((row, i) => {
    const c = classOf[i];
    for (const x of row[c]) squares[c] += x * x;
    counts[c] += row[c].length;
  });
  const scale = Array.from(squares, (s, c) => (s > 0 ? 1 / Math.sqrt(s / counts[c]) : 1));
  return z.map((row) => row.map((own, c) => own.map((x) => x * scale[c])));
}

/** Hard splits by the nearest of S k-means centres of the class. */
function clusterSplit(
  embeddings: Rows,
  classOf: readonly number[],
  classes: number,
  { subclasses, seed, weights }: SplitOptions,
): number[][][] {
  const projector = weights ? nullSpaceProjector(weights).to2DArray() : undefined;
  const points = projector
    ? embeddings.map((h) => projector.map((p) => p.reduce((s, x, i) => s + x * h[i], 0)))
    : embeddings;
  const centres = Array.from({ length: classes }, (_, c) => {
    const own = points.filter((_, i) => classOf[i] === c);
    requireRows(c, own.length, subclasses, own.length);
    return kMeans(own, subclasses, createRng(`${seed}/clusters/${c}`));
  });
  return points.map((p) =>
    centres.map((own) => {
      const at = nearest(p, own);
      return own.map((_, s) => (s === at ? 0 : Number.NEGATIVE_INFINITY));
    }),
  );
}

/** exp of the mean entropy of the split of a row's own class: 1 when it is hard, S when it says nothing. */
export function usedSubclasses(
  z: readonly (readonly (readonly number[])[])[],
  chosen: readonly number[],
  beta: number,
) {
  const entropies = z.map((row, i) => {
    const top = Math.max(...row[chosen[i]]);
    const weights = row[chosen[i]].map((x) => Math.exp((x - top) / beta));
    const total = weights.reduce((a, b) => a + b, 0);
    return weights.reduce((h, w) => (w > 0 ? h - (w / total) * Math.log(w / total) : h), 0);
  });
  return Math.exp(entropies.reduce((a, b) => a + b, 0) / entropies.length);
}
