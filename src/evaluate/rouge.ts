/**
 * ROUGE (Lin 2004, "ROUGE: a package for automatic evaluation of summaries"): overlap of n-grams (ROUGE-N,
 * section 2) and longest common subsequence (ROUGE-L, section 3.1), without stemming.
 */
export interface RougeScore {
  precision: number;
  recall: number;
  /** 2PR / (P + R), 0 where both are 0. */
  f1: number;
}

/** Lower-case runs of letters and digits, any script; other signs separate words. */
export const rougeWords = (text: string): string[] =>
  text
    .normalize('NFC')
    .toLowerCase()
    .match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];

/** ROUGE-N: Σ min(count in candidate, count in reference) over n-grams, by candidate (P) and reference (R) totals. */
export function rougeN(candidate: string, reference: string, n = 1): RougeScore {
  const a = ngrams(rougeWords(candidate), n);
  const b = ngrams(rougeWords(reference), n);
  let common = 0;
  for (const [gram, count] of a.counts) common += Math.min(count, b.counts.get(gram) ?? 0);
  return score(common, a.total, b.total);
}

/** ROUGE-L on the whole text: longest common subsequence of words by candidate and reference length. */
export function rougeL(candidate: string, reference: string): RougeScore {
  const a = rougeWords(candidate);
  const b = rougeWords(reference);
  return score(longestCommonSubsequence(a, b), a.length, b.length);
}

/** Length of the longest common subsequence; O(|a|·|b|) time, O(|b|) memory. */
export function longestCommonSubsequence(a: readonly unknown[], b: readonly unknown[]): number {
  const row = new Int32Array(b.length + 1);
  for (const x of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j];
      row[j] = x === b[j - 1] ? diagonal + 1 : Math.max(above, row[j - 1]);
      diagonal = above;
    }
  }
  return row[b.length];
}

export interface RougeSummary {
  rouge1: number;
  rouge2: number;
  rougeL: number;
}

/** Mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L; with several references the best one counts for each measure. */
export function rouge(
  candidates: readonly string[],
  references: readonly (string | readonly string[])[],
): RougeSummary {
  const out: RougeSummary = { rouge1: 0, rouge2: 0, rougeL: 0 };
  candidates.forEach((candidate, i) => {
    const allowed =
      typeof references[i] === 'string' ? [references[i] as string] : (references[i] as string[]);
    const best = (f: (r: string) => RougeScore): number => Math.max(0, ...allowed.map((r) => f(r).f1));
    out.rouge1 += best((r) => rougeN(candidate, r, 1)) / candidates.length;
    out.rouge2 += best((r) => rougeN(candidate, r, 2)) / candidates.length;
    out.rougeL += best((r) => rougeL(candidate, r)) / candidates.length;
  });
  return out;
}

function ngrams(words: string[], n: number): { counts: Map<string, number>; total: number } {
  const counts = new Map<string, number>();
  const total = Math.max(0, words.length - n + 1);
  for (let i = 0; i < total; i++) {
    const gram = words.slice(i, i + n).join(' ');
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return { counts, total };
}

function score(common: number, candidate: number, reference: number): RougeScore {
  const precision = candidate ? common / candidate : 0;
  const recall = reference ? common / reference : 0;
  return { precision, recall, f1: common ? (2 * precision * recall) / (precision + recall) : 0 };
}
