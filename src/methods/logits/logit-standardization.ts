import { z } from 'zod';
import { add, mul } from '../../graph/index.ts';
import { hintonKl, standardizeLogits } from '../../losses/classification.ts';
import { defineMethod, type LossInput } from '../method.ts';
import { classifierNeeds, labelTerm } from './classifier.ts';

const config = z.strictObject({
  temperature: z.number().positive().default(2).describe('base temperature after standardization'),
  weight: z.number().min(0).default(9).describe('weight of the KL'),
  ce: z
    .number()
    .min(0)
    .default(0.1)
    .describe('weight of the cross-entropy with labels, which sees the raw logits'),
});

/** τ² KL of the z-scored logits; eps keeps equal logits finite. */
const standardizedKl = (
  student: LossInput['student'],
  teacher: LossInput['teacher'],
  temperature: number,
  eps = 1e-7,
) =>
  hintonKl(standardizeLogits(student.logits, { eps }), standardizeLogits(teacher.logits!, { eps }), {
    temperature,
  });

/** KD on z-scored logits: a small student need not reach the size of its teacher's logits, only their relations. */
export const logitStandardization = defineMethod<z.infer<typeof config>>({
  slug: 'logit-standardization',
  family: 'logits',
  meta: {
    title: 'Logit Standardization in Knowledge Distillation',
    year: 2024,
    link: 'arXiv 2403.01427',
    summary: "z-score both models' logits before the softened KL, so that only their relations are matched",
    deviations: [
      'weights 0.1 and 9 are those of the authors’ command lines; the paper leaves the label weight open',
    ],
  },
  needs: classifierNeeds('optional'),
  config,
  loss: ({ student, teacher, labels }, { temperature, weight, ce }) => ({
    kl: { value: standardizedKl(student, teacher, temperature), weight },
    ...labelTerm({ student, labels }, ce),
  }),
  identities: [
    {
      name: 'shift and scale of the teacher change nothing',
      check: ({ student, teacher }) => ({
        got: standardizedKl(student, { logits: add(mul(teacher.logits!, 3), 1) }, 2, 0),
        want: standardizedKl(student, teacher, 2, 0),
      }),
    },
  ],
});
