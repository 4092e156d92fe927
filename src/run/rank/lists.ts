import type { Bm25, Hits } from '../../evaluate/bm25.ts';
import { ndarray } from '../../graph/index.ts';
import type { BatchSource } from '../../train/batches.ts';
import { createRng, type Rng } from '../../util/rng.ts';
import type { BuiltRanker } from './build.ts';
import { type RankQuery, relevantTo } from './collection.ts';

/** A query with its candidates. */
export interface RankList {
  readonly query: string;
  readonly documents: readonly number[];
  /** Whether the first candidate is known to be relevant, and the others are not. */
  readonly labelled: boolean;
}

export interface ListSettings {
  readonly lists: number;
  readonly negatives: number;
  readonly hard: number;
  readonly depth: number;
  readonly seed: number | string;
}

/**
 * Training rows: a relevant document first, then others, `hard` of them from the first stage and the rest from the whole
 * collection. Documents of the first stage may well be relevant without a judgement; judged ones are not taken. Queries
 * without judgements give rows without a label, whose first candidate is among the first stage's best.
 */
export function trainingLists(
  queries: readonly RankQuery[],
  documents: number,
  firstStage: (query: string) => Hits,
  settings: ListSettings,
): RankList[] {
  const rng = createRng(`lists/${settings.seed}`);
  const out: RankList[] = [];
  for (const q of queries) {
    if (q.triples.length > 0 && settings.negatives === 1) {
      out.push(...q.triples.map((pair) => ({ query: q.text, documents: pair, labelled: true })));
      continue;
    }
    const relevant = relevantTo(q);
    const found = firstStage(q.text).documents.filter((d) => d !== q.cutFrom);
    const known = new Set(q.cutFrom === undefined ? relevant : [q.cutFrom]);
    const judged = [...q.grades].filter(([, g]) => g <= 0).map(([d]) => d);
    const pool = [...new Set([...judged, ...found])].filter((d) => !known.has(d));
    const lists = Math.max(settings.lists, relevant.length > 0 ? 1 : 0);
    for (let i = 0; i < lists; i++) {
      const first = relevant.length > 0 ? relevant[i % relevant.length] : headOf(found, rng);
      if (first === undefined) break;
      const others = sample(first, known, pool, documents, settings, rng);
      if (others.length < settings.negatives) break;
      out.push({ query: q.text, documents: [first, ...others], labelled: relevant.length > 0 });
    }
  }
  return out;
}

/** One of the ten best. */
const headOf = (found: ArrayLike<number>, rng: Rng): number | undefined =>
  found.length > 0 ? found[rng.int(Math.min(10, found.length))] : undefined;

function sample(
  first: number,
  known: ReadonlySet<number>,
  pool: readonly number[],
  documents: number,
  { negatives, hard }: ListSettings,
  rng: Rng,
): number[] {
  const taken = new Set<number>([first]);
  const others: number[] = [];
  // a small collection may not have so many documents that are not relevant
  for (let tries = 0; others.length < negatives && tries < 50 * negatives; tries++) {
    const d = pool.length > 0 && rng.uniform() < hard ? rng.pick(pool) : rng.int(documents);
    if (taken.has(d) || known.has(d)) continue;
    taken.add(d);
    others.push(d);
  }
  return others;
}

/** The first stage's best documents of each query, searched once. */
export function firstStageOf(index: Bm25, depth: number): (query: string) => Hits {
  const seen = new Map<string, Hits>();
  return (query) => {
    let hits = seen.get(query);
    if (!hits) {
      hits = index.search(query, depth);
      seen.set(query, hits);
    }
    return hits;
  };
}

/** Lists as training batches: model inputs, labels (0, the first candidate; -100 where none), masks, teacher scores. */
export function listSource(
  built: BuiltRanker,
  lists: readonly RankList[],
  documents: readonly string[],
  buckets: number,
  scores?: Float32Array,
): BatchSource {
  const n = lists[0].documents.length;
  const encoded = built.lists(
    lists.map((l) => ({ query: l.query, documents: l.documents.map((d) => documents[d]) })),
    buckets,
  );
  return {
    size: lists.length,
    lengths: encoded.lengths,
    collate(rows) {
      const inputs = encoded.inputs(rows);
      const labelled = Float32Array.from(rows, (i) => (lists[i].labelled ? 1 : 0));
      const size = [rows.length];
      return {
        ...Object.fromEntries(Object.entries(inputs).map(([name, a]) => [`input/${name}`, a])),
        labels: ndarray(
          Int32Array.from(labelled, (l) => (l ? 0 : -100)),
          size,
        ),
        'mask/examples': ndarray(new Float32Array(rows.length).fill(1), size),
        'mask/labelled': ndarray(labelled, size),
        ...(scores
          ? {
              'teacher/score': ndarray(
                Float32Array.from(rows.flatMap((i) => [...scores.subarray(i * n, (i + 1) * n)])),
                [rows.length, n],
              ),
            }
          : {}),
      };
    },
  };
}
