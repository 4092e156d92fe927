import { z } from 'zod';
import {
  add,
  greater,
  logicalAnd,
  logSoftmax,
  mul,
  stopGradient,
  sub,
  type Tensor,
  where,
} from '../../graph/index.ts';
import { crossEntropy, forwardKl } from '../../losses/divergences.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { defineMethod, type Schedule } from '../method.ts';

const config = z
  .strictObject({
    t_start: z
      .number()
      .min(0)
      .max(1)
      .default(0.4)
      .describe('t at the start; 0.2 for the largest gaps, 0.2 to 0.4 suggested'),
    t_end: z.number().min(0).max(1).default(1).describe('t at the end; 1: the teacher itself'),
    alpha: z
      .number()
      .min(0)
      .default(5e-4)
      .describe('speed of the adaptive part; runs of few steps need more (5e-3 for 1,500 steps)'),
    beta: z.number().min(0).lt(1).default(0.99).describe('momentum of the relative improvement of the loss'),
    adaptive: z.boolean().default(true).describe('false: t rises on a straight line (the ablation)'),
    label_weight: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('weight of the cross-entropy with labels (1 - distil_ratio of the code, which is 1)'),
  })
  .refine((c) => c.t_end >= c.t_start, { message: 't_end must not be below t_start', path: ['t_end'] });

export type TaidOptions = z.infer<typeof config>;

const NONE = Number.NEGATIVE_INFINITY;

/**
 * J(t) = -Σ_v p_t log q, p_t = softmax((1 - t) stopgrad(s) + t T): the mixture is one of logits. The KL to p_t without
 * its entropy (same gradient, which is q - p_t). Classes that either model rules out (-∞) take no part.
 *
 * @param studentLogits `[..., vocab]`
 * @param teacherLogits `[..., vocab]`
 * @param t scalar in [0, 1]
 * @returns `[...]` nats
 */
export function interpolatedCrossEntropy(
  studentLogits: Tensor,
  teacherLogits: Tensor,
  t: Tensor | number,
): Tensor {
  const [s, T] = [stopGradient(studentLogits), stopGradient(teacherLogits)];
  const both = logicalAnd(greater(s, NONE), greater(T, NONE));
  const mixed = where(both, add(mul(s, typeof t === 'number' ? 1 - t : sub(1, t)), mul(T, t)), NONE);
  return crossEntropy(logSoftmax(studentLogits), logSoftmax(mixed));
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** t, its momentum, the loss before and the number of updates seen. The first update only remembers the loss. */
export const taidSchedule: Schedule<TaidOptions> = {
  init: (c) => ({ t: c.t_start, momentum: 0, previous: 0, seen: 0 }),
  next(state, { terms, step, steps }, c): Record<string, number> {
    const loss = terms.taid;
    if (state.seen === 0) return { ...state, previous: loss, seen: 1 };
    const improvement = (state.previous - loss) / (state.previous + 1e-15);
    const momentum = c.beta * state.momentum + (1 - c.beta) * improvement;
    const line = c.t_start + (c.t_end - c.t_start) * (step / steps);
    const ahead = state.t + increment(momentum, state.t, c.alpha);
    const t = c.adaptive ? Math.min(c.t_end, Math.max(line, ahead)) : line;
    return { t, momentum, previous: loss, seen: state.seen + 1 };
  },
};

/** Δt = α σ(m) (1 - t) */
export const increment = (momentum: number, t: number, alpha: number): number =>
  alpha * sigmoid(momentum) * (1 - t);

/** The student follows a target that moves from its own prediction to the teacher's, the faster the better it keeps up. */
export const taid = defineMethod<TaidOptions>({
  slug: 'taid',
  family: 'language',
  meta: {
    title:
      'TAID: Temporally Adaptive Interpolated Distillation for Efficient Knowledge Transfer in Language Models',
    year: 2025,
    link: 'arXiv 2501.16937',
    summary:
      "follow a mixture of the student's own and the teacher's logits that moves to the teacher as the loss falls",
    deviations: [
      'the loss is the cross-entropy with p_t, as in the authors’ code; the paper writes the KL, whose gradient is the same',
      't moves once per update; the authors’ code moves it at every micro-batch of an accumulated batch',
      'the paper chooses the checkpoint by ROUGE-L; here the last one counts unless the recipe says otherwise',
    ],
  },
  needs: {
    tasks: ['generate', 'classify', 'image-classify'],
    signals: [['logits']],
    labels: 'optional',
    sameVocabulary: true,
  },
  config,
  schedule: taidSchedule,
  loss: ({ student, teacher, labels, scalars, masks }, { label_weight }) => ({
    taid: {
      value: interpolatedCrossEntropy(student.logits, teacher.logits!, scalars.t),
      over: masks.tokens ? 'tokens' : 'examples',
      weight: 1 - label_weight,
    },
    ...(labels && label_weight > 0
      ? {
          ce: {
            value: crossEntropyWithLabels(student.logits, labels),
            over: masks.tokens ? 'tokens' : 'labelled',
            weight: label_weight,
          } as const,
        }
      : {}),
  }),
  identities: [
    {
      name: 't = 1: forward KL to the teacher',
      of: 'gradient',
      check: ({ student, teacher }) => ({
        got: interpolatedCrossEntropy(student.logits, teacher.logits!, 1),
        want: forwardKl(logSoftmax(student.logits), logSoftmax(teacher.logits!)),
      }),
    },
    {
      name: 't = 0: the student is its own target, the gradient is zero',
      of: 'gradient',
      check: ({ student, teacher }) => {
        const got = interpolatedCrossEntropy(student.logits, teacher.logits!, 0);
        return { got, want: mul(got, 0) };
      },
    },
  ],
});
