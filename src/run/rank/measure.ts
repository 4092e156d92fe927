import type { Engine } from '../../engine/engine.ts';
import { type Bm25, bestOf, type Hits } from '../../evaluate/bm25.ts';
import { type LatencyStats, measureLatency } from '../../evaluate/latency.ts';
import { queryFigures } from '../../evaluate/ranking.ts';
import type { ReportLatency } from '../../evaluate/report/data.ts';
import type { NDArray } from '../../graph/index.ts';
import type { Params } from '../../nn/params.ts';
import type { RunContext } from '../context.ts';
import type { BuiltRanker } from './build.ts';
import type { RankQuery } from './collection.ts';
import { openScorer } from './score.ts';
import { buildIndex, isDense } from './search.ts';

/** Figures of one ranker, one number per test query. */
export interface QueryScores {
  ndcg: Float64Array;
  mrr: Float64Array;
  recall: Float64Array;
  /** Re-ranking the first stage's documents. */
  rerankNdcg: Float64Array;
  rerankMrr: Float64Array;
  /** Scores of the first stage's documents, in its order. */
  candidates: Float32Array[];
  /** The documents ranked first. */
  top: Int32Array[];
}

export interface TestBed {
  readonly documents: readonly string[];
  readonly queries: readonly RankQuery[];
  /** The first stage's documents of each query. */
  readonly candidates: readonly Int32Array[];
  /** Places that recall looks at. */
  readonly depth: number;
}

/** The first stage's documents of every query. With too few hits the list is filled up in the order of the collection. */
export function testBed(
  documents: readonly string[],
  queries: readonly RankQuery[],
  firstStage: (query: string) => Hits,
  depth: number,
): TestBed {
  const size = Math.min(depth, documents.length);
  const candidates = queries.map((q) => {
    const found = [...firstStage(q.text).documents];
    const seen = new Set(found);
    for (let d = 0; found.length < size; d++) if (!seen.has(d)) found.push(d);
    return Int32Array.from(found.slice(0, size));
  });
  return { documents, queries, candidates, depth: size };
}

/** Figures of a ranking: documents in order, best first; unranked relevant ones stand behind. */
function figures(ranked: ArrayLike<number>, q: RankQuery, depth: number) {
  const places = new Map(Array.from(ranked, (d, i) => [d, i]));
  const all = [...new Set([...Array.from(ranked), ...q.grades.keys()])];
  const scores = all.map((d) => (places.has(d) ? -places.get(d)! : Number.NEGATIVE_INFINITY));
  const relevance = all.map((d) => Math.max(0, q.grades.get(d) ?? 0));
  return queryFigures({ scores, relevance }, { k: 10, recallAt: depth });
}

/** Figures from what a ranker says: `search` over all documents where it can, and scores of the candidates. */
export async function measureRanker(
  bed: TestBed,
  ranker: {
    search?: (query: number, k: number) => Promise<Hits>;
    candidates: (query: number) => Promise<ArrayLike<number>>;
  },
  onProgress: (done: number) => void = () => {},
): Promise<QueryScores> {
  const n = bed.queries.length;
  const zeros = (): Float64Array => new Float64Array(n);
  const out: QueryScores = {
    ndcg: zeros(),
    mrr: zeros(),
    recall: zeros(),
    rerankNdcg: zeros(),
    rerankMrr: zeros(),
    candidates: [],
    top: [],
  };
  for (let i = 0; i < n; i++) {
    const own = Float32Array.from(await ranker.candidates(i));
    const order = bestOf(own, own.length).documents.map((at) => bed.candidates[i][at]);
    const again = figures(order, bed.queries[i], bed.depth);
    const ranked = ranker.search ? (await ranker.search(i, bed.depth)).documents : order;
    const found = ranker.search ? figures(ranked, bed.queries[i], bed.depth) : again;
    out.ndcg[i] = found.ndcg;
    out.mrr[i] = found.mrr;
    out.recall[i] = found.recall;
    out.rerankNdcg[i] = again.ndcg;
    out.rerankMrr[i] = again.mrr;
    out.candidates.push(own);
    out.top.push(ranked.slice(0, 10));
    onProgress(i + 1);
  }
  return out;
}

/** Figures of the first stage itself. */
export const measureFirstStage = (bed: TestBed, index: Bm25): Promise<QueryScores> =>
  measureRanker(bed, {
    search: async (i, k) => index.search(bed.queries[i].text, k),
    candidates: async (i) => bed.candidates[i].map((_, place) => -place),
  });

