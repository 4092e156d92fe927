import { type BootstrapOptions, type Interval, meanInterval } from './bootstrap.ts';
import { sameLength } from './matrix.ts';

export interface SliceResult extends Interval {
  slice: string;
  count: number;
  /** Fewer than `small` examples (default 30): the interval says little. */
  small: boolean;
}

/**
 * Mean score with interval per slice (label, source, length band, language …), `scores` and `slices` `[n]`;
 * worst slice first. An example with several names belongs to several slices.
 */
export function sliceResults(
  scores: ArrayLike<number>,
  slices: readonly (string | readonly string[])[],
  options: BootstrapOptions & { small?: number } = {},
): SliceResult[] {
  sameLength(scores, slices, 'scores and slices');
  const groups = new Map<string, number[]>();
  slices.forEach((names, i) => {
    for (const name of typeof names === 'string' ? [names] : names) {
      const group = groups.get(name);
      if (group) group.push(scores[i]);
      else groups.set(name, [scores[i]]);
    }
  });
  return [...groups]
    .map(([slice, values]) => ({
      slice,
      count: values.length,
      small: values.length < (options.small ?? 30),
      ...meanInterval(values, options),
    }))
    .sort((a, b) => a.estimate - b.estimate || (a.slice < b.slice ? -1 : 1));
}

/** Names of equally filled length bands ("1-7", "8-12", …) for `sliceResults`, from the lengths of the inputs. */
export function lengthBands(lengths: ArrayLike<number>, bands = 4): string[] {
  const sorted = Float64Array.from(lengths).sort();
  const edges = new Set<number>();
  for (let b = 1; b < bands; b++) edges.add(sorted[Math.floor((b * sorted.length) / bands)]);
  const starts = [sorted[0], ...[...edges].filter((e) => e > sorted[0])];
  return Array.from({ length: lengths.length }, (_, i) => {
    let band = 0;
    while (band + 1 < starts.length && lengths[i] >= starts[band + 1]) band++;
    const last = band + 1 < starts.length ? starts[band + 1] - 1 : sorted[sorted.length - 1];
    return starts[band] === last ? `${last}` : `${starts[band]}–${last}`;
  });
}
