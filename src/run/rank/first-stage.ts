import type { Bm25 } from '../../evaluate/bm25.ts';
import { add, mul, ndarray, spec, sym, type Tensor } from '../../graph/index.ts';
import type { AnyModel } from '../../nn/model.ts';
import { onesInit } from '../../nn/params.ts';
import type { BuiltRanker, TextList } from './build.ts';

/** Score of a document for a query; 0 when they share no word. */
export type PairScore = (query: string, document: string) => number;

/** BM25's scores of pairs, each query searched once. */
export function pairScores(index: Bm25, documents: readonly string[]): PairScore {
  const known = new Map<string, Map<string, number>>();
  return (query, document) => {
    let of = known.get(query);
    if (!of) {
      const { documents: found, scores } = index.search(query, documents.length);
      of = new Map(Array.from(found, (d, i) => [documents[d], scores[i]]));
      known.set(query, of);
    }
    return of.get(document) ?? 0;
  };
}

const INPUT = 'first_stage_scores';
const WEIGHT = 'first_stage.weight';

/**
 * The ranker's score plus a learnt weight (1 at the start) times the first stage's: what it learns is what the first
 * stage does not know. A sum of scores over words and of products of vectors is no product of vectors itself: no dual
 * encoder can be the same function.
 */
export function withFirstStage(built: BuiltRanker, score: PairScore): BuiltRanker {
  const { model } = built;
  const joined: AnyModel = {
    ...model,
    architecture: `${model.architecture}WithFirstStage`,
    params: { ...model.params, [WEIGHT]: { shape: [1], init: onesInit } },
    inputs: { ...model.inputs, [INPUT]: spec([sym('batch'), sym('documents')]) },
    forward(s, { [INPUT]: first, ...inputs }) {
      const out = model.forward(s, inputs);
      return { ...out, logits: add(out.logits as Tensor, mul(first, s.param(WEIGHT))) };
    },
  };
  const scoresOf = ({ query, documents }: TextList): number[] => documents.map((d) => score(query, d));
  return {
    ...built,
    model: joined,
    lists(lists, buckets) {
      const encoded = built.lists(lists, buckets);
      const scores = lists.map(scoresOf);
      return {
        ...encoded,
        inputs: (rows) => ({
          ...encoded.inputs(rows),
          [INPUT]: ndarray(Float32Array.from(rows.flatMap((r) => scores[r])), [
            rows.length,
            scores[rows[0]].length,
          ]),
        }),
      };
    },
  };
}
