import type { Rng } from '../../util/rng.ts';
import type { Rows } from './subclass-targets.ts';

const squared = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((s, x, i) => s + (x - b[i]) ** 2, 0);

/** Index of the centre that is nearest to a point. */
export function nearest(point: readonly number[], centres: Rows): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  centres.forEach((c, i) => {
    const d = squared(point, c);
    if (d < least) [best, least] = [i, d];
  });
  return best;
}

/**
 * Lloyd's k-means from k-means++ seeds (Arthur & Vassilvitskii 2007): `k` centres of the points, `[k, dim]`. A centre
 * that loses all its points stays where it is.
 */
export function kMeans(points: Rows, k: number, rng: Rng, rounds = 50): number[][] {
  const centres = [[...points[rng.int(points.length)]]];
  while (centres.length < k) {
    const far = points.map((p) => squared(p, centres[nearest(p, centres)]));
    const total = far.reduce((a, b) => a + b, 0);
    let left = rng.uniform() * total;
    const chosen = far.findIndex((d) => (left -= d) <= 0 && d > 0);
    centres.push([...points[chosen < 0 ? rng.int(points.length) : chosen]]);
  }
  let before: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const of = points.map((p) => nearest(p, centres));
    if (of.every((c, i) => c === before[i])) break;
    before = of;
    for (let c = 0; c < k; c++) {
      const own = points.filter((_, i) => of[i] === c);
      if (own.length > 0)
        centres[c] = centres[c].map((_, j) => own.reduce((s, p) => s + p[j], 0) / own.length);
    }
  }
  return centres;
}
