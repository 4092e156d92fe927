import { z } from 'zod';
import { longestCommonSubsequence } from '../../evaluate/rouge.ts';
import { fitTfidf, transformTfidf } from '../../evaluate/tfidf.ts';
import { DecantError } from '../../util/errors.ts';
import { field, textFor } from './fields.ts';
import { defineStep, type Removed, removing, type TextRecord } from './step.ts';

/** White-space separated words, as the novelty filters count them. */
export const spaced = (text: string): string[] => text.split(/\s+/).filter(Boolean);

/** ROUGE-L F1 of two lists of words: 2·LCS / (|a| + |b|); 0 where both are empty. */
export const rougeLF1 = (a: readonly string[], b: readonly string[]): number =>
  a.length + b.length === 0 ? 0 : (2 * longestCommonSubsequence(a, b)) / (a.length + b.length);

/** Sentence BLEU of words with n-grams up to 2, uniform weights and the brevity penalty; one reference. */
export function bleu2(candidate: readonly string[], reference: readonly string[]): number {
  if (candidate.length === 0 || reference.length === 0) return 0;
  let log = 0;
  for (const n of [1, 2]) {
    const grams = (w: readonly string[]): string[] =>
      w.slice(n - 1).map((_, i) => w.slice(i, i + n).join(' '));
    const [have, allowed] = [grams(candidate), new Map<string, number>()];
    for (const g of grams(reference)) allowed.set(g, (allowed.get(g) ?? 0) + 1);
    let hits = 0;
    for (const g of have) {
      const left = allowed.get(g) ?? 0;
      if (left > 0) hits++;
      if (left > 0) allowed.set(g, left - 1);
    }
    // a single word has no pairs: unigrams alone count
    if (have.length === 0) continue;
    if (hits === 0) return 0;
    log += 0.5 * Math.log(hits / have.length);
  }
  const short = candidate.length < reference.length ? Math.exp(1 - reference.length / candidate.length) : 1;
  return short * Math.exp(log);
}

/** Similarity of every candidate with what is kept before it, and whether it is kept (below the threshold). */
export function noveltyFilter(
  pool: readonly string[],
  candidates: readonly string[],
  { threshold, measure = 'rouge-l' }: { threshold: number; measure?: 'rouge-l' | 'bleu-2' },
): { similarity: number; kept: boolean }[] {
  const known = pool.map(spaced);
  return candidates.map((text) => {
    const words = spaced(text);
    let similarity = 0;
    for (const k of known) {
      if (measure === 'rouge-l') {
        // F1 ≤ 2·min/(|a|+|b|): most pairs end here
        const bound = (2 * Math.min(k.length, words.length)) / Math.max(1, k.length + words.length);
        if (bound > similarity) similarity = Math.max(similarity, rougeLF1(words, k));
      } else similarity = Math.max(similarity, bleu2(words, k));
    }
    const kept = similarity < threshold;
    if (kept) known.push(words);
    return { similarity, kept };
  });
}

/** Squared Euclidean distance. */
const distance2 = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
};

/**
 * Farthest-first traversal from `first`: each next point is the one farthest from all chosen (ties: the lower index).
 *
 * @param from squared distances of every point to one of them
 */
export function farthestFirst(
  size: number,
  from: (point: number) => ArrayLike<number>,
  budget: number,
  first = 0,
): number[] {
  if (size === 0 || budget < 1) return [];
  const chosen = [first];
  const nearest = Float64Array.from(from(first));
  nearest[first] = -1;
  while (chosen.length < Math.min(budget, size)) {
    let best = -1;
    for (let i = 0; i < size; i++) if (nearest[i] >= 0 && (best < 0 || nearest[i] > nearest[best])) best = i;
    chosen.push(best);
    const d = from(best);
    for (let i = 0; i < size; i++) if (nearest[i] >= 0) nearest[i] = Math.min(nearest[i], d[i]);
    nearest[best] = -1;
  }
  return chosen;
}

/** k-center by {@link farthestFirst} over points `[n][d]`. */
export const kCenter = (points: readonly ArrayLike<number>[], budget: number, first = 0): number[] =>
  farthestFirst(points.length, (i) => points.map((p) => distance2(p, points[i])), budget, first);

/** Herding: each next point brings the mean of the chosen closest to the mean of all (without replacement). */
export function herding(points: readonly ArrayLike<number>[], budget: number): number[] {
  const width = points[0]?.length ?? 0;
  const mean = Float64Array.from(
    { length: width },
    (_, d) => points.reduce((s, p) => s + p[d], 0) / points.length,
  );
  const sum = new Float64Array(width);
  const chosen: number[] = [];
  const free = new Set(points.keys());
  while (chosen.length < budget && free.size > 0) {
    const target = mean.map((m, d) => (chosen.length + 1) * m - sum[d]);
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (const i of free) {
      const d = distance2(points[i], target);
      if (d < least) [best, least] = [i, d];
    }
    chosen.push(best);
    free.delete(best);
    for (let d = 0; d < width; d++) sum[d] += points[best][d];
  }
  return chosen;
}

