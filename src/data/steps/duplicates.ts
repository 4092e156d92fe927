import { z } from 'zod';
import { createNearIndex } from '../minhash.ts';
import { field, textFor, wholeText } from './fields.ts';
import { defineStep, removing, type TextRecord } from './step.ts';

/** Lower-case runs of a-z and 0-9: the words that shingles are made of. */
export const plainWords = (text: string): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];

/** Word n-grams as a set; one shingle of all words when there are fewer than n. */
export function wordShingles(text: string, n: number): Set<string> {
  const words = plainWords(text);
  if (words.length <= n) return new Set([words.join(' ')]);
  return new Set(words.slice(0, words.length - n + 1).map((_, i) => words.slice(i, i + n).join(' ')));
}

/** |a ∩ b| / |a ∪ b|. */
export function setJaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let both = 0;
  for (const x of a) if (b.has(x)) both++;
  const all = a.size + b.size - both;
  return all === 0 ? 1 : both / all;
}

/**
 * Connected components under "Jaccard similarity of word n-grams ≥ threshold"; of each the lowest index is kept.
 *
 * @returns kept indices, ascending, and the representative of every text
 */
export function wordDuplicates(
  texts: readonly string[],
  { n, threshold }: { n: number; threshold: number },
): { kept: number[]; root: number[] } {
  const sets = texts.map((t) => wordShingles(t, n));
  const root = texts.map((_, i) => i);
  const find = (i: number): number => {
    let at = i;
    while (root[at] !== at) at = root[at];
    return at;
  };
  // only texts that share a shingle can be similar (a threshold of 0 would join everything)
  const holders = new Map<string, number[]>();
  sets.forEach((set, i) => {
    const seen = new Set<number>();
    for (const s of set) {
      for (const j of holders.get(s) ?? []) seen.add(j);
      holders.set(s, [...(holders.get(s) ?? []), i]);
    }
    for (const j of seen) {
      if (setJaccard(set, sets[j]) < threshold) continue;
      const [a, b] = [find(i), find(j)];
      root[Math.max(a, b)] = Math.min(a, b);
    }
  });
  const roots = root.map((_, i) => find(i));
  return { kept: roots.flatMap((r, i) => (r === i ? [i] : [])), root: roots };
}

const where = (r: TextRecord): string => `${r.file}:${r.line}`;

/** Keeps the first of rows that are equal or almost equal. */
export const duplicatesStep = defineStep({
  name: 'duplicates',
  about: 'keep the first of rows that are equal, or almost equal (MinHash)',
  options: z.strictObject({
    field: field.optional().describe('what is compared; prompt and response together when absent'),
    measure: z
      .enum(['exact', 'characters', 'words'])
      .default('characters')
      .describe('equal texts, character 5-grams (MinHash), or word n-grams (chains count as one)'),
    threshold: z
      .number()
      .min(0.3)
      .max(1)
      .default(0.9)
      .describe('Jaccard similarity that counts as almost equal'),
    n: z.int().positive().default(3).describe('words in an n-gram'),
  }),
  version: 1,
  needs: [],
  run: (records, { field: name, measure, threshold, n }) => {
    const text = (r: TextRecord): string =>
      name === undefined ? wholeText(r) : textFor(r, name, 'duplicates');
    if (measure === 'words') {
      const { root } = wordDuplicates(records.map(text), { n, threshold });
      return removing(records, (_, i) => (root[i] === i ? undefined : `almost ${where(records[root[i]])}`));
    }
    const seen = new Map<string, TextRecord>();
    const index = measure === 'characters' ? createNearIndex(threshold) : undefined;
    return removing(records, (r, i) => {
      const t = text(r);
      const same = seen.get(t);
      if (same) return `the same as ${where(same)}`;
      const near = index?.find(t);
      if (near) return `${Math.round(100 * near.similarity)} % like ${where(records[near.id])}`;
      seen.set(t, r);
      index?.add(i, t);
      return undefined;
    });
  },
});

/** Word n-grams of held-out rows, each with the place of the first row that has it. */
const gramsOf = (rows: readonly TextRecord[], n: number): Map<string, string> => {
  const grams = new Map<string, string>();
  for (const r of rows)
    for (const part of [r.text, r.prompt, r.response])
      if (part !== undefined && plainWords(part).length >= n)
        for (const g of wordShingles(part, n)) if (!grams.has(g)) grams.set(g, where(r));
  return grams;
};

/** Removes rows that share a long run of words with a validation or test row, or the whole of a short one. */
export const decontaminateStep = defineStep({
  name: 'decontaminate',
  about: 'remove rows that share a run of words with a validation or test row, or have its input',
  options: z.strictObject({
    n: z.int().min(3).default(13).describe('words in a row that count as the same text (13 as for GPT-3)'),
    inputs: z
      .boolean()
      .default(true)
      .describe('also remove rows whose whole input is that of a held-out row'),
  }),
  version: 1,
  needs: ['held'],
  run: (records, { n, inputs }, { held }) => {
    const grams = gramsOf(held, n);
    const key = (r: TextRecord): string => plainWords(r.prompt ?? r.text ?? '').join(' ');
    const asked = new Map(held.map((r) => [key(r), where(r)]));
    return removing(records, (r) => {
      const same = inputs ? asked.get(key(r)) : undefined;
      if (same !== undefined) return `the input of ${same}`;
      for (const part of [r.text, r.prompt, r.response]) {
        if (part === undefined || plainWords(part).length < n) continue;
        for (const g of wordShingles(part, n)) {
          const found = grams.get(g);
          if (found !== undefined) return `${n} words of ${found}: "${g}"`;
        }
      }
      return undefined;
    });
  },
});
