import type { Engine } from '../../engine/engine.ts';
import { mean } from '../../evaluate/matrix.ts';
import { queryFigures } from '../../evaluate/ranking.ts';
import { type NDArray, ndarray, type Tensor } from '../../graph/index.ts';
import type { Method } from '../../methods/method.ts';
import { distillation } from '../../methods/objective.ts';
import { createInference } from '../../nn/inference.ts';
import {
  type CandidateInputs,
  candidateInputTypes,
  dotScores,
  flattenDocuments,
  groupDocuments,
  type RankOutputs,
} from '../../nn/layers/candidates.ts';
import { embedding, embeddingParams } from '../../nn/layers/embedding.ts';
import { linear, linearParams } from '../../nn/layers/linear.ts';
import { maxSim } from '../../nn/layers/max-sim.ts';
import { meanPool } from '../../nn/layers/pooling.ts';
import { init, type Model } from '../../nn/model.ts';
import { type Params, prefixed } from '../../nn/params.ts';
import type { Scope } from '../../nn/scope.ts';
import { adam } from '../../optim/index.ts';
import type { BatchSource } from '../../train/batches.ts';
import { train } from '../../train/loop.ts';
import type { Measured } from './types.ts';

export type Ranker = Model<CandidateInputs, RankOutputs>;

/** Texts of one length as rows of word ids. */
export interface Texts {
  readonly rows: readonly Int32Array[];
}

/** A query with its labelled document and another one, by index. */
export interface Triple {
  readonly query: number;
  readonly positive: number;
  readonly negative: number;
}

export interface RankBudget {
  readonly epochs: number;
  readonly batch: number;
  readonly lr: number;
}

const ids = (texts: Texts, chosen: readonly number[]): Int32Array => {
  const width = texts.rows[0].length;
  const out = new Int32Array(chosen.length * width);
  chosen.forEach((i, r) => {
    out.set(texts.rows[i], r * width);
  });
  return out;
};

/** Model inputs of queries with a list of documents each. */
export function listInputs(
  queries: Texts,
  documents: Texts,
  lists: readonly { query: number; documents: readonly number[] }[],
): Record<'query_input_ids' | 'document_input_ids', NDArray> {
  const chosen = lists.map((l) => l.query);
  const n = lists[0].documents.length;
  return {
    query_input_ids: ndarray(ids(queries, chosen), [lists.length, queries.rows[0].length]),
    document_input_ids: ndarray(
      ids(
        documents,
        lists.flatMap((l) => [...l.documents]),
      ),
      [lists.length, n, documents.rows[0].length],
    ),
  };
}

/** Scores of every list, `[lists][documents]`. */
export async function scoreLists(
  engine: Engine,
  model: Ranker,
  params: Params<NDArray>,
  queries: Texts,
  documents: Texts,
  lists: readonly { query: number; documents: readonly number[] }[],
): Promise<Float32Array[]> {
  const inference = createInference(engine, model);
  await inference.setParams(params);
  const out: Float32Array[] = [];
  const n = lists[0].documents.length;
  const batch = Math.max(1, Math.floor(1024 / n));
  try {
    for (let from = 0; from < lists.length; from += batch) {
      const part = lists.slice(from, from + batch);
      const { logits } = await inference.run(listInputs(queries, documents, part));
      part.forEach((_, r) => {
        out.push((logits.data as Float32Array).slice(r * n, (r + 1) * n));
      });
    }
  } finally {
    await inference.dispose();
  }
  return out;
}

export interface RankFit extends RankBudget {
  readonly engine: Engine;
  readonly model: Ranker;
  readonly method: Method;
  readonly options?: Record<string, unknown>;
  readonly queries: Texts;
  readonly documents: Texts;
  readonly triples: readonly Triple[];
  /** The teacher's scores of both documents of each triple. */
  readonly scores?: readonly Float32Array[];
  readonly seed: string;
  readonly initSeed: string;
}

/** Trains a ranker on triples with Adam at a constant rate, and gives the weights of the last step. */
export async function fitRanker(spec: RankFit): Promise<Params<NDArray>> {
  const objective = distillation(spec.model, spec.method, spec.method.config.parse(spec.options ?? {}));
  const source: BatchSource = {
    size: spec.triples.length,
    collate(rows) {
      const lists = rows.map((i) => {
        const { query, positive, negative } = spec.triples[i];
        return { query, documents: [positive, negative] };
      });
      const inputs = listInputs(spec.queries, spec.documents, lists);
      const ones = ndarray(new Float32Array(rows.length).fill(1), [rows.length]);
      return {
        'input/query_input_ids': inputs.query_input_ids,
        'input/document_input_ids': inputs.document_input_ids,
        labels: ndarray(new Int32Array(rows.length), [rows.length]),
        'mask/examples': ones,
        'mask/labelled': ones,
        ...(spec.scores
          ? {
              'teacher/score': ndarray(Float32Array.from(rows.flatMap((i) => [...spec.scores![i]])), [
                rows.length,
                2,
              ]),
            }
          : {}),
      };
    },
  };
  const steps = Math.ceil((spec.epochs * spec.triples.length) / spec.batch);
  const { params } = await train({
    engine: spec.engine,
    objective,
    params: init({ ...spec.model, params: objective.params }, spec.initSeed),
    source,
    batchSize: spec.batch,
    steps,
    optimizer: adam(),
    lr: () => spec.lr,
    seed: spec.seed,
  });
  return params;
}

/** Means over queries of nDCG@10 (linear gain) and MRR@10 (grade 3 counts) of scored lists. */
export function listFigures(
  scores: readonly Float32Array[],
  grades: readonly ArrayLike<number>[],
  relevantFrom: number,
): Measured {
  const all = scores.map((s, i) =>
    queryFigures({ scores: s, relevance: grades[i] }, { k: 10, relevantFrom }),
  );
  return { ndcg: mean(all.map((f) => f.ndcg)), mrr: mean(all.map((f) => f.mrr)) };
}

const towers = (words: number, width: number) => ({
  ...prefixed('words', embeddingParams(words, width)),
  ...prefixed('query', linearParams(width, width)),
  ...prefixed('document', linearParams(width, width)),
});

/** Vectors of query words `[batch, tokens, width]` and document words `[batch, documents, tokens, width]`, per side. */
const wordsOf = (s: Scope, inputs: CandidateInputs): { query: Tensor; flat: Tensor } => ({
  query: embedding(s.at('words'), inputs.query_input_ids),
  flat: embedding(s.at('words'), flattenDocuments(inputs.document_input_ids)),
});

/** The dual encoder of the small experiment: mean of word vectors, a linear map per side, product. */
export const smallDual = (words: number, width: number): Ranker => ({
  architecture: 'SmallDual',
  config: {},
  params: towers(words, width),
  inputs: candidateInputTypes(),
  forward(s, inputs) {
    const { query, flat } = wordsOf(s, inputs);
    const documents = groupDocuments(linear(s.at('document'), meanPool(flat)), inputs.document_input_ids);
    return { logits: dotScores(linear(s.at('query'), meanPool(query)), documents) };
  },
});

/** Late interaction of the same parts: a linear map per word, MaxSim of products (not of cosines). */
export const smallLate = (words: number, width: number): Ranker => ({
  architecture: 'SmallLate',
  config: {},
  params: towers(words, width),
  inputs: candidateInputTypes(),
  forward(s, inputs) {
    const { query, flat } = wordsOf(s, inputs);
    const documents = groupDocuments(linear(s.at('document'), flat), inputs.document_input_ids);
    return { logits: maxSim({ query: linear(s.at('query'), query), documents }) };
  },
});
