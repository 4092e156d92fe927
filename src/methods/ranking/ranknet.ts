import { z } from 'zod';
import { add, mean, type Tensor } from '../../graph/index.ts';
import { rankNet } from '../../losses/ranking.ts';
import { defineMethod } from '../method.ts';
import { candidate } from './candidates.ts';

const config = z.strictObject({});

/**
 * RankNet of the labelled candidate, which stands first, against the others: mean_j softplus(s_j - s_0).
 *
 * @param scores `[queries, n]`
 * @param weights `[queries, n - 1]`, constants
 * @returns `[queries]` nats
 */
export const rankNetList = (scores: Tensor, weights?: Tensor): Tensor =>
  mean(rankNet(candidate(scores, 0, 1), candidate(scores, 1), weights), 1);

/** Learning to rank from labels alone: the labelled document above the others. */
export const ranknet = defineMethod<z.infer<typeof config>>({
  slug: 'ranknet',
  family: 'ranking',
  meta: {
    title: 'Learning to rank using gradient descent (RankNet)',
    year: 2005,
    link: 'doi:10.1145/1102351.1102363',
    summary: 'labels alone, no teacher: the labelled document is to score above each other candidate',
    deviations: [],
  },
  needs: { tasks: ['rank'], signals: [], labels: 'required', sameVocabulary: false },
  config,
  loss: ({ student }) => ({ ranknet: { value: rankNetList(student.logits), over: 'labelled' } }),
  identities: [
    {
      name: 'a constant added to all scores changes nothing',
      check: ({ student }) => ({
        got: rankNetList(add(student.logits, 3)),
        want: rankNetList(student.logits),
      }),
    },
  ],
});
