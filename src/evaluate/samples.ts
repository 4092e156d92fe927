import type { NDArray } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';

/** Rows of numbers: generated samples, or data. */
interface Rows {
  readonly data: ArrayLike<number>;
  readonly count: number;
  readonly width: number;
}

const rowsOf = ({ data, shape }: NDArray): Rows => ({
  data: data as ArrayLike<number>,
  count: shape[0],
  width: shape.slice(1).reduce((a, b) => a * b, 1),
});

/** Unit vectors, uniform on the sphere; the same for the same seed. */
function directions(count: number, width: number, seed: number | string): Float64Array[] {
  const rng = createRng(`directions/${seed}`);
  return Array.from({ length: count }, () => {
    const v = Float64Array.from({ length: width }, () => rng.normal());
    const size = Math.sqrt(v.reduce((s, x) => s + x * x, 0));
    return v.map((x) => x / size);
  });
}

function projected({ data, count, width }: Rows, v: Float64Array): Float64Array {
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let s = 0;
    for (let j = 0; j < width; j++) s += data[i * width + j] * v[j];
    out[i] = s;
  }
  return out.sort();
}

/** The value of sorted numbers at a share of the way through, between neighbours by their distance. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * sorted.length - 0.5;
  const low = Math.min(sorted.length - 1, Math.max(0, Math.floor(at)));
  const high = Math.min(sorted.length - 1, low + 1);
  const part = Math.min(1, Math.max(0, at - low));
  return sorted[low] + part * (sorted[high] - sorted[low]);
}

/**
 * Sliced Wasserstein-2 distance (Rabin et al. 2011; Bonneel et al. 2015): √ mean over directions and ranks of squared
 * differences of sorted projections. In units of the data; 0 for equal sets. Its floor is that of two data samples.
 */
export function slicedWasserstein(
  a: NDArray,
  b: NDArray,
  { directions: count = 64, seed = 0 }: { directions?: number; seed?: number | string } = {},
): number {
  const [x, y] = [rowsOf(a), rowsOf(b)];
  const ranks = Math.max(x.count, y.count);
  let sum = 0;
  for (const v of directions(count, x.width, seed)) {
    const [p, q] = [projected(x, v), projected(y, v)];
    for (let r = 0; r < ranks; r++) {
      const share = (r + 0.5) / ranks;
      const d =
        (p.length === ranks ? p[r] : quantile(p, share)) - (q.length === ranks ? q[r] : quantile(q, share));
      sum += d * d;
    }
  }
  return Math.sqrt(sum / (count * ranks));
}

function squaredDistance(x: Rows, i: number, y: Rows, j: number): number {
  let s = 0;
  for (let k = 0; k < x.width; k++) s += (x.data[i * x.width + k] - y.data[j * y.width + k]) ** 2;
  return s;
}

/**
 * Squared maximum mean discrepancy with a Gaussian kernel, unbiased (Gretton et al. 2012, eq. 3); may come out a little
 * below 0. The kernel's width is the median distance between rows of `b` (the data).
 *
 * @param options `limit`: rows of each set that are used at most
 */
export function maximumMeanDiscrepancy(a: NDArray, b: NDArray, { limit = 1000 } = {}): number {
  const [x, y] = [rowsOf(a), rowsOf(b)].map((r) => ({ ...r, count: Math.min(limit, r.count) }));
  const between = new Float64Array((y.count * (y.count - 1)) / 2);
  let at = 0;
  for (let i = 0; i < y.count; i++) for (let j = 0; j < i; j++) between[at++] = squaredDistance(y, i, y, j);
  const width = between.slice().sort()[Math.floor(between.length / 2)] || 1;
  const kernel = (d: number): number => Math.exp(-d / (2 * width));
  const own = (r: Rows): number => {
    let s = 0;
    for (let i = 0; i < r.count; i++) for (let j = 0; j < i; j++) s += kernel(squaredDistance(r, i, r, j));
    return (2 * s) / (r.count * (r.count - 1));
  };
  let cross = 0;
  for (let i = 0; i < x.count; i++)
    for (let j = 0; j < y.count; j++) cross += kernel(squaredDistance(x, i, y, j));
  return own(x) + own(y) - (2 * cross) / (x.count * y.count);
}

/**
 * Precision and recall of samples against data (Kynkäänniemi et al. 2019): the share of samples that lie within the
 * distance of some data row to its k-th neighbour, and the share of data rows that lie so near to some sample.
 *
 * @param options `limit`: rows of each set that are used at most
 */
export function precisionRecall(
  samples: NDArray,
  data: NDArray,
  { k = 3, limit = 1000 } = {},
): { precision: number; recall: number } {
  const [x, y] = [rowsOf(samples), rowsOf(data)].map((r) => ({ ...r, count: Math.min(limit, r.count) }));
  const radii = (r: Rows): Float64Array =>
    Float64Array.from({ length: r.count }, (_, i) => {
      const near = new Float64Array(r.count);
      for (let j = 0; j < r.count; j++) near[j] = squaredDistance(r, i, r, j);
      return near.sort()[Math.min(k, r.count - 1)];
    });
  const covered = (of: Rows, by: Rows): number => {
    const reach = radii(by);
    let inside = 0;
    for (let i = 0; i < of.count; i++)
      for (let j = 0; j < by.count; j++)
        if (squaredDistance(of, i, by, j) <= reach[j]) {
          inside++;
          break;
        }
    return inside / of.count;
  };
  return { precision: covered(x, y), recall: covered(y, x) };
}

/** √ mean of squared differences of samples that belong together, entry by entry. */
export function rootMeanSquare(a: NDArray, b: NDArray): number {
  let s = 0;
  for (let i = 0; i < a.data.length; i++) s += (Number(a.data[i]) - Number(b.data[i])) ** 2;
  return Math.sqrt(s / a.data.length);
}

/**
 * How samples fall upon known centres: the share within a distance of one, and the share of centres so hit.
 *
 * @param options `even`: a centre counts as hit from this part of an even share of the samples on; default a single one
 */
export function modeHits(
  samples: NDArray,
  centres: readonly (readonly number[])[],
  radius: number,
  { even = 0 }: { even?: number } = {},
): { hit: number; modes: number } {
  const x = rowsOf(samples);
  const near = centres.map(() => 0);
  for (let i = 0; i < x.count; i++) {
    const at = centres.findIndex(
      (c) => c.reduce((s, v, k) => s + (x.data[i * x.width + k] - v) ** 2, 0) <= radius ** 2,
    );
    if (at >= 0) near[at]++;
  }
  const enough = Math.max(1, (even * x.count) / centres.length);
  return {
    hit: near.reduce((a, b) => a + b, 0) / x.count,
    modes: near.filter((n) => n >= enough).length / centres.length,
  };
}
