import { z } from 'zod';
import { logSoftmax } from '../../graph/index.ts';
import { crossEntropy, reverseKl } from '../../losses/divergences.ts';
import { defineMethod, type Method } from '../../methods/method.ts';

/** Rivals that papers compare with and that the catalogue does not list as methods of their own. */
const shared = {
  family: 'logits',
  needs: { tasks: ['classify'], signals: [['logits']], labels: 'optional', sameVocabulary: true },
} as const;
const meta = (title: string, year: number, link: string) => ({
  title,
  year,
  link,
  summary: title,
  deviations: [],
});

/** Forward KL as the divergence papers train it: cross-entropy with the teacher's distribution. */
export const forwardKlBaseline: Method = defineMethod({
  ...shared,
  slug: 'forward-kl',
  meta: meta('Forward KL', 2015, 'arXiv 1503.02531'),
  config: z.strictObject({}),
  loss: ({ student, teacher }) => ({
    kl: { value: crossEntropy(logSoftmax(student.logits), logSoftmax(teacher.logits!)) },
  }),
});

/** Reverse KL, mode-seeking. */
export const reverseKlBaseline: Method = defineMethod({
  ...shared,
  slug: 'reverse-kl',
  meta: meta('Reverse KL', 2023, 'arXiv 2306.08543'),
  config: z.strictObject({}),
  loss: ({ student, teacher }) => ({
    kl: { value: reverseKl(logSoftmax(student.logits), logSoftmax(teacher.logits!)) },
  }),
});
