import { z } from 'zod';
import {
  add,
  arange,
  argsort,
  equal,
  expandDims,
  gatherElements,
  mul,
  pad,
  slice,
  softmax,
  softplus,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from '../../graph/index.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { listMle } from '../../losses/ranking.ts';
import { defineMethod } from '../method.ts';
import { classifierNeeds } from './classifier.ts';

const config = z.strictObject({
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe('τ, softens the weights only; 1 on ImageNet, 4 on CIFAR-100 and for confident teachers'),
  weights: z
    .enum(['teacher', 'uniform'])
    .default('teacher')
    .describe("weight of each place: the teacher's probability of its class, or 1/classes (ListMLE)"),
});

type Options = z.infer<typeof config>;

/**
 * Class ids from the best to the worst, `[batch, classes]` int32: the label, then the others by descending teacher
 * logit (ties: the lower id first). A row without label (-100) follows the teacher alone.
 */
export function teacherRanking(teacherLogits: Tensor, labels?: Tensor): Tensor {
  const t = stopGradient(teacherLogits);
  if (!labels) return argsort(t, -1, { descending: true });
  const classes = arange(t.shape[1], { dtype: 'int32' });
  const isLabel = equal(expandDims(labels, -1), classes);
  return argsort(where(isLabel, Number.POSITIVE_INFINITY, t), -1, { descending: true });
}

/** logsumexp of x_k … x_last at each k, by doubling spans: nothing overflows and no small tail is lost. */
function suffixLogSumExp(x: Tensor): Tensor {
  const n = x.shape[1] as number;
  let total = x;
  for (let span = 1; span < n; span *= 2) {
    const rest = slice(total, { axes: [1], starts: [span], ends: [undefined] });
    const later = pad(
      rest,
      [
        [0, 0],
        [0, span],
      ],
      { value: Number.NEGATIVE_INFINITY },
    );
    total = add(total, softplus(sub(later, total)));
  }
  return total;
}

/**
 * L = Σ_k α_k (logsumexp_{l ≥ k} s_{π_l} - s_{π_k}), π the teacher's ranking, α_k = softmax(t/τ)_{π_k} (constants).
 *
 * @param studentLogits `[batch, classes]`, never divided by a temperature
 * @param teacherLogits `[batch, classes]`
 * @returns loss `[batch]` nats; ranking and weights `[batch, classes]`
 */
export function listwiseDistillation(
  studentLogits: Tensor,
  teacherLogits: Tensor,
  labels: Tensor | undefined,
  { temperature, weights }: Options,
): { loss: Tensor; ranking: Tensor; alpha: Tensor } {
  const ranking = teacherRanking(teacherLogits, labels);
  const p = softmax(mul(stopGradient(teacherLogits), 1 / temperature));
  const alpha =
    weights === 'teacher'
      ? gatherElements(p, ranking, 1)
      : add(mul(p, 0), 1 / (teacherLogits.shape[1] as number));
  const s = gatherElements(studentLogits, ranking, 1);
  return { loss: sum(mul(alpha, sub(suffixLogSumExp(s), s)), -1), ranking, alpha };
}

/** List-wise distillation: the student learns the teacher's whole ranking of the classes, with the label on top. */
export const pld = defineMethod<Options>({
  slug: 'pld',
  family: 'logits',
  meta: {
    title: 'PLD: A Choice-Theoretic List-Wise Knowledge Distillation',
    year: 2025,
    link: 'arXiv 2506.12542',
    summary:
      "learn the teacher's ranking of all classes, label first, each place weighted by the teacher's confidence",
    deviations: [
      'rows without a label, which the paper does not have, follow the ranking of the teacher alone',
      'equal teacher logits are ranked by class id; the paper leaves ties open',
    ],
  },
  needs: classifierNeeds('optional'),
  config,
  loss: ({ student, teacher, labels }, options) => ({
    pld: { value: listwiseDistillation(student.logits, teacher.logits!, labels, options).loss },
  }),
  identities: [
    {
      name: 'a teacher that is sure of the label: cross-entropy',
      check: ({ student, teacher, labels }) => {
        const sure = equal(expandDims(labels!, -1), arange(teacher.logits!.shape[1], { dtype: 'int32' }));
        const logits = where(sure, 1000, teacher.logits!);
        return {
          got: listwiseDistillation(student.logits, logits, labels, config.parse({})).loss,
          want: crossEntropyWithLabels(student.logits, labels!),
        };
      },
    },
    {
      name: 'uniform weights: ListMLE / classes',
      check: ({ student, teacher }) => ({
        got: listwiseDistillation(
          student.logits,
          teacher.logits!,
          undefined,
          config.parse({ weights: 'uniform' }),
        ).loss,
        want: mul(listMle(student.logits, teacher.logits!), 1 / (student.logits.shape[1] as number)),
      }),
    },
    {
      name: 'a constant added to the student changes nothing',
      check: ({ student, teacher, labels }) => ({
        got: listwiseDistillation(add(student.logits, 7), teacher.logits!, labels, config.parse({})).loss,
        want: listwiseDistillation(student.logits, teacher.logits!, labels, config.parse({})).loss,
      }),
    },
  ],
});
