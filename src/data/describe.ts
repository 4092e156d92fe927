import { editDistance } from '../util/suggest.ts';
import type { Example } from './types.ts';

/** Counts per power-of-two-like bucket; `edges[i]` is the largest length bucket `i` holds. */
export interface Histogram {
  edges: number[];
  counts: number[];
  min: number;
  max: number;
  mean: number;
  /** Estimated from the buckets (linear within a bucket), exact at 0 and 1. */
  quantile(q: number): number;
}

const EDGES = [
  0, 1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096, 8192, 16384,
  65536,
];

/** A histogram that is filled one length at a time, in constant memory. */
export function createHistogram(): Histogram & { add(length: number): void } {
  const counts = new Array<number>(EDGES.length + 1).fill(0);
  let n = 0;
  let sum = 0;
  const state = {
    edges: [...EDGES, Number.MAX_SAFE_INTEGER],
    counts,
    min: 0,
    max: 0,
    mean: 0,
    add(length: number) {
      let bucket = 0;
      while (bucket < EDGES.length && length > EDGES[bucket]) bucket++;
      counts[bucket]++;
      state.min = n === 0 ? length : Math.min(state.min, length);
      state.max = Math.max(state.max, length);
      n++;
      sum += length;
      state.mean = sum / n;
    },
    quantile(q: number) {
      let left = q * n;
      for (let b = 0; b < counts.length; b++) {
        if (counts[b] === 0) continue;
        if (left > counts[b]) {
          left -= counts[b];
          continue;
        }
        const low = Math.max(state.min, b === 0 ? 0 : EDGES[b - 1]);
        const high = Math.min(state.max, b < EDGES.length ? EDGES[b] : state.max);
        return low + ((high - low) * left) / counts[b];
      }
      return state.max;
    },
  };
  return state;
}

/** Words as white space parts them. */
export const wordCount = (text: string): number => {
  let n = 0;
  let inWord = false;
  for (let i = 0; i < text.length; i++) {
    const space = text.charCodeAt(i) <= 32;
    if (!space && !inWord) n++;
    inWord = !space;
  }
  return n;
};

/** Everything a model reads of an example, joined: the key for duplicates and lengths. */
export const inputText = (e: Example): string => {
  let out = joined(e.text ?? '', e.pair);
  out = joined(out, e.prompt);
  out = joined(out, e.response);
  out = joined(out, e.chosen);
  out = joined(out, e.rejected);
  return e.responses ? `${out}\n${e.responses.join('\n')}` : out;
};

const joined = (text: string, part: string | undefined): string =>
  part === undefined ? text : text === '' ? part : `${text}\n${part}`;

export interface ClassBalance {
  /** Examples per class index. */
  counts: number[];
  unlabelled: number;
  /** Largest class over smallest non-empty one; 1 when even. */
  imbalance: number;
  /** Classes without a single example. */
  absent: string[];
  /** Rare classes whose names are almost those of others: written wrong, most likely. */
  lookalikes: { name: string; like: string }[];
  /** exp(entropy) of the class shares: how many even classes would be as varied. */
  effectiveClasses: number;
}

/** Classes with hardly a row, beside another class with many whose name is almost the same. */
function lookalikes(counts: readonly number[], classes: readonly string[]): ClassBalance['lookalikes'] {
  const usual = counts.reduce((a, b) => a + b, 0) / Math.max(1, counts.length);
  const common = classes.filter((_, i) => counts[i] >= usual);
  return classes.flatMap((name, i) => {
    if (counts[i] === 0 || counts[i] > usual / 20) return [];
    const like =
      common.find((c) => c.trim().toLowerCase() === name.trim().toLowerCase()) ??
      common.find((c) => name.length > 3 && editDistance(c.toLowerCase(), name.toLowerCase()) === 1);
    return like === undefined ? [] : [{ name, like }];
  });
}

/** Class balance from counts per class [classes]. */
export function classBalance(counts: number[], unlabelled: number, classes: readonly string[]): ClassBalance {
  const present = counts.filter((n) => n > 0);
  const total = present.reduce((a, b) => a + b, 0);
  const entropy = present.reduce((h, n) => h - (n / total) * Math.log(n / total), 0);
  return {
    counts,
    unlabelled,
    imbalance: present.length > 0 ? Math.max(...present) / Math.min(...present) : 1,
    absent: classes.filter((_, i) => !counts[i]),
    lookalikes: lookalikes(counts, classes),
    effectiveClasses: present.length > 0 ? Math.exp(entropy) : 0,
  };
}
