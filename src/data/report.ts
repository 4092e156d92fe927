import { type ClassBalance, classBalance, createHistogram, inputText, wordCount } from './describe.ts';
import type { ProblemCounts, ProblemLog } from './problems.ts';
import type { Example, Problem } from './types.ts';

export interface LengthSummary {
  min: number;
  mean: number;
  median: number;
  p95: number;
  max: number;
  histogram: { upTo: number; count: number }[];
}

export interface SplitReport {
  source: string;
  /** Rows read from the source. */
  rows: number;
  /** Examples kept, after everything. */
  kept: number;
  /** Examples that went to another split or over the limit. */
  moved: number;
  problems: ProblemCounts;
  balance?: ClassBalance;
  words?: LengthSummary;
  characters?: LengthSummary;
  /** [height, width, channels] of images, or the number of features. */
  input?: { image: [number, number, number] } | { features: number };
}

export interface DataReport {
  task: string;
  /** Which form of the task's rows was found: `text`, `pairs`, ... */
  form: string;
  /** Role to the columns it is read from. */
  columns: Record<string, string>;
  classes?: string[];
  splits: Record<string, SplitReport>;
  /** The first problems of each kind. */
  samples: Problem[];
  streaming: boolean;
  seconds: number;
}

/** Fills a split report one example at a time. */
export function createSplitTally(source: string, classes: readonly string[] | undefined) {
  const words = createHistogram();
  const characters = createHistogram();
  const counts = new Array<number>(classes?.length ?? 0).fill(0);
  let unlabelled = 0;
  let kept = 0;
  let first: Example | undefined;
  return {
    add(e: Example) {
      first ??= e;
      kept++;
      if (e.label !== undefined && e.label >= 0) counts[e.label]++;
      else unlabelled++;
      if (e.image || e.features) return;
      const text = inputText(e);
      words.add(wordCount(text));
      characters.add(text.length);
    },
    finish(rows: number, log: ProblemLog, split: string): SplitReport {
      const problems = log.counts(split);
      const aside = Object.values(problems.aside).reduce((a, b) => a + b, 0);
      const text = first && !first.image && !first.features;
      return {
        source,
        rows,
        kept,
        moved: Math.max(0, rows - kept - aside),
        problems,
        ...(classes && kept > 0 ? { balance: classBalance(counts, unlabelled, classes) } : {}),
        ...(text ? { words: summary(words), characters: summary(characters) } : {}),
        ...(first?.image
          ? { input: { image: first.shape! } }
          : first?.features
            ? { input: { features: first.features.length } }
            : {}),
      };
    },
  };
}

function summary(h: ReturnType<typeof createHistogram>): LengthSummary {
  return {
    min: h.min,
    mean: h.mean,
    median: h.quantile(0.5),
    p95: h.quantile(0.95),
    max: h.max,
    histogram: h.counts.map((count, i) => ({ upTo: h.edges[i], count })).filter((b) => b.count > 0),
  };
}
