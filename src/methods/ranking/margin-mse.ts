import { z } from 'zod';
import { add, div, mean, mul, stopGradient, sub, sum, type Tensor } from '../../graph/index.ts';
import { marginMse, marginMseList, pointwiseMse } from '../../losses/ranking.ts';
import { defineMethod } from '../method.ts';
import { candidate, rotate } from './candidates.ts';

const config = z.strictObject({
  pairs: z
    .enum(['first', 'all'])
    .default('first')
    .describe(
      'margins that are matched: of the first candidate to every other (the paper has one other), or of all pairs',
    ),
});

type Options = z.infer<typeof config>;

/**
 * Mean over pairs of candidates of ((s_i - s_j) - (t_i - t_j))².
 *
 * @param studentScores `[queries, n]`, raw scores
 * @param teacherScores `[queries, n]`
 * @returns `[queries]`
 */
export function matchMargins(studentScores: Tensor, teacherScores: Tensor, { pairs }: Options): Tensor {
  if (pairs === 'first') return mean(marginMseList(studentScores, teacherScores), 1);
  // Σ_{i<j} (e_i - e_j)² = n Σ e² - (Σ e)², over n (n - 1) / 2 pairs
  const n = studentScores.shape[1] as number;
  const squares = sum(pointwiseMse(studentScores, teacherScores), 1);
  const total = sub(sum(studentScores, 1), sum(stopGradient(teacherScores), 1));
  return div(sub(mul(squares, n), mul(total, total)), (n * (n - 1)) / 2);
}

/** Margin-MSE: the student's score differences between documents of a query become the teacher's. */
export const marginMseDistillation = defineMethod<Options>({
  slug: 'margin-mse',
  family: 'ranking',
  meta: {
    title:
      'Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation (Margin-MSE)',
    year: 2020,
    link: 'arXiv 2010.02666',
    summary:
      "match the teacher's difference of scores between two documents, so that a student of another architecture keeps its own range",
    deviations: [
      'lists of more than one negative are averaged over their margins to the first candidate, as in sentence-transformers',
      'the option pairs: all, which matches the margins of every two candidates, is an addition',
    ],
  },
  needs: { tasks: ['rank'], signals: [['score']], labels: 'unused', sameVocabulary: false },
  config,
  loss: ({ student, teacher }, options) => ({
    'margin-mse': { value: matchMargins(student.logits, teacher.score!, options) },
  }),
  identities: [
    {
      name: 'constants added to either side change nothing',
      check: ({ student, teacher }) => ({
        got: matchMargins(add(student.logits, 7), sub(teacher.score!, 20), config.parse({})),
        want: matchMargins(student.logits, teacher.score!, config.parse({})),
      }),
    },
    {
      name: 'two candidates: both choices of pairs are the loss of the paper',
      check: ({ student, teacher }) => {
        const two = (x: Tensor): Tensor => candidate(x, 0, 2);
        const one = (x: Tensor, i: number): Tensor => sum(candidate(x, i, i + 1), 1);
        return {
          got: matchMargins(two(student.logits), two(teacher.score!), { pairs: 'all' }),
          want: marginMse(
            { positive: one(student.logits, 0), negative: one(student.logits, 1) },
            { positive: one(teacher.score!, 0), negative: one(teacher.score!, 1) },
          ),
        };
      },
    },
    {
      name: 'all pairs: the mean over both orders of every pair',
      check: ({ student, teacher }) => {
        const n = student.logits.shape[1] as number;
        const parts = Array.from({ length: n }, (_, i) => {
          const turned = (x: Tensor): Tensor => rotate(x, i);
          return matchMargins(turned(student.logits), turned(teacher.score!), { pairs: 'first' });
        });
        return {
          got: matchMargins(student.logits, teacher.score!, { pairs: 'all' }),
          want: div(
            parts.reduce((a, b) => add(a, b)),
            n,
          ),
        };
      },
    },
  ],
});
