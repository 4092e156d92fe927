import { DecantError } from '../util/errors.ts';
import { isProblem, type Source, type SourceSet } from './types.ts';

/** A test collection: queries, documents, and which documents answer which query. */
export interface Retrieval {
  queries: { id: string; text: string }[];
  documents: { id: string; text: string }[];
  /** Query id to document id to gain; absent pairs have gain 0. */
  relevance: Map<string, Map<string, number>>;
}

export interface RetrievalFiles {
  queries: Source;
  documents: Source;
  judgements: Source;
  /** Gain of a judgement as written; the number itself by default. */
  gain?: (code: number) => number;
  label: string;
}

/** Gain by Cranfield's codes: 1 (and -1, one unexplained judgement per query) is a complete answer, 4 of least interest. */
export const cranfieldGain = (code: number): number => (code === -1 ? 4 : 5 - code);

const first = (values: Record<string, unknown>, ...names: string[]): unknown =>
  names.map((n) => values[n]).find((v) => v !== undefined && v !== null);

/** Reads a collection; documents are `title` and `text` joined. Judgements of unknown ids raise `data` with their line. */
export async function readRetrieval(files: RetrievalFiles): Promise<Retrieval> {
  const collection: Retrieval = { queries: [], documents: [], relevance: new Map() };
  for await (const { values } of rows(files.queries))
    collection.queries.push({
      id: String(first(values, 'id', 'query_id', '_id')),
      text: String(first(values, 'text', 'query') ?? ''),
    });
  for await (const { values } of rows(files.documents)) {
    const text = [values.title, first(values, 'text', 'body', 'document')]
      .filter((t) => typeof t === 'string' && t !== '')
      .join('. ');
    collection.documents.push({ id: String(first(values, 'id', 'doc_id', '_id')), text });
  }
  const queries = new Set(collection.queries.map((q) => q.id));
  const documents = new Set(collection.documents.map((d) => d.id));
  for await (const { file, line, values } of rows(files.judgements)) {
    const query = String(first(values, 'query_id', 'query-id', 'query'));
    const document = String(first(values, 'doc_id', 'corpus-id', 'document'));
    const gain = (files.gain ?? ((n) => n))(Number(first(values, 'code', 'relevance', 'score', 'gain')));
    if (!queries.has(query) || !documents.has(document) || !Number.isFinite(gain))
      throw new DecantError('data', 'a judgement of an unknown query or document, or without a number', {
        at: `${file}:${line}`,
        seen: values,
        allowed: 'columns query_id, doc_id, relevance, with ids of the two other files',
      });
    const of = collection.relevance.get(query) ?? new Map<string, number>();
    of.set(document, gain);
    collection.relevance.set(query, of);
  }
  return collection;
}

async function* rows(source: Source) {
  for await (const batch of source.batches())
    for (const item of batch) {
      if (!isProblem(item)) yield item;
      else if (item.problem.kind !== 'empty')
        throw new DecantError('data', item.problem.message, {
          at: `${item.problem.file}:${item.problem.line}`,
        });
    }
}

/** Query index to split: five folds by position, the last two for validation and test. */
export const foldOf = (position: number): 'train' | 'validation' | 'test' =>
  position % 5 === 4 ? 'test' : position % 5 === 3 ? 'validation' : 'train';

/**
 * The collection's judged pairs as rows (`query_id`, `query`, `doc_id`, `document`, `relevance`), split by query, and all
 * its documents (`doc_id`, `document`).
 */
export function retrievalSet(files: RetrievalFiles): SourceSet {
  const part = (split: string): Source => ({
    label: `${files.label}#${split}`,
    async *batches() {
      const { queries, documents, relevance } = await readRetrieval(files);
      const texts = new Map(documents.map((d) => [d.id, d.text]));
      let line = 0;
      for (const [i, query] of queries.entries()) {
        const judged = [...(relevance.get(query.id) ?? [])];
        line += judged.length;
        if (foldOf(i) !== split) continue;
        yield judged.map(([doc, gain], j) => ({
          file: files.judgements.label,
          line: line - judged.length + j + 1,
          values: {
            query_id: query.id,
            query: query.text,
            doc_id: doc,
            document: texts.get(doc),
            relevance: gain,
          },
        }));
      }
    },
  });
  const documents: Source = {
    label: `${files.label}#documents`,
    async *batches() {
      const all = (await readRetrieval(files)).documents;
      yield all.map(({ id, text }, i) => ({
        file: files.documents.label,
        line: i + 1,
        values: { doc_id: id, document: text },
      }));
    },
  };
  return {
    label: files.label,
    splits: { train: part('train'), validation: part('validation'), test: part('test'), documents },
    columns: { query: 'query', document: 'document', relevance: 'relevance', group: 'query_id' },
  };
}
