import { z } from 'zod';
import { concat, slice } from '../../graph/index.ts';
import { infoNce } from '../../losses/contrastive.ts';
import { defineMethod } from '../method.ts';
import { SENTENCE } from './embedding-kd.ts';

const config = z.strictObject({
  temperature: z
    .number()
    .positive()
    .default(0.05)
    .describe('of the cosines; sentence-transformers scales them by 20'),
});

/** Sentence vectors from pairs alone: the other text of a pair is nearer than those of the other pairs (both ways). */
export const contrastive = defineMethod<z.infer<typeof config>>({
  slug: 'contrastive',
  family: 'ranking',
  meta: {
    title: 'Efficient Natural Language Response Suggestion for Smart Reply (in-batch negatives)',
    year: 2017,
    link: 'arXiv 1705.00652',
    summary: 'pairs alone, no teacher: the two texts of a pair are each other’s nearest in the batch',
    deviations: [],
  },
  needs: { tasks: ['embed'], signals: [], labels: 'required', sameVocabulary: false },
  config,
  loss: ({ student }, { temperature }) => {
    // the first half of the batch holds one side of the pairs, the second half the other
    const all = student[SENTENCE];
    const half = (all.shape[0] as number) / 2;
    const first = slice(all, { axes: [0], starts: [0], ends: [half] });
    const second = slice(all, { axes: [0], starts: [half], ends: [undefined] });
    return {
      infonce: {
        value: concat([infoNce(first, second, { temperature }), infoNce(second, first, { temperature })], 0),
      },
    };
  },
  identities: [],
});
