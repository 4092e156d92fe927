import { logSoftmax, type Tensor } from '../../graph/index.ts';
import { crossEntropy, reverseKl } from '../../losses/divergences.ts';
import type { Method } from '../../methods/method.ts';
import { rival } from './rival.ts';

/** A loss of both models' log-probabilities alone. */
const divergence = (
  names: Pick<Parameters<typeof rival>[0], 'slug' | 'title' | 'year' | 'link'>,
  loss: (studentLogp: Tensor, teacherLogp: Tensor) => Tensor,
): Method =>
  rival({
    ...names,
    family: 'logits',
    signals: [['logits']],
    loss: ({ student, teacher }) => ({
      kl: { value: loss(logSoftmax(student.logits), logSoftmax(teacher.logits!)) },
    }),
  });

/** Forward KL as the divergence papers train it: cross-entropy with the teacher's distribution. */
export const forwardKlBaseline = divergence(
  { slug: 'forward-kl', title: 'Forward KL', year: 2015, link: 'arXiv 1503.02531' },
  crossEntropy,
);

/** Reverse KL, mode-seeking. */
export const reverseKlBaseline = divergence(
  { slug: 'reverse-kl', title: 'Reverse KL', year: 2023, link: 'arXiv 2306.08543' },
  reverseKl,
);
