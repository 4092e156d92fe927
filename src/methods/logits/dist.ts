import { z } from 'zod';
import { add, mean, mul } from '../../graph/index.ts';
import { dist as distLoss } from '../../losses/classification.ts';
import { defineMethod } from '../method.ts';
import { classifierNeeds, labelTerm } from './classifier.ts';

const config = z.strictObject({
  temperature: z.number().positive().default(1).describe('τ; 1 on ImageNet, 4 on CIFAR-100'),
  inter: z.number().min(0).default(2).describe('β, weight of the correlation over the classes of an example'),
  intra: z.number().min(0).default(2).describe('γ, weight of the correlation over the examples of a class'),
  ce: z.number().min(0).default(1).describe('weight of the cross-entropy with labels'),
});

/** Match the teacher's probabilities up to shift and scale: correlations within examples and within classes. */
export const dist = defineMethod<z.infer<typeof config>>({
  slug: 'dist',
  family: 'logits',
  meta: {
    title: 'Knowledge Distillation from A Stronger Teacher',
    year: 2022,
    link: 'arXiv 2205.10536',
    summary:
      "match correlations with the teacher's probabilities, within examples and within classes, instead of values",
    deviations: [
      'both correlations are multiplied by τ², which the authors’ code does not do; the same at τ = 1',
      'the correlation within classes is that of the rows in memory together; accumulated batches average over their parts',
    ],
  },
  needs: classifierNeeds('optional'),
  config,
  loss: ({ student, teacher, labels }, { temperature, inter, intra, ce }) => {
    const d = distLoss(student.logits, teacher.logits!, { temperature });
    return {
      inter: { value: d.inter, weight: inter },
      intra: { value: mean(d.intra), weight: intra },
      ...labelTerm({ student, labels }, ce),
    };
  },
  identities: [
    {
      name: 'a student whose logits are the teacher’s, shifted: 0',
      check: ({ student, teacher }) => {
        const near = add(teacher.logits!, mul(student.logits, 0));
        const { inter } = distLoss(add(near, 2), teacher.logits!);
        return { got: inter, want: mul(inter, 0) };
      },
    },
  ],
});
