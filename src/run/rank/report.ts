import { meanInterval } from '../../evaluate/bootstrap.ts';
import { spearman } from '../../evaluate/correlation.ts';
import { mean } from '../../evaluate/matrix.ts';
import { pairedBootstrap, seedMean } from '../../evaluate/paired-tests.ts';
import type {
  ReportArm,
  ReportComparison,
  ReportData,
  ReportExample,
  ReportMetric,
  ReportValue,
} from '../../evaluate/report/data.ts';
import { gapClosed, retention } from '../../evaluate/retention.ts';
import { parameterShare } from '../report-parts.ts';
import { spread } from '../spread.ts';
import type { QueryScores, TestBed } from './measure.ts';

/** An arm as it was measured, one entry per seed. */
export interface MeasuredRanker extends ReportArm {
  readonly scores: readonly QueryScores[];
}

const KEYS = ['ndcg', 'mrr', 'recall', 'rerankNdcg', 'rerankMrr'] as const;

/** What the report's columns mean for rankers. */
export const rankMetrics = (depth: number): ReportMetric[] => [
  {
    key: 'ndcg',
    label: 'nDCG@10',
    about: `linear gain, over the whole collection; models that read query and document together re-rank BM25's first ${depth}`,
    format: 'percent',
    better: 'higher',
  },
  {
    key: 'mrr',
    label: 'MRR@10',
    about: '1 / place of the first relevant document among the first 10, else 0',
    format: 'percent',
    better: 'higher',
  },
  {
    key: 'recall',
    label: `Recall@${depth}`,
    about: `share of the relevant documents among the first ${depth}`,
    format: 'percent',
    better: 'higher',
  },
  {
    key: 'rerankNdcg',
    label: 'nDCG@10, re-ranking',
    about: `every model orders BM25's first ${depth} documents anew: like with like`,
    format: 'percent',
    better: 'higher',
  },
  {
    key: 'rerankMrr',
    label: 'MRR@10, re-ranking',
    about: `on BM25's first ${depth} documents`,
    format: 'percent',
    better: 'higher',
  },
  {
    key: 'agreement',
    label: 'Agreement',
    about: "Spearman's ρ with the teacher's scores on BM25's documents, mean over queries",
    format: 'number',
    better: 'higher',
  },
];

/** Spearman's ρ of two rankers' scores of each query's candidates; queries on which one is constant count 0. */
export const agreement = (a: QueryScores, b: QueryScores): Float64Array =>
  Float64Array.from(a.candidates, (scores, i) => spearman(scores, b.candidates[i]) || 0);

interface Options {
  resamples: number;
  level: number;
}

/** Means over queries, their spread over seeds, and intervals over queries. */
export function rankValues(
  scores: readonly QueryScores[],
  teacher: QueryScores | undefined,
  { resamples, level }: Options,
): Record<string, ReportValue> {
  const out: Record<string, ReportValue> = {};
  for (const key of KEYS) {
    const { low, high } = meanInterval(seedMean(scores.map((s) => s[key])), { resamples, level });
    out[key] = { ...spread(scores.map((s) => mean(s[key]))), low, high };
  }
  if (teacher) out.agreement = spread(scores.map((s) => mean(agreement(s, teacher))));
  return out;
}

const of = (arm: MeasuredRanker, key: (typeof KEYS)[number] = 'ndcg'): Float64Array[] =>
  arm.scores.map((s) => s[key]);

const NAMES: Record<ReportArm['role'], string> = {
  teacher: 'teacher',
  alone: 'student without teacher',
  linear: 'BM25',
  distilled: '',
  other: 'other',
};

