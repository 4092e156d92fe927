import { z } from 'zod';
import { add, exp, logSoftmax, minimum, mul, sub } from '../../graph/index.ts';
import { decoupledKd, hintonKl } from '../../losses/classification.ts';
import { pickLabel } from '../../losses/labels.ts';
import { defineMethod } from '../method.ts';
import { classifierNeeds, labelTerm } from './classifier.ts';

const config = z.strictObject({
  temperature: z.number().positive().default(4).describe("τ, divides both models' logits; 4 on CIFAR-100"),
  alpha: z.number().min(0).default(1).describe('weight of the target class against the rest'),
  beta: z
    .number()
    .min(0)
    .default(8)
    .describe('weight of the classes other than the target; 2 to 8 in the paper'),
  ce: z.number().min(0).default(1).describe('weight of the cross-entropy with labels'),
  warmup: z
    .number()
    .min(0)
    .max(1)
    .default(1 / 12)
    .describe(
      'share of the training over which the distillation rises from 0; 20 of 240 epochs in the authors’ code',
    ),
});

/** KD in two parts, how sure of the target and what else it might be, each with a weight of its own. */
export const dkd = defineMethod<z.infer<typeof config>>({
  slug: 'dkd',
  family: 'logits',
  meta: {
    title: 'Decoupled Knowledge Distillation',
    year: 2022,
    link: 'arXiv 2203.08679',
    summary: 'weigh what the teacher says of the other classes apart from how sure it is of the target',
    deviations: ['the warm-up follows the share of all updates done, not epochs'],
  },
  needs: classifierNeeds('required'),
  config,
  loss: ({ student, teacher, labels, scalars }, { temperature, alpha, beta, ce, warmup }) => ({
    dkd: {
      value: decoupledKd(student.logits, teacher.logits!, labels!, { alpha, beta, temperature }),
      over: 'labelled',
      weight: warmup === 0 ? 1 : minimum(mul(scalars.progress, 1 / warmup), 1),
    },
    ...labelTerm({ student, labels }, ce),
  }),
  identities: [
    {
      name: 'α = 1 and β = 1 - p(y): the KL of KD',
      check: ({ student, teacher, labels }) => {
        const part = (alpha: number, beta: number) =>
          decoupledKd(student.logits, teacher.logits!, labels!, { alpha, beta, temperature: 1 });
        const rest = sub(1, pickLabel(exp(logSoftmax(teacher.logits!)), labels!));
        return {
          got: add(part(1, 0), mul(rest, part(0, 1))),
          want: hintonKl(student.logits, teacher.logits!, { temperature: 1 }),
        };
      },
    },
  ],
});
