import { z } from 'zod';
import { add, mean, mul, sub } from '../../graph/index.ts';
import { pointwiseMse } from '../../losses/ranking.ts';
import { defineMethod } from '../method.ts';
import { rankNetList } from './ranknet.ts';

const config = z.strictObject({
  ranknet: z
    .number()
    .nonnegative()
    .default(0)
    .describe('weight of RankNet on the labels beside it; 1 is the MSE + RankNet of the Margin-MSE paper'),
});

/** Pointwise distillation of scores: the student's score of a pair becomes the teacher's, offset and range included. */
export const scoreMse = defineMethod<z.infer<typeof config>>({
  slug: 'score-mse',
  family: 'ranking',
  meta: {
    title: 'Pointwise score regression, a baseline of the Margin-MSE paper',
    year: 2020,
    link: 'arXiv 2010.02666',
    summary: "the student's score of every query and document becomes the teacher's, its offset included",
    deviations: [],
  },
  needs: { tasks: ['rank'], signals: [['score']], labels: 'optional', sameVocabulary: false },
  config,
  loss: ({ student, teacher }, { ranknet }) => ({
    mse: { value: mean(pointwiseMse(student.logits, teacher.score!), 1) },
    ...(ranknet > 0
      ? { ranknet: { value: rankNetList(student.logits), over: 'labelled' as const, weight: ranknet } }
      : {}),
  }),
  identities: [
    {
      name: 'an offset c between the two adds c² at the optimum: it must be learnt away',
      of: 'both',
      check: ({ student, teacher }) => {
        const d = sub(student.logits, teacher.score!);
        return {
          got: mean(pointwiseMse(add(student.logits, 3), teacher.score!), 1),
          want: add(mean(mul(d, d), 1), add(mul(mean(d, 1), 6), 9)),
        };
      },
    },
  ],
});
