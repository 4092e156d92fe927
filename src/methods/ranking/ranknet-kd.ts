import { z } from 'zod';
import { add, concat, mean, mul, sub, type Tensor } from '../../graph/index.ts';
import { rankNetDistillation } from '../../losses/ranking.ts';
import { defineMethod } from '../method.ts';
import { candidate } from './candidates.ts';
import { rankNetList } from './ranknet.ts';

const config = z.strictObject({
  teacher: z
    .enum(['weights', 'probabilities'])
    .default('weights')
    .describe(
      "weights: the teacher's margin times RankNet on the labels, negative ones kept (the paper's baseline); probabilities: cross-entropy with σ(teacher's margin), no labels",
    ),
});

type Options = z.infer<typeof config>;

const sides = (x: Tensor) => ({ positive: candidate(x, 0, 1), negative: candidate(x, 1) });

/** RankNet with the teacher in it, `[queries]`: see the options. */
export function taughtRankNet(student: Tensor, teacher: Tensor, { teacher: how }: Options): Tensor {
  const [s, t] = [sides(student), sides(teacher)];
  if (how === 'weights') return rankNetList(student, sub(t.positive, t.negative));
  return mean(rankNetDistillation(s, t), 1);
}

/** RankNet with a teacher: its margins as weights of the pairs, or as the probabilities to learn. */
export const ranknetKd = defineMethod<Options>({
  slug: 'ranknet-kd',
  family: 'ranking',
  meta: {
    title: 'RankNet weighted by a teacher, a baseline of the Margin-MSE paper',
    year: 2020,
    link: 'arXiv 2010.02666',
    summary: "RankNet whose pairs weigh as much as the teacher's margin, or that learns the teacher's odds",
    deviations: [],
  },
  needs: { tasks: ['rank'], signals: [['score']], labels: 'optional', sameVocabulary: false },
  config,
  loss: ({ student, teacher }, options) => ({
    ranknet: {
      value: taughtRankNet(student.logits, teacher.score!, options),
      over: options.teacher === 'weights' ? 'labelled' : 'examples',
    },
  }),
  identities: [
    {
      name: 'a teacher sure of the label: RankNet on labels',
      check: ({ student, teacher }) => {
        // far above all others in the first place
        const others = mul(candidate(teacher.score!, 1), 0);
        const sure = concat([add(mul(candidate(teacher.score!, 0, 1), 0), 1000), others], 1);
        return {
          got: taughtRankNet(student.logits, sure, { teacher: 'probabilities' }),
          want: rankNetList(student.logits),
        };
      },
    },
  ],
});