/** Measures a student: over all documents when they can be encoded ahead, else re-ranking. */
export async function measureStudent(
  ctx: RunContext,
  built: BuiltRanker,
  params: Params<NDArray>,
  bed: TestBed,
  title: string,
): Promise<QueryScores> {
  const task = ctx.progress.task(title, bed.queries.length, 'queries');
  const result = await measureOn(ctx.engine, built, params, bed, (done) => task.update({ done }));
  task.finish();
  return result;
}

/** The same outside of a run. */
export const measureOn = (
  engine: Engine,
  built: BuiltRanker,
  params: Params<NDArray>,
  bed: TestBed,
  onProgress: (done: number) => void = () => {},
): Promise<QueryScores> =>
  (isDense(built.model) ? withIndex : withScorer)(engine, built, params, bed, onProgress);

async function withIndex(
  engine: Engine,
  built: BuiltRanker,
  params: Params<NDArray>,
  bed: TestBed,
  onProgress: (done: number) => void,
): Promise<QueryScores> {
  const index = await buildIndex(engine, built, params, bed.documents);
  try {
    let at = -1;
    let scores: Float32Array = new Float32Array(0);
    const of = async (i: number): Promise<Float32Array> => {
      if (i !== at) scores = await index.scores(bed.queries[i].text);
      at = i;
      return scores;
    };
    return await measureRanker(
      bed,
      {
        search: async (i, k) => bestOf(await of(i), k),
        candidates: async (i) => {
          const all = await of(i);
          return Float32Array.from(bed.candidates[i], (d) => all[d]);
        },
      },
      onProgress,
    );
  } finally {
    await index.dispose();
  }
}

async function withScorer(
  engine: Engine,
  built: BuiltRanker,
  params: Params<NDArray>,
  bed: TestBed,
  onProgress: (done: number) => void,
): Promise<QueryScores> {
  const scorer = await openScorer(engine, built, params);
  try {
    return await measureRanker(
      bed,
      {
        candidates: async (i) =>
          (
            await scorer.score([
              {
                query: bed.queries[i].text,
                documents: Array.from(bed.candidates[i], (d) => bed.documents[d]),
              },
            ])
          )[0],
      },
      onProgress,
    );
  } finally {
    await scorer.dispose();
  }
}

const latencyOf = (s: LatencyStats, variant: string): ReportLatency => ({
  variant,
  batch: s.batch,
  p50: s.p50,
  p95: s.p95,
  throughput: s.throughput,
});

/** Time from a query's text to its ranked documents, one query at a time: encoding and search, or re-ranking. */
export async function queryLatency(
  ctx: RunContext,
  built: BuiltRanker,
  params: Params<NDArray>,
  bed: TestBed,
): Promise<ReportLatency[]> {
  const options = { runs: ctx.recipe.evaluate.latency.repeats, seconds: 3, batch: 1, warmup: 2 };
  const query = (run: number): number => run % bed.queries.length;
  if (isDense(built.model)) {
    const index = await buildIndex(ctx.engine, built, params, bed.documents);
    const stats = await measureLatency((run) => index.search(bed.queries[query(run)].text, 10), options);
    await index.dispose();
    return [latencyOf(stats, `encode and search ${bed.documents.length} documents`)];
  }
  const scorer = await openScorer(ctx.engine, built, params);
  const stats = await measureLatency(
    (run) =>
      scorer.score([
        {
          query: bed.queries[query(run)].text,
          documents: Array.from(bed.candidates[query(run)], (d) => bed.documents[d]),
        },
      ]),
    options,
  );
  await scorer.dispose();
  return [latencyOf(stats, `re-rank ${bed.depth} documents`)];
}

/** The same of a teacher that is on this machine. */
export async function teacherLatency(
  ctx: RunContext,
  score: (query: number) => Promise<unknown>,
  bed: TestBed,
): Promise<ReportLatency[]> {
  const { repeats } = ctx.recipe.evaluate.latency;
  const stats = await measureLatency((run) => score(run % bed.queries.length), {
    runs: Math.min(20, repeats),
    seconds: 3,
    batch: 1,
    warmup: 1,
  });
  return [latencyOf(stats, `re-rank ${bed.depth} documents`)];
}
