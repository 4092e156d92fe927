import { type PreparedData, type PrepareOptions, prepareData, type SplitName } from '../../data/prepare.ts';
import { createOpener } from '../../data/reader.ts';
import type { Example } from '../../data/types.ts';
import { dataSpecOf } from '../../recipe/data-spec.ts';
import type { Recipe } from '../../recipe/schema/recipe.ts';
import { DecantError } from '../../util/errors.ts';

/** A query with what is known about documents. */
export interface RankQuery {
  readonly text: string;
  /** Document index to grade; what is absent was not judged. */
  readonly grades: ReadonlyMap<number, number>;
  /** Pairs that the data gives as they are: a document that answers and one that answers less. */
  readonly triples: readonly (readonly [positive: number, negative: number])[];
  /** The document whose sentence it is: it would be found by its words alone, and is left out of the query's rows. */
  readonly cutFrom?: number;
  /** Where it stands first in the data. */
  readonly file: string;
  readonly line: number;
}

/** Documents and the queries of each split. */
export interface Collection {
  readonly documents: readonly string[];
  readonly train: readonly RankQuery[];
  readonly validation: readonly RankQuery[];
  readonly test: readonly RankQuery[];
  /** Labelled queries that only the teacher is trained on. */
  readonly teacher?: readonly RankQuery[];
  /** Test queries without a relevant document, which are left out of all figures. */
  readonly unanswerable: number;
}

export interface RankData extends PreparedData {
  readonly collection: Collection;
}

/** Documents that answer the query at all. */
export const relevantTo = (q: RankQuery): number[] => [...q.grades].filter(([, g]) => g > 0).map(([d]) => d);

/** Reads judged pairs, triples and further documents of a rank recipe, and makes one collection of them. Errors: `data`. */
export async function prepareCollection(recipe: Recipe, options: PrepareOptions): Promise<RankData> {
  let spec = dataSpecOf(recipe);
  if (!spec.unlabeled) {
    // a set that has documents, and queries that nobody judged, beside its judged pairs brings them along
    const name = (Array.isArray(spec.train.source) ? spec.train.source[0] : spec.train.source).replace(
      /#[A-Za-z0-9_-]+$/,
      '',
    );
    const { splits } = await createOpener(spec, options)(name);
    const own = ['documents', 'queries'].filter((split) => splits[split]);
    if (own.length > 0) spec = { ...spec, unlabeled: { source: own.map((split) => `${name}#${split}`) } };
  }
  const data = await prepareData(spec, options);
  return { ...data, collection: collectionOf(data) };
}

/** One collection of all rows; texts that are equal are one document or one query. `forTraining`: queries to learn from are needed. */
export function collectionOf(
  data: Pick<PreparedData, 'splits'>,
  { forTraining = true }: { forTraining?: boolean } = {},
): Collection {
  const documents: string[] = [];
  const known = new Map<string, number>();
  const documentOf = (text: string): number => {
    let i = known.get(text);
    if (i === undefined) {
      i = documents.push(text) - 1;
      known.set(text, i);
    }
    return i;
  };
  const rows = (split: SplitName): readonly Example[] => data.splits[split]?.items ?? [];
  const queries = new Map<string, Map<string, Building>>();
  for (const split of ['train', 'validation', 'test', 'teacher', 'unlabeled'] as const) {
    const of = new Map<string, Building>();
    for (const e of rows(split)) {
      const positive = e.pair === undefined ? undefined : documentOf(e.pair);
      const negative = e.rejected === undefined ? undefined : documentOf(e.rejected);
      if (e.text === undefined) continue;
      let q = of.get(e.text);
      if (!q) {
        q = { text: e.text, grades: new Map(), triples: [], file: e.file, line: e.line };
        of.set(e.text, q);
      }
      if (positive === undefined) continue;
      if (negative !== undefined) {
        q.triples.push([positive, negative]);
        q.grades.set(positive, Math.max(1, q.grades.get(positive) ?? 0));
        if (!q.grades.has(negative)) q.grades.set(negative, 0);
      } else if (e.score !== undefined) q.grades.set(positive, e.score);
    }
    queries.set(split, of);
  }
  const list = (split: SplitName): RankQuery[] => [...(queries.get(split) ?? new Map()).values()];
  const held = new Set([...list('test'), ...list('validation')].map((q) => q.text));
  const train = [...list('train'), ...list('unlabeled')].filter((q) => !held.has(q.text));
  const test = list('test');
  const answerable = test.filter((q) => relevantTo(q).length > 0);
  if (answerable.length === 0)
    throw new DecantError('data', 'no test query has a relevant document', {
      at: 'data.test',
      seen: `${test.length} test queries`,
      fix: 'give test rows with a relevance above 0, or a share of the training rows: data.test: 0.2',
    });
  if (forTraining && !train.some((q) => relevantTo(q).length > 0))
    throw new DecantError('data', 'no training query has a relevant document', {
      at: 'data.train',
      seen: `${train.length} training queries`,
      fix: 'give rows (query, document, relevance above 0) or triples (query, positive, negative)',
    });
  const teacher = list('teacher').filter((q) => !held.has(q.text));
  return {
    documents,
    train,
    validation: list('validation').filter((q) => relevantTo(q).length > 0),
    test: answerable,
    ...(teacher.length > 0 ? { teacher } : {}),
    unanswerable: test.length - answerable.length,
  };
}

interface Building {
  text: string;
  grades: Map<number, number>;
  triples: [number, number][];
  file: string;
  line: number;
}
