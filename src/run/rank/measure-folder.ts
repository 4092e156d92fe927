import { bestOf, createBm25 } from '../../evaluate/bm25.ts';
import { DecantError } from '../../util/errors.ts';
import type { FolderMeasurement } from '../measure-folder.ts';
import type { Collection } from './collection.ts';
import { firstStageOf } from './lists.ts';
import { measureRanker, testBed } from './measure.ts';
import type { Ranker } from './open.ts';
import { rankMetrics, rankValues } from './report.ts';

/**
 * nDCG, MRR and recall of an opened ranker on the test queries of a collection: over all documents where it encodes them
 * ahead, else re-ranking BM25's first `depth`. Errors: `data` without a judged query.
 */
export async function measureRankerFolder(
  ranker: Ranker,
  { documents, test, unanswerable }: Pick<Collection, 'documents' | 'test' | 'unanswerable'>,
  options: { depth: number; resamples?: number; level?: number },
): Promise<FolderMeasurement> {
  if (test.length === 0) throw new DecantError('data', 'there are no judged queries', { at: 'data' });
  const bed = testBed(documents, test, firstStageOf(createBm25(documents), options.depth), options.depth);
  const textsOf = (i: number): string[] => Array.from(bed.candidates[i], (d) => documents[d]);
  const began = performance.now();
  const all = await ranker.encode?.(documents);
  const scoresOf = all && once((i: number) => all(bed.queries[i].text));
  const scores = await measureRanker(bed, {
    ...(scoresOf ? { search: async (i: number, k: number) => bestOf(await scoresOf(i), k) } : {}),
    async candidates(i) {
      if (!scoresOf) return (await ranker.score([{ query: bed.queries[i].text, documents: textsOf(i) }]))[0];
      const known = await scoresOf(i);
      return Float32Array.from(bed.candidates[i], (d) => known[d]);
    },
  });
  const seconds = (performance.now() - began) / 1000;
  const settings = { resamples: options.resamples ?? 1000, level: options.level ?? 0.95 };
  const values = rankValues([scores], undefined, settings);
  return {
    rows: test.length + unanswerable,
    labelled: test.length,
    metrics: rankMetrics(bed.depth).filter((m) => values[m.key]),
    values,
    throughput: test.length / seconds,
  };
}

/** Keeps the answer to the last question. */
function once<T>(ask: (i: number) => Promise<T>): (i: number) => Promise<T> {
  let [at, answer]: [number, Promise<T> | undefined] = [-1, undefined];
  return (i) => {
    if (i !== at || !answer) [at, answer] = [i, ask(i)];
    return answer;
  };
}
