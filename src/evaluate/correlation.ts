import { mean, sameLength } from './matrix.ts';

/** Pearson's r = Σ(x - x̄)(y - ȳ) / √(Σ(x - x̄)² Σ(y - ȳ)²); NaN where one side is constant. */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const n = sameLength(x, y, 'x and y');
  const mx = mean(x);
  const my = mean(y);
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let i = 0; i < n; i++) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) ** 2;
    yy += (y[i] - my) ** 2;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : Number.NaN;
}

/** Ranks from 1; equal values share the mean of their ranks. */
export function averageRanks(x: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: x.length }, (_, i) => i).sort((a, b) => x[a] - x[b]);
  const ranks = new Float64Array(x.length);
  for (let i = 0; i < order.length; ) {
    let j = i;
    while (j < order.length && x[order[j]] === x[order[i]]) j++;
    for (let t = i; t < j; t++) ranks[order[t]] = (i + j + 1) / 2;
    i = j;
  }
  return ranks;
}

/** Spearman's ρ: Pearson's r of the average ranks. */
export const spearman = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
  pearson(averageRanks(x), averageRanks(y));

/**
 * Kendall's τ-b = (C - D) / √((n₀ - n₁)(n₀ - n₂)), n₀ = n(n-1)/2, n₁ and n₂ the pairs tied in x and in y
 * (Kendall 1945), by merge sort in O(n log n) (Knight 1966). NaN where one side is constant.
 */
export function kendall(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const n = sameLength(x, y, 'x and y');
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => x[a] - x[b] || y[a] - y[b]);
  const sorted = Float64Array.from(order, (i) => y[i]);
  const tiedX = tiedPairs(order.map((i) => x[i]));
  let tiedBoth = 0;
  for (let i = 0, run = 1; i < n; i++, run++) {
    const last = i === n - 1 || x[order[i]] !== x[order[i + 1]] || y[order[i]] !== y[order[i + 1]];
    if (last) {
      tiedBoth += (run * (run - 1)) / 2;
      run = 0;
    }
  }
  const swaps = inversions(sorted); // sorts by y
  const tiedY = tiedPairs(sorted);
  const pairs = (n * (n - 1)) / 2;
  const numerator = pairs - tiedX - tiedY + tiedBoth - 2 * swaps;
  const denominator = Math.sqrt((pairs - tiedX) * (pairs - tiedY));
  return denominator > 0 ? numerator / denominator : Number.NaN;
}

/** Pairs of equal neighbours' runs: Σ t(t-1)/2 over runs of equal values in a sorted array. */
function tiedPairs(sorted: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < sorted.length; ) {
    let j = i;
    while (j < sorted.length && sorted[j] === sorted[i]) j++;
    sum += ((j - i) * (j - i - 1)) / 2;
    i = j;
  }
  return sum;
}

/** Sorts `a` in place and returns the number of pairs i < j with a[i] > a[j]. */
function inversions(a: Float64Array): number {
  let count = 0;
  let from: Float64Array = a;
  let to: Float64Array = new Float64Array(a.length);
  for (let width = 1; width < a.length; width *= 2) {
    for (let left = 0; left < a.length; left += 2 * width) {
      const middle = Math.min(left + width, a.length);
      const right = Math.min(left + 2 * width, a.length);
      for (let i = left, j = middle, o = left; o < right; o++) {
        if (i < middle && (j >= right || from[i] <= from[j])) to[o] = from[i++];
        else {
          to[o] = from[j++];
          count += middle - i;
        }
      }
    }
    [from, to] = [to, from];
  }
  if (from !== a) a.set(from);
  return count;
}
