import { z } from 'zod';
import { mul, relu, sum, type Tensor } from '../../graph/index.ts';
import { binaryKl, binaryKlNorm } from '../../losses/binary.ts';
import { batchNorm2d, batchNormParams } from '../../nn/layers/conv.ts';
import { dropout } from '../../nn/layers/dropout.ts';
import { linear, linearParams } from '../../nn/layers/linear.ts';
import { prefixed } from '../../nn/params.ts';
import type { Scope } from '../../nn/scope.ts';
import { defineMethod } from '../method.ts';
import { classifierNeeds, labelTerm } from './classifier.ts';

const config = z.strictObject({
  temperature: z
    .number()
    .positive()
    .default(2)
    .describe("τ, divides both models' logits; 2 in the authors’ code"),
  alpha: z
    .number()
    .min(0)
    .default(0.1)
    .describe('α, weight of the distillation, a sum over classes; 0.1 on ImageNet, 1 on CIFAR-100'),
  ce: z.number().min(0).default(1).describe('γ, weight of the cross-entropy with labels'),
  head: z
    .enum(['linear', 'nonlinear', 'none'])
    .default('linear')
    .describe(
      'the second head, which alone is distilled; nonlinear for pairs of different kinds, none to distil the first one',
    ),
  width: z.number().int().positive().default(200).describe('hidden width of a nonlinear head'),
  align: z
    .boolean()
    .default(false)
    .describe(
      'take from the gradient of the distillation what points against that of the labels; on for CIFAR-100',
    ),
});

type Options = z.infer<typeof config>;

/** What the second head is given: what the student's output layer is given. */
const FEATURES = 'embedding';

/** Scores of the second head, `[batch, classes]`. */
function secondHead(s: Scope, x: Tensor, head: Options['head']): Tensor {
  if (head === 'linear') return linear(s.at('head'), x);
  const hidden = dropout(s, linear(s.at('hidden'), x), 0.1);
  return linear(s.at('head'), relu(batchNorm2d(s.at('norm'), hidden)));
}

/** Labels for one head, the teacher's logits for another: the two losses share a backbone and no classifier. */
export const dhkd = defineMethod<Options>({
  slug: 'dhkd',
  family: 'logits',
  meta: {
    title: 'Dual-Head Knowledge Distillation: Enhancing Logits Utilization with an Auxiliary Head',
    year: 2024,
    link: 'arXiv 2411.08937',
    summary:
      'match the teacher’s logits class by class with a second head, which is thrown away after training',
    deviations: [
      'the default α is the 0.1 of ImageNet; with the 1 of CIFAR-100 the student of the reproduction falls below cross-entropy',
      'alignment compares the gradients of the rows in memory together; accumulated batches sum their parts',
    ],
  },
  needs: classifierNeeds('optional'),
  config,
  setup: ({ head, width }, { studentWidth, classes }) => {
    if (head === 'none') return {};
    const inputs = studentWidth(FEATURES);
    if (head === 'linear') return prefixed('head', linearParams(inputs, classes));
    return {
      ...prefixed('hidden', linearParams(inputs, width)),
      ...prefixed('norm', batchNormParams(width)),
      ...prefixed('head', linearParams(width, classes)),
    };
  },
  leading: ({ align }) => (align ? 'ce' : undefined),
  loss: ({ student, teacher, labels, tap, extra }, { temperature, alpha, ce, head }) => {
    const scores = head === 'none' ? student.logits : secondHead(extra, tap(FEATURES), head);
    return {
      kd: { value: binaryKlNorm(scores, teacher.logits!, { temperature }), weight: alpha },
      ...labelTerm({ student, labels }, ce),
    };
  },
  identities: [
    {
      name: 'a teacher without opinion: both forms of the binary KL are one',
      check: ({ student, teacher }) => {
        const undecided = mul(teacher.logits!, 0);
        return { got: binaryKlNorm(student.logits, undecided), want: binaryKl(student.logits, undecided) };
      },
    },
    {
      name: 'a student whose logits are the teacher’s: 0',
      check: ({ student }) => ({
        got: binaryKlNorm(student.logits, student.logits),
        want: sum(mul(student.logits, 0), -1),
      }),
    },
  ],
});
