import { z } from 'zod';
import { add, exp, logSoftmax, mul, neg, stopGradient } from '../../graph/index.ts';
import { normalizedKd } from '../../losses/classification.ts';
import { pickLabel } from '../../losses/labels.ts';
import { defineMethod } from '../method.ts';
import { classifierNeeds, labelTerm } from './classifier.ts';

const config = z.strictObject({
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe('τ of the classes other than the target; 1 in the paper'),
  gamma: z.number().min(0).default(1.5).describe('γ, weight of the classes other than the target'),
  ce: z.number().min(0).default(1).describe('weight of the cross-entropy with labels'),
});

/** KD as a soft-label cross-entropy whose other classes are renormalized, so that both models compare like with like. */
export const nkd = defineMethod<z.infer<typeof config>>({
  slug: 'nkd',
  family: 'logits',
  meta: {
    title:
      'From Knowledge Distillation to Self-Knowledge Distillation: A Unified Approach with Normalized Loss',
    year: 2023,
    link: 'arXiv 2303.13005',
    summary:
      "renormalize both models' other classes before comparing them, and keep the teacher's weight on the target",
    deviations: ['τ² multiplies the second part, as in the authors’ code'],
  },
  needs: classifierNeeds('required'),
  config,
  loss: ({ student, teacher, labels }, { temperature, gamma, ce }) => ({
    nkd: {
      value: normalizedKd(student.logits, teacher.logits!, labels!, { gamma, temperature }),
      over: 'labelled',
    },
    ...labelTerm({ student, labels }, ce),
  }),
  identities: [
    {
      name: 'γ = 0: cross-entropy weighted by the teacher’s confidence in the label',
      check: ({ student, teacher, labels }) => ({
        got: normalizedKd(student.logits, teacher.logits!, labels!, { gamma: 0 }),
        want: neg(
          mul(
            stopGradient(pickLabel(exp(logSoftmax(teacher.logits!)), labels!)),
            pickLabel(logSoftmax(student.logits), labels!),
          ),
        ),
      }),
    },
    {
      name: 'a constant added to either model changes nothing',
      check: ({ student, teacher, labels }) => ({
        got: normalizedKd(add(student.logits, 3), add(teacher.logits!, -5), labels!),
        want: normalizedKd(student.logits, teacher.logits!, labels!),
      }),
    },
  ],
});
