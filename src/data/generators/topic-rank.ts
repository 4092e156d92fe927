import { z } from 'zod';
import { createRng, type Rng } from '../../util/rng.ts';
import type { GeneratedSet } from '../builtins.ts';

/** Options of `builtin:topic-rank`. */
export const topicRankOptions = z.strictObject({
  topics: z.int().positive().default(20).describe('topics, each with its own words'),
  words: z.int().positive().default(400).describe('words in all'),
  documents: z.int().min(100).default(1500).describe('documents of 14 words'),
  train: z.int().positive().default(2000).describe('training queries, each with one labelled document'),
  validation: z.int().nonnegative().default(100).describe('graded queries for tuning'),
  test: z.int().positive().default(100).describe('graded queries for the final figures'),
  seed: z.union([z.number().int(), z.string()]).default(1).describe('seed of the generator'),
});
export type TopicRankOptions = z.input<typeof topicRankOptions>;

/** A generated collection; documents and queries are lists of word numbers. */
export interface TopicCollection {
  readonly words: number;
  readonly documents: readonly Int32Array[];
  readonly queries: readonly TopicQuery[];
}

export interface TopicQuery {
  readonly words: Int32Array;
  readonly split: 'train' | 'validation' | 'test';
  /** Grade of every document: 10 of 3, 20 of 2, 30 of 1. */
  readonly grades: Uint8Array;
  /** The first stage's 100 best documents: true relevance with noise. */
  readonly candidates: Int32Array;
  /** The one document that a training query's label names, of grade 3. */
  readonly labelled: number;
}

const DIMENSIONS = 8;
const QUERY_WORDS = 4;
const DOCUMENT_WORDS = 14;
const NOISE = 0.8;
const CANDIDATES = 100;

/**
 * A retrieval task whose relevance is known: words are vectors around their topics, frequent ones first, and a
 * document answers a query as far as each query word has a near word in it, R = Σ_w max_u max(0, cos(w, u))³.
 */
export function topicCollection(options: TopicRankOptions = {}): TopicCollection {
  const o = topicRankOptions.parse(options);
  const rng = createRng(`topic-rank/${o.seed}`);
  const near = nearness(o.words, o.topics, rng.fork('words'));
  const draw = wordDrawer(o.words, o.topics);
  const texts = rng.fork('documents');
  const documents = Array.from({ length: o.documents }, () => {
    const own = distinct(1 + texts.int(3), o.topics, texts);
    return Int32Array.from({ length: DOCUMENT_WORDS }, (_, i) =>
      i < DOCUMENT_WORDS - 2 ? draw(texts.pick(own), texts) : texts.int(o.words),
    );
  });
  const asked = rng.fork('queries');
  const query = (split: TopicQuery['split']): TopicQuery => {
    const both = distinct(2, o.topics, asked);
    const words = Int32Array.from({ length: QUERY_WORDS }, () => draw(asked.pick(both), asked));
    const relevance = documents.map((d) => relevanceOf(words, d, near, o.words));
    const grades = new Uint8Array(documents.length);
    best(relevance).forEach((d, place) => {
      grades[d] = place < 10 ? 3 : place < 30 ? 2 : place < 60 ? 1 : 0;
    });
    const candidates = best(relevance.map((r) => r + NOISE * asked.normal())).subarray(0, CANDIDATES);
    const right = [...grades.keys()].filter((d) => grades[d] === 3);
    return { words, split, grades, candidates, labelled: asked.pick(right) };
  };
  const queries = (['train', 'validation', 'test'] as const).flatMap((split) =>
    Array.from({ length: o[split] }, () => query(split)),
  );
  return { words: o.words, documents, queries };
}

/** max(0, cos)³ of every two words, `[words × words]`. Word v belongs to topic v mod topics. */
function nearness(words: number, topics: number, rng: Rng): Float32Array {
  const normals = (): number[] => Array.from({ length: DIMENSIONS }, () => rng.normal());
  const centres = Array.from({ length: topics }, normals);
  const vectors = Array.from({ length: words }, (_, v) => {
    const noise = normals();
    const x = centres[v % topics].map((c, i) => c + 0.7 * noise[i]);
    const length = Math.hypot(...x);
    return x.map((y) => y / length);
  });
  const out = new Float32Array(words * words);
  for (let a = 0; a < words; a++)
    for (let b = 0; b < words; b++) {
      const cosine = vectors[a].reduce((s, x, i) => s + x * vectors[b][i], 0);
      out[a * words + b] = Math.max(0, cosine) ** 3;
    }
  return out;
}

/** Words of a topic by weight (1 + rank)^-0.7. */
function wordDrawer(words: number, topics: number): (topic: number, rng: Rng) => number {
  const perTopic = Math.ceil(words / topics);
  const sums = new Float64Array(perTopic);
  let total = 0;
  for (let i = 0; i < perTopic; i++) {
    total += (1 + i) ** -0.7;
    sums[i] = total;
  }
  return (topic, rng) => {
    for (;;) {
      const x = rng.uniform() * total;
      const word = topic + topics * sums.findIndex((s) => x < s);
      if (word < words) return word;
    }
  };
}

function relevanceOf(query: Int32Array, document: Int32Array, near: Float32Array, words: number): number {
  let sum = 0;
  for (const w of query) {
    let most = 0;
    for (const u of document) most = Math.max(most, near[w * words + u]);
    sum += most;
  }
  return sum;
}

/** Indices by value, largest first; equal ones in order. */
const best = (values: readonly number[]): Int32Array =>
  Int32Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b);

function distinct(count: number, below: number, rng: Rng): number[] {
  const out: number[] = [];
  while (out.length < Math.min(count, below)) {
    const x = rng.int(below);
    if (!out.includes(x)) out.push(x);
  }
  return out;
}

/** Word number as a made-up word: consonant and vowel pairs, so that a tokenizer has letters to work with. */
export function topicWord(id: number): string {
  const consonants = 'bdfgklmnprstvz';
  const vowels = 'aeiou';
  let rest = id;
  let out = '';
  for (let i = 0; i < 3; i++) {
    out += consonants[rest % 14] + vowels[Math.floor(rest / 14) % 5];
    rest = Math.floor(rest / 70);
  }
  return out;
}

/** The collection as judged pairs of texts: one labelled document per training query, all grades of the others. */
export function topicRank(options: TopicRankOptions): GeneratedSet {
  const { documents, queries } = topicCollection(options);
  const text = (ids: Int32Array): string => Array.from(ids, topicWord).join(' ');
  const rows = (split: TopicQuery['split']) => (): Record<string, unknown>[] =>
    queries
      .map((q, i) => ({ q, id: `q${i}` }))
      .filter(({ q }) => q.split === split)
      .flatMap(({ q, id }) => {
        const judged = split === 'train' ? [q.labelled] : [...q.candidates];
        return judged.map((d) => ({
          query_id: id,
          query: text(q.words),
          document: text(documents[d]),
          relevance: split === 'train' ? 1 : q.grades[d],
        }));
      });
  return {
    splits: {
      train: rows('train'),
      validation: rows('validation'),
      test: rows('test'),
      documents: () => documents.map((d) => ({ document: text(d) })),
    },
    columns: { query: 'query', document: 'document', relevance: 'relevance', group: 'query_id' },
  };
}