/** Squared distances between TF-IDF vectors of unit length, from one text to all. */
function tfidfDistances(texts: readonly string[]): (from: number) => Float64Array {
  const m = transformTfidf(fitTfidf(texts, { words: [1, 1], minDocuments: 1 }), texts);
  const dot = (from: Float64Array, r: number): number => {
    let sum = 0;
    for (let k = m.start[r]; k < m.start[r + 1]; k++) sum += m.value[k] * from[m.index[k]];
    return sum;
  };
  return (from) => {
    const dense = new Float64Array(m.cols);
    for (let k = m.start[from]; k < m.start[from + 1]; k++) dense[m.index[k]] = m.value[k];
    return Float64Array.from(texts, (_, r) => Math.max(0, 2 - 2 * dot(dense, r)));
  };
}

/** Vectors of unit length; those of length 0 stay. */
const unit = (v: Float32Array): Float32Array => {
  const length = Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
  return length === 0 ? v : v.map((x) => x / length);
};

/** Cosine of every vector with the nearest kept before it, and whether it is kept (below the threshold). */
export function novelVectors(
  vectors: readonly Float32Array[],
  threshold: number,
): { similarity: number; kept: boolean }[] {
  const known: Float32Array[] = [];
  return vectors.map(unit).map((v) => {
    let similarity = known.length === 0 ? 0 : -1;
    for (const k of known) similarity = Math.max(similarity, 1 - distance2(v, k) / 2);
    const kept = similarity < threshold;
    if (kept) known.push(v);
    return { similarity, kept };
  });
}

const source = z
  .union([
    z.string().min(1),
    z.strictObject({
      provider: z.string().optional(),
      baseURL: z.url().optional(),
      model: z.string().min(1),
      keyEnv: z.string().optional(),
      budget: z
        .strictObject({
          money: z.number().positive().optional(),
          tokens: z.int().positive().optional(),
        })
        .optional(),
      prices: z.string().optional(),
    }),
  ])
  .optional()
  .describe(
    'embedding: folder of a sentence encoder, or an endpoint { provider or baseURL, model, keyEnv, budget, prices }',
  );

/** Keeps rows that differ from those kept before, or the most different ones. */
export const diversityStep = defineStep({
  name: 'diversity',
  about:
    'keep rows that differ from those kept before (words or vectors), or the most different ones (vectors)',
  options: z.strictObject({
    field: field.default('prompt'),
    measure: z
      .enum(['rouge-l', 'bleu-2', 'tfidf', 'embedding'])
      .default('rouge-l')
      .describe(
        'ROUGE-L as in Self-Instruct, BLEU-2 ("soft unique"), TF-IDF vectors, or vectors of a sentence encoder',
      ),
    threshold: z
      .number()
      .positive()
      .max(1)
      .default(0.7)
      .describe(
        'largest similarity with a row kept before (rouge-l 0.7, bleu-2 0.5; the cosine for embedding, when keep is absent)',
      ),
    keep: z
      .int()
      .positive()
      .optional()
      .describe('tfidf, embedding: this many rows, each the farthest from those chosen (k-center)'),
    embedder: source,
  }),
  version: 2,
  needs: [],
  vectors: ({ measure, embedder }) => (measure === 'embedding' ? embedder : undefined),
  async run(records, { field: name, measure, threshold, keep }, context) {
    const texts = records.map((r) => textFor(r, name, 'diversity'));
    if (measure === 'embedding' && !context.vectors)
      throw new DecantError('recipe', 'no encoder is named for the vectors', {
        at: 'diversity.embedder',
        fix: 'name a folder, or an endpoint: embedder: { baseURL: …, model: … }',
      });
    const vectors = measure === 'embedding' ? (await context.vectors!.embed(texts)).map(unit) : [];
    if (measure === 'tfidf' || (measure === 'embedding' && keep !== undefined)) {
      const from =
        measure === 'tfidf'
          ? tfidfDistances(texts)
          : (i: number) => Float64Array.from(vectors, (v) => distance2(v, vectors[i]));
      const chosen = new Set(farthestFirst(texts.length, from, keep ?? texts.length));
      return removing(records, (_, i) => (chosen.has(i) ? undefined : 'nearer to a chosen row than others'));
    }
    const judged =
      measure === 'embedding'
        ? novelVectors(vectors, threshold)
        : noveltyFilter([], texts, { threshold, measure: measure as 'rouge-l' | 'bleu-2' });
    const kept: TextRecord[] = [];
    const removed: Removed[] = [];
    records.forEach((record, i) => {
      const { similarity, kept: stays } = judged[i];
      if (stays) kept.push({ ...record, facts: { ...record.facts, similarity } });
      else removed.push({ record, reason: `${measure} ${similarity.toFixed(2)} with a row before it` });
    });
    return { kept, removed };
  },
});
