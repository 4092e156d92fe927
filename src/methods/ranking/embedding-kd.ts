import { z } from 'zod';
import { add, mul, sub, sum, type Tensor } from '../../graph/index.ts';
import { infoNce } from '../../losses/contrastive.ts';
import { normalize } from '../../losses/numerics.ts';
import { embeddingMse } from '../../losses/ranking.ts';
import { defineMethod } from '../method.ts';

/** Where the teacher's vectors stand among its hidden signals, and the student's among its outputs. */
export const SENTENCE = 'sentence_embedding';

const config = z.strictObject({
  loss: z
    .enum(['mse', 'cosine', 'infonce'])
    .default('mse')
    .describe(
      "mse: mean squared difference of the vectors; cosine: 1 - cosine; infonce: the student's vector is nearest to the teacher's of the same text, among those of the batch",
    ),
  temperature: z.number().positive().default(0.05).describe('of infonce; 0.05 is a scale of 20'),
});

type Options = z.infer<typeof config>;

/**
 * How far the student's vectors are from the teacher's.
 *
 * @param student `[batch, width]`
 * @param teacher `[batch, width]`, constants
 * @returns `[batch]`
 */
export function embeddingDistance(student: Tensor, teacher: Tensor, { loss, temperature }: Options): Tensor {
  switch (loss) {
    case 'mse':
      return embeddingMse(student, teacher);
    case 'cosine':
      return sub(1, sum(mul(normalize(student), normalize(teacher)), -1));
    case 'infonce':
      return infoNce(student, teacher, { temperature });
  }
}

/** A sentence encoder learns the vectors of a larger one. */
export const embeddingKd = defineMethod<Options>({
  slug: 'embedding-kd',
  family: 'ranking',
  meta: {
    title: 'Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation',
    year: 2020,
    link: 'arXiv 2004.09813',
    summary: "the student's vector of a text becomes the teacher's",
    deviations: [
      'the paper trains a student of other languages on translated pairs; here student and teacher read the same texts',
      'cosine and InfoNCE losses are additions',
    ],
  },
  needs: { tasks: ['embed'], signals: [['hidden']], labels: 'unused', sameVocabulary: false },
  config,
  loss: ({ student, teacher }, options) => ({
    [options.loss]: { value: embeddingDistance(student[SENTENCE], teacher.hidden![SENTENCE], options) },
  }),
  identities: [
    {
      name: 'vectors of length 1: the squared difference is twice 1 - cosine, over the width',
      check: ({ student, teacher }) => {
        const [s, t] = [normalize(student[SENTENCE]), normalize(teacher.hidden![SENTENCE])];
        const width = s.shape[1] as number;
        const of = (loss: Options['loss']): Tensor => embeddingDistance(s, t, config.parse({ loss }));
        return { got: mul(of('mse'), width), want: add(of('cosine'), of('cosine')) };
      },
    },
  ],
});
