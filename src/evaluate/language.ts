import { mean, sameLength } from './matrix.ts';

/** exp of the mean negative log-likelihood per token in nats; tokens where `mask` is 0 are left out. */
export function perplexity(tokenNll: ArrayLike<number>, mask?: ArrayLike<number>): number {
  return Math.exp(tokenMean(tokenNll, mask));
}

/** Mean over the tokens where the mask is not 0 (all without a mask): Σ m·x / Σ m, the "token mean". */
export function tokenMean(values: ArrayLike<number>, mask?: ArrayLike<number>): number {
  if (!mask) return mean(values);
  const n = sameLength(values, mask, 'values and mask');
  let sum = 0;
  let count = 0;
  for (let i = 0; i < n; i++) {
    if (!mask[i]) continue;
    sum += mask[i] * values[i];
    count += mask[i];
  }
  return count ? sum / count : Number.NaN;
}

/** Total negative log-likelihood in bits divided by the number of UTF-8 bytes: comparable between tokenizers. */
export function bitsPerByte(tokenNll: ArrayLike<number>, bytes: number): number {
  let sum = 0;
  for (let i = 0; i < tokenNll.length; i++) sum += tokenNll[i];
  return sum / Math.LN2 / bytes;
}

export interface AnswerNormalization {
  /** Ignore letter case (default true). */
  caseless?: boolean;
  /** Drop punctuation (default true). */
  punctuation?: boolean;
  /** Drop the English articles a, an, the (default true). */
  articles?: boolean;
}

/**
 * Text as answers are compared: NFKC, lower case, no punctuation, no English articles, single spaces
 * (Rajpurkar et al. 2016, SQuAD evaluation; here for all scripts).
 */
export function normalizeAnswer(text: string, options: AnswerNormalization = {}): string {
  let t = text.normalize('NFKC');
  if (options.caseless !== false) t = t.toLowerCase();
  if (options.punctuation !== false) t = t.replace(/[\p{P}\p{S}]/gu, ' ');
  if (options.articles !== false) t = t.replace(/(?<![\p{L}\p{N}])(?:a|an|the)(?![\p{L}\p{N}])/gu, ' ');
  return t.replace(/\s+/g, ' ').trim();
}

/** 1 where the normalized prediction equals one of the normalized references, `[n]`. */
export function exactMatches(
  predicted: readonly string[],
  references: readonly (string | readonly string[])[],
  options: AnswerNormalization = {},
): Uint8Array {
  const n = sameLength(predicted, references, 'predictions and references');
  return Uint8Array.from({ length: n }, (_, i) => {
    const answer = normalizeAnswer(predicted[i], options);
    const allowed =
      typeof references[i] === 'string' ? [references[i] as string] : (references[i] as string[]);
    return allowed.some((r) => normalizeAnswer(r, options) === answer) ? 1 : 0;
  });
}

/** Share of exact matches after normalization. */
export const exactMatch = (
  predicted: readonly string[],
  references: readonly (string | readonly string[])[],
  options: AnswerNormalization = {},
): number => mean(exactMatches(predicted, references, options));

/** Bag-of-words F1 of normalized answers, best over the references (Rajpurkar et al. 2016), `[n]`. */
export function tokenF1(
  predicted: readonly string[],
  references: readonly (string | readonly string[])[],
): Float64Array {
  const n = sameLength(predicted, references, 'predictions and references');
  const words = (t: string): string[] => normalizeAnswer(t).split(' ').filter(Boolean);
  return Float64Array.from({ length: n }, (_, i) => {
    const given = words(predicted[i]);
    const allowed =
      typeof references[i] === 'string' ? [references[i] as string] : (references[i] as string[]);
    let best = 0;
    for (const reference of allowed) {
      const wanted = words(reference);
      if (given.length === 0 || wanted.length === 0) {
        best = Math.max(best, given.length === wanted.length ? 1 : 0);
        continue;
      }
      const counts = new Map<string, number>();
      for (const w of wanted) counts.set(w, (counts.get(w) ?? 0) + 1);
      let common = 0;
      for (const w of given) {
        const left = counts.get(w) ?? 0;
        if (left > 0) {
          common++;
          counts.set(w, left - 1);
        }
      }
      best = Math.max(best, (2 * common) / (given.length + wanted.length));
    }
    return best;
  });
}
