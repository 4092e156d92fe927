import type { Problem, ProblemKind } from './types.ts';

export interface ProblemCounts {
  total: number;
  /** Rows put aside, by kind. */
  aside: Partial<Record<ProblemKind, number>>;
  /** Rows kept but mentioned, by kind. */
  noted: Partial<Record<ProblemKind, number>>;
}

export interface ProblemLog {
  add(problem: Problem): void;
  counts(split?: string): ProblemCounts;
  /** The first problems of each kind and split, for people. */
  samples(perKind?: number): Problem[];
}

/**
 * Counts every problem and keeps the first of each kind and split, so that memory does not grow with the data; `sink` receives
 * all of them (the run folder writes them to a file).
 */
export function createProblemLog(sink?: (problem: Problem) => void, keepPerKind = 20): ProblemLog {
  const perSplit = new Map<string, ProblemCounts>();
  const kept = new Map<string, Problem[]>();
  const countsOf = (split: string): ProblemCounts => {
    let counts = perSplit.get(split);
    if (!counts) perSplit.set(split, (counts = { total: 0, aside: {}, noted: {} }));
    return counts;
  };
  return {
    add(problem) {
      const counts = countsOf(problem.split ?? '');
      const table = problem.kept ? counts.noted : counts.aside;
      table[problem.kind] = (table[problem.kind] ?? 0) + 1;
      counts.total++;
      const key = `${problem.kind} ${problem.split} ${problem.kept ?? false}`;
      const list = kept.get(key);
      if (!list) kept.set(key, [problem]);
      else if (list.length < keepPerKind) list.push(problem);
      sink?.(problem);
    },
    counts(split) {
      if (split !== undefined) return structuredClone(countsOf(split));
      const sum: ProblemCounts = { total: 0, aside: {}, noted: {} };
      for (const counts of perSplit.values()) {
        sum.total += counts.total;
        for (const part of ['aside', 'noted'] as const)
          for (const [kind, n] of Object.entries(counts[part]))
            sum[part][kind as ProblemKind] = (sum[part][kind as ProblemKind] ?? 0) + n;
      }
      return sum;
    },
    samples: (perKind = 5) => [...kept.values()].flatMap((list) => list.slice(0, perKind)),
  };
}

/** A row as it stood, cut to 200 characters, for a report. */
export const excerpt = (raw: unknown): string => {
  const text = typeof raw === 'string' ? raw : (JSON.stringify(raw) ?? String(raw));
  return text.length > 200 ? `${text.slice(0, 197)}...` : text;
};
