import { z } from 'zod';
import { mul } from '../../graph/index.ts';
import { hintonKl } from '../../losses/classification.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { sparseKl } from '../../losses/sparse.ts';
import { defineMethod, type LossInput } from '../method.ts';

const config = z.strictObject({
  temperature: z
    .number()
    .positive()
    .default(4)
    .describe("τ, divides both models' logits; 4 as usual for image classes (2 to 5 in the paper)"),
  alpha: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('weight of the cross-entropy with labels; the paper: "considerably lower" than the other'),
});

/**
 * Knowledge distillation as it was introduced: match the teacher's softened distribution, and the labels where there
 * are some.  L = α CE(softmax(s), y) + (1 - α) τ² KL(p_τ ‖ q_τ)
 */
export const kd = defineMethod({
  slug: 'kd',
  family: 'logits',
  meta: {
    title: 'Distilling the Knowledge in a Neural Network',
    year: 2015,
    link: 'arXiv 1503.02531',
    summary: "match the teacher's softened class probabilities, plus the labels where there are some",
    deviations: [
      'the label term is averaged over labelled examples, the teacher term over all: unlabelled examples still teach',
      'a teacher that gives only its top k enters as a distribution over k classes and one tail bucket',
    ],
  },
  needs: {
    tasks: ['classify', 'image-classify', 'generate', 'node-classify'],
    signals: [['logits'], ['topk']],
    labels: 'optional',
    sameVocabulary: true,
  },
  config,
  loss(input, { temperature, alpha }) {
    const over = input.masks.tokens ? 'tokens' : 'examples';
    return {
      kl: { value: softened(input, temperature), over, weight: 1 - alpha },
      ...(input.labels
        ? {
            ce: {
              value: crossEntropyWithLabels(input.student.logits, input.labels),
              over: input.masks.tokens ? 'tokens' : 'labelled',
              weight: alpha,
            } as const,
          }
        : {}),
    };
  },
});

const softened = ({ student, teacher }: LossInput, temperature: number) =>
  teacher.logits
    ? hintonKl(student.logits, teacher.logits, { temperature })
    : mul(sparseKl(student.logits, teacher.topk!, { temperature }), temperature ** 2);

/** The baseline without a teacher: cross-entropy with the labels. */
export const supervised = defineMethod({
  slug: 'supervised',
  family: 'logits',
  meta: {
    title: 'Supervised training (no teacher)',
    year: 1986,
    link: 'baseline',
    summary: 'cross-entropy with the labels: what the student reaches alone',
    deviations: [],
  },
  needs: {
    tasks: ['classify', 'image-classify', 'generate', 'node-classify'],
    signals: [],
    labels: 'required',
    sameVocabulary: false,
  },
  config: z.strictObject({
    label_smoothing: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .describe('ε: the target becomes (1 - ε) one-hot + ε/classes'),
  }),
  loss: ({ student, labels, masks }, { label_smoothing }) => ({
    ce: {
      value: crossEntropyWithLabels(student.logits, labels!, { labelSmoothing: label_smoothing }),
      over: masks.tokens ? 'tokens' : 'labelled',
    },
  }),
});
