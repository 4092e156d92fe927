import { z } from 'zod';
import {
  add,
  exp,
  logSoftmax,
  mul,
  reshape,
  stopGradient,
  sub,
  sum,
  type Tensor,
} from '../../graph/index.ts';
import { hintonKl } from '../../losses/classification.ts';
import { forwardKl, temperedLogp } from '../../losses/divergences.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { logSumExp } from '../../losses/numerics.ts';
import { subclassKl } from '../../losses/subclasses.ts';
import { defineMethod } from '../method.ts';

const config = z.strictObject({
  subclasses: z
    .int()
    .min(1)
    .default(5)
    .describe('S, outputs of the student per class; 1 is plain distillation; the paper takes it from a grid'),
  beta: z
    .number()
    .positive()
    .default(0.3)
    .describe('β, softens the split of a class; small values make it hard; the paper takes it from a grid'),
  temperature: z
    .number()
    .positive()
    .default(1)
    .describe("τ, softens the teacher's classes; from a grid in the paper"),
  alpha: z.number().min(0).lt(1).default(0).describe('weight of the labels; 0 throughout the paper'),
  split: z
    .enum(['principal', 'clusters', 'random'])
    .default('principal')
    .describe(
      'what a class is split by: principal directions of its embeddings (LELP), k-means clusters, or numbers that do not depend on the input',
    ),
  members: z
    .enum(['teacher', 'labels'])
    .default('teacher')
    .describe('whose choice says which rows belong to a class; rows without a label follow the teacher'),
  nullProjection: z
    .boolean()
    .default(true)
    .describe("takes out of the embeddings what the teacher's logits see already"),
  rotate: z
    .boolean()
    .default(true)
    .describe('turns the directions of a class at random, so that no subclass has most of the variance'),
  normalize: z
    .boolean()
    .default(true)
    .describe(
      'measures the coordinates of a class in their standard deviations, so that β has no unit; not in the paper',
    ),
  seed: z.int().default(0).describe('seed of rotations, clusters and random splits'),
});

export type LelpOptions = z.infer<typeof config>;

/** Name of the prepared column: log p `[rows, classes · S]`. */
const TARGETS = 'subclasses';

/** LELP: pseudo-subclasses from principal directions of the teacher's embeddings, for tasks with few classes. */
export const lelp = defineMethod<LelpOptions>({
  slug: 'lelp',
  family: 'features',
  meta: {
    title: 'Linear Projections of Teacher Embeddings for Few-Class Distillation',
    year: 2024,
    link: 'arXiv 2409.20449',
    summary:
      'split every class along directions of the teacher’s embeddings and distil the subclasses; for tasks with few classes',
    deviations: [
      'written from descriptions of the method, without the authors’ code: centring by class means, membership by the teacher’s choice and the factor τ² are the usual reading',
      'coordinates are divided by their pooled standard deviation within the class, so that β means the same for every teacher; normalize: false leaves that out',
      'defaults of S, β and τ are chosen here: the paper takes them from a grid',
    ],
  },
  needs: {
    tasks: ['classify', 'image-classify'],
    signals: [['logits', 'hidden']],
    labels: 'optional',
    sameVocabulary: true,
    studentHidden: false,
  },
  config,
  teacherHidden: () => ['embedding'],
  subclasses: (options) => options.subclasses,
  // linear algebra is loaded when a run prepares, not with the catalogue
  prepare: async (options, signals) =>
    (await import('./subclass-prepare.ts')).prepareSubclasses(options, signals),
  loss: ({ student, teacher, labels }, { alpha, temperature }) => ({
    lelp: {
      value: subclassKl(student.subclasses ?? student.logits, teacher.prepared![TARGETS], { temperature }),
      weight: 1 - alpha,
    },
    ...(alpha > 0 && labels
      ? {
          ce: {
            value: crossEntropyWithLabels(student.logits, labels),
            over: 'labelled' as const,
            weight: alpha,
          },
        }
      : {}),
  }),
  identities: [
    {
      name: 'one subclass per class is plain distillation',
      check: ({ student, teacher }) => ({
        got: subclassKl(student.logits, temperedLogp(teacher.logits!, 2), { temperature: 2 }),
        want: hintonKl(student.logits, teacher.logits!, { temperature: 2 }),
      }),
    },
    {
      name: 'chain rule: distillation of the classes, and of the split within each by its weight',
      check: ({ student, teacher }) => {
        const logp = stopGradient(teacher.prepared![TARGETS]);
        const [rows, classes] = teacher.logits!.shape as number[];
        const apart = (x: Tensor): Tensor => reshape(x, [rows, classes, -1]);
        const [p, q] = [logSoftmax(apart(logp)), logSoftmax(apart(student.subclasses))];
        const classLogp = logSumExp(apart(logp), -1);
        const within = mul(exp(classLogp), sum(mul(exp(p), sub(p, q)), -1));
        return {
          got: subclassKl(student.subclasses, logp),
          want: add(forwardKl(logSoftmax(student.logits), classLogp), sum(within, -1)),
        };
      },
    },
  ],
});
