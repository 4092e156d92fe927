import { mean as average } from '../../evaluate/matrix.ts';
import { queryFigures, type RankedQuery } from '../../evaluate/ranking.ts';
import { add, concat, div, expandDims, mean, mul, neg, squeeze, type Tensor } from '../../graph/index.ts';
import { listwiseKl, pointwiseMse } from '../../losses/ranking.ts';
import type { CaseReader, Vector } from '../../losses/vectors/index.ts';
import { dotScores } from '../../nn/layers/candidates.ts';
import { maxSim } from '../../nn/layers/max-sim.ts';
import { candidate } from './candidates.ts';
import { matchMargins } from './margin-mse.ts';
import { taughtRankNet } from './ranknet-kd.ts';

type Inputs = Readonly<Record<string, Tensor>>;

/** A positive and a negative score of each query as lists of two. */
const pair = (positive: Tensor, negative: Tensor): Tensor =>
  concat([expandDims(positive, 1), expandDims(negative, 1)], 1);

/** Products of the queries with the documents `names`, `[queries, n]`. */
function products(x: Inputs, names: readonly string[], c: CaseReader): Tensor {
  c.choice('similarity', ['dot'], 'dot');
  return dotScores(
    x.query,
    concat(
      names.map((n) => expandDims(x[n], 1)),
      1,
    ),
  );
}

const numbered = (x: Inputs, prefix: string): string[] =>
  Object.keys(x)
    .filter((n) => n.startsWith(prefix))
    .sort((a, b) => Number(a.slice(prefix.length)) - Number(b.slice(prefix.length)));

/** Scores of all candidates; margins, `[queries]` or a column fewer, stand for scores 0, -m_1, -m_2 … */
function scoresOf(labels: Tensor, candidates: number): Tensor {
  const rows = labels.rank === 1 ? expandDims(labels, 1) : labels;
  return rows.shape[1] === candidates ? rows : concat([mul(candidate(rows, 0, 1), 0), neg(rows)], 1);
}

const method = 'margin-mse';

export const marginMseVectors: readonly Vector[] = [
  {
    kind: 'differentiable',
    method,
    function: 'Margin-MSE: mean_b ((s_pos-s_neg)-(t_pos-t_neg))^2',
    run: (x) => ({
      loss: mean(
        matchMargins(pair(x.student_pos, x.student_neg), pair(x.teacher_pos, x.teacher_neg), {
          pairs: 'first',
        }),
      ),
    }),
  },
  {
    kind: 'differentiable',
    method,
    function:
      'pointwise: (MSE(s_pos,t_pos)+MSE(s_neg,t_neg))/2 ; weighted_ranknet: mean_b (t_pos-t_neg)*softplus(-(s_pos-s_neg))',
    run: (x) => ({
      pointwise_loss: div(
        add(
          mean(pointwiseMse(x.student_pos, x.teacher_pos)),
          mean(pointwiseMse(x.student_neg, x.teacher_neg)),
        ),
        2,
      ),
      weighted_ranknet_loss: mean(
        taughtRankNet(pair(x.student_pos, x.student_neg), pair(x.teacher_pos, x.teacher_neg), {
          teacher: 'weights',
        }),
      ),
    }),
    gradients: { pointwise_grads: 'pointwise_loss', weighted_ranknet_grads: 'weighted_ranknet_loss' },
  },
  {
    kind: 'differentiable',
    method,
    function:
      'multi-negative Margin-MSE on dot products of embeddings; margins (B,n) = q.p - q.n_j ; labels (B,n+1)=[t_pos,t_neg_1..n] turned into margins; mean over B*n',
    run: (x, c) => {
      const s = products(x, ['positive', ...numbered(x, 'negative_')], c);
      const t = scoresOf(x.teacher_scores, s.shape[1] as number);
      return { loss: mean(matchMargins(s, t, { pairs: 'first' })) };
    },
  },
  {
    kind: 'differentiable',
    method,
    function: 'T^2 * mean_b KL(softmax(t/T) || softmax(s/T)), s_bj = q_b . d_bj',
    run: (x, c) => ({
      loss: mean(
        listwiseKl(products(x, numbered(x, 'doc_'), c), x.teacher_scores, {
          temperature: c.number('temperature', 1),
        }),
      ),
    }),
  },
  {
    kind: 'differentiable',
    method,
    function:
      'ColBERT score_b = sum_i qmask_i max_j (Q_i.D_j with padded j set to -1000); grads of sum_b score_b',
    run: (x) => ({
      scores: squeeze(
        maxSim({
          query: x.Q,
          documents: expandDims(x.D, 1),
          queryMask: x.query_mask,
          documentMask: expandDims(x.doc_mask, 1),
        }),
        [1],
      ),
    }),
    gradients: { grads: 'scores' },
  },
  {
    kind: 'algorithmic',
    method,
    function:
      'MRR@k (relevant = grade>=bin), nDCG@k with linear gain grade/log2(rank+1), Recall@k; mean over queries; ties keep input order; queries with nothing relevant score 0',
    run: (c) => {
      const options = { k: c.number('k', 10), relevantFrom: c.number('bin', 1) };
      const all = c
        .input<{ scores: number[]; grades: number[] }[]>('queries')
        .map(({ scores, grades }): RankedQuery => ({ scores, relevance: grades }))
        .map((q) => queryFigures(q, options));
      return {
        mrr: average(all.map((f) => f.mrr)),
        ndcg_linear_gain: average(all.map((f) => f.ndcg)),
        recall: average(all.map((f) => f.recall)),
      };
    },
  },
];
