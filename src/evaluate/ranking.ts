import { sameLength } from './matrix.ts';

/** Documents in the order a ranker puts them: indices by score, highest first, earlier index first where equal. */
export function rankingOrder(scores: ArrayLike<number>): Int32Array {
  return Int32Array.from({ length: scores.length }, (_, i) => i).sort(
    (a, b) => scores[b] - scores[a] || a - b,
  );
}

export type Gain = 'linear' | 'exponential';

/**
 * nDCG@k of one query: DCG@k = Σ_{i≤k} gain(rel_i) / log2(i + 1), divided by the DCG of the best order
 * (Järvelin & Kekäläinen 2002). Gain `linear` = rel (trec_eval), `exponential` = 2^rel - 1 (Burges et al. 2005).
 * NaN where no document is relevant, so that such queries can be left out.
 */
export function ndcg(
  scores: ArrayLike<number>,
  relevance: ArrayLike<number>,
  k = Number.POSITIVE_INFINITY,
  gain: Gain = 'linear',
): number {
  const n = sameLength(scores, relevance, 'scores and relevance');
  const value = (rel: number): number => (gain === 'linear' ? Math.max(0, rel) : 2 ** Math.max(0, rel) - 1);
  const dcg = (order: ArrayLike<number>): number => {
    let sum = 0;
    for (let i = 0; i < Math.min(k, n); i++) sum += value(relevance[order[i]]) / Math.log2(i + 2);
    return sum;
  };
  const ideal = dcg(rankingOrder(relevance));
  return ideal > 0 ? dcg(rankingOrder(scores)) / ideal : Number.NaN;
}

/** 1 / position of the first relevant (> 0) document within the first k, 0 where there is none. */
export function reciprocalRank(
  scores: ArrayLike<number>,
  relevance: ArrayLike<number>,
  k = Number.POSITIVE_INFINITY,
): number {
  sameLength(scores, relevance, 'scores and relevance');
  const order = rankingOrder(scores);
  for (let i = 0; i < Math.min(k, order.length); i++) if (relevance[order[i]] > 0) return 1 / (i + 1);
  return 0;
}

/** Share of the relevant documents that stand within the first k; NaN where none is relevant. */
export function recallAt(scores: ArrayLike<number>, relevance: ArrayLike<number>, k: number): number {
  sameLength(scores, relevance, 'scores and relevance');
  let found = 0;
  let all = 0;
  rankingOrder(scores).forEach((d, i) => {
    if (!(relevance[d] > 0)) return;
    all++;
    if (i < k) found++;
  });
  return all ? found / all : Number.NaN;
}

/**
 * Average precision of one query: mean over relevant documents of the precision at their positions; those
 * outside the first k count 0 (Manning et al. 2008, section 8.4). NaN where none is relevant.
 */
export function averagePrecision(
  scores: ArrayLike<number>,
  relevance: ArrayLike<number>,
  k = Number.POSITIVE_INFINITY,
): number {
  sameLength(scores, relevance, 'scores and relevance');
  let found = 0;
  let all = 0;
  let sum = 0;
  rankingOrder(scores).forEach((d, i) => {
    if (!(relevance[d] > 0)) return;
    all++;
    if (i < k) sum += ++found / (i + 1);
  });
  return all ? sum / all : Number.NaN;
}

/** Scores and relevance of one query's documents. */
export interface RankedQuery {
  scores: ArrayLike<number>;
  relevance: ArrayLike<number>;
}

export interface RankingSummary {
  ndcg: number;
  mrr: number;
  recall: number;
  map: number;
  /** Queries with at least one relevant document; the others are left out of all means. */
  queries: number;
  withoutRelevant: number;
}

/** Means of nDCG@k, MRR@k, recall@k and MAP over the queries that have a relevant document. */
export function rankingSummary(
  queries: readonly RankedQuery[],
  k = 10,
  gain: Gain = 'linear',
): RankingSummary {
  const judged = queries.filter((q) => Array.prototype.some.call(q.relevance, (r: number) => r > 0));
  const average = (f: (q: RankedQuery) => number): number =>
    judged.length ? judged.reduce((sum, q) => sum + f(q), 0) / judged.length : Number.NaN;
  return {
    ndcg: average((q) => ndcg(q.scores, q.relevance, k, gain)),
    mrr: average((q) => reciprocalRank(q.scores, q.relevance, k)),
    recall: average((q) => recallAt(q.scores, q.relevance, k)),
    map: average((q) => averagePrecision(q.scores, q.relevance)),
    queries: judged.length,
    withoutRelevant: queries.length - judged.length,
  };
}

export interface QueryFigures {
  ndcg: number;
  mrr: number;
  recall: number;
}

export interface FigureOptions {
  /** Places that nDCG and MRR look at. Default 10. */
  k?: number;
  /** Places that recall looks at. Default k. */
  recallAt?: number;
  /** Smallest grade that counts as relevant for MRR and recall; default every grade above 0. */
  relevantFrom?: number;
}

/**
 * nDCG@k with linear gain, MRR@k and recall of one query's ranking. A query without anything relevant scores 0, as in
 * trec_eval; leave such queries out before where that is wanted.
 */
export function queryFigures(
  { scores, relevance }: RankedQuery,
  { k = 10, recallAt: depth = k, relevantFrom }: FigureOptions = {},
): QueryFigures {
  const relevant =
    relevantFrom === undefined ? relevance : Array.from(relevance, (g) => (g >= relevantFrom ? 1 : 0));
  return {
    ndcg: ndcg(scores, relevance, k) || 0,
    mrr: reciprocalRank(scores, relevant, k),
    recall: recallAt(scores, relevant, depth) || 0,
  };
}