/** The distilled student against every other arm, on the same queries. */
export function rankComparisons(arms: readonly MeasuredRanker[], options: Options): ReportComparison[] {
  const distilled = arms.find((a) => a.role === 'distilled')!;
  return arms
    .filter((a) => a !== distilled)
    .flatMap((other) =>
      (['ndcg', 'rerankNdcg'] as const).map((metric) => {
        const d = pairedBootstrap(of(distilled, metric), of(other, metric), options);
        return {
          name: `Distilled minus ${NAMES[other.role]}`,
          metric,
          difference: d.estimate,
          low: d.low,
          high: d.high,
          p: d.p,
          test: 'paired bootstrap over test queries and seeds',
        };
      }),
    );
}

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;

/** What came out, in plain sentences. */
export function rankHeadline(
  arms: readonly MeasuredRanker[],
  dense: boolean,
  depth: number,
  options: Options,
): ReportData['headline'] {
  const find = (role: ReportArm['role']): MeasuredRanker | undefined => arms.find((a) => a.role === role);
  const [teacher, distilled, alone, bm25] = [
    find('teacher')!,
    find('distilled')!,
    find('alone'),
    find('linear'),
  ];
  const value = (a: MeasuredRanker): number => a.values.ndcg.mean;
  const share = retention(of(distilled), of(teacher), { ...options, kind: 'score' });
  const size = parameterShare(distilled, teacher);
  const parts = [
    `The student ${dense ? 'searches the whole collection' : `re-ranks BM25's first ${depth} documents`} with nDCG@10 ${percent(value(distilled))}, ${percent(share.estimate)} of the teacher's ${percent(value(teacher))} (re-ranking BM25's first ${depth})${size ? ` ${size}` : ''}.`,
  ];
  let gap: ReportData['headline']['gapClosed'];
  if (alone) {
    const d = pairedBootstrap(of(distilled), of(alone), options);
    const verdict = d.low > 0 ? 'beats' : d.high < 0 ? 'is worse than' : 'cannot be told from';
    parts.push(
      `It ${verdict} the same student without a teacher (${percent(value(alone))}, difference ${(100 * d.estimate).toFixed(1)} points, interval ${(100 * d.low).toFixed(1)} to ${(100 * d.high).toFixed(1)}).`,
    );
    if (value(teacher) > value(alone)) {
      const g = gapClosed(of(distilled), of(alone), of(teacher), options);
      gap = { estimate: g.estimate, low: g.low, high: g.high };
    }
  }
  if (bm25) {
    const d = pairedBootstrap(of(distilled), of(bm25), options);
    parts.push(
      d.low > 0
        ? `BM25 reaches ${percent(value(bm25))}.`
        : d.high < 0
          ? `BM25 alone does better: ${percent(value(bm25))}.`
          : `It cannot be told from BM25 (${percent(value(bm25))}).`,
    );
    if (value(bm25) > value(teacher))
      parts.push('BM25 also does better than the teacher: the teacher is the first thing to improve.');
  }
  return {
    kept: { estimate: share.estimate, low: share.low, high: share.high, level: share.level },
    gapClosed: gap,
    sentence: parts.join(' '),
  };
}

/** Queries on which teacher and student put different documents first, the worst losses first. */
export function rankExamples(
  bed: TestBed,
  teacher: QueryScores,
  student: QueryScores,
  count: number,
): ReportExample[] {
  const cut = (text: string): string => (text.length > 200 ? `${text.slice(0, 199)}…` : text);
  const answer = (top: Int32Array, i: number) => ({
    text: cut(bed.documents[top[0]]),
    correct: (bed.queries[i].grades.get(top[0]) ?? 0) > 0,
  });
  return bed.queries
    .map((_, i) => i)
    .filter((i) => teacher.top[i][0] !== student.top[i][0])
    .sort((a, b) => student.ndcg[a] - teacher.ndcg[a] - (student.ndcg[b] - teacher.ndcg[b]))
    .slice(0, count)
    .map((i) => {
      const q = bed.queries[i];
      const [best] = [...q.grades].sort((a, b) => b[1] - a[1]);
      return {
        input: q.text,
        gold: cut(bed.documents[best[0]]),
        teacher: answer(teacher.top[i], i),
        student: answer(student.top[i], i),
      };
    });
}
