import { z } from 'zod';
import { add, sub } from '../../graph/index.ts';
import { forwardKl, temperedLogp } from '../../losses/divergences.ts';
import { listMle, listwiseKl } from '../../losses/ranking.ts';
import { defineMethod } from '../method.ts';

const config = z.strictObject({
  loss: z
    .enum(['kl', 'list-mle'])
    .default('kl')
    .describe("kl: the teacher's distribution over the candidates (ColBERTv2); list-mle: its order alone"),
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe('T of both models, the loss is multiplied by T²; ColBERTv2 and SPLADE use 1'),
  teacherScale: z
    .number()
    .positive()
    .default(1)
    .describe("α, the teacher's scores are multiplied by it; ColBERTv2's distillation_alpha"),
});

/** List-wise distillation over the candidates of a query: KL of softmaxed scores. */
export const listwiseKlDistillation = defineMethod<z.infer<typeof config>>({
  slug: 'listwise-kl',
  family: 'ranking',
  meta: {
    title: 'List-wise distillation of rankers (ColBERTv2, TCT-ColBERT, SPLADE)',
    year: 2021,
    link: 'arXiv 2112.01488',
    summary: "KL of the student's softmax over a query's candidates to the teacher's",
    deviations: [],
  },
  needs: { tasks: ['rank'], signals: [['score']], labels: 'unused', sameVocabulary: false },
  config,
  loss: ({ student, teacher }, { loss, temperature, teacherScale }) => ({
    [loss]: {
      value:
        loss === 'kl'
          ? listwiseKl(student.logits, teacher.score!, { temperature, teacherScale })
          : listMle(student.logits, teacher.score!),
    },
  }),
  identities: [
    {
      name: 'T = 1, α = 1: KL of the two softmaxes',
      check: ({ student, teacher }) => ({
        got: listwiseKl(student.logits, teacher.score!),
        want: forwardKl(temperedLogp(student.logits, 1), temperedLogp(teacher.score!, 1)),
      }),
    },
    {
      name: 'constants added to either side change nothing',
      check: ({ student, teacher }) => ({
        got: listwiseKl(add(student.logits, 5), sub(teacher.score!, 20)),
        want: listwiseKl(student.logits, teacher.score!),
      }),
    },
  ],
});
