import { z } from 'zod';

const optimizer = z
  .strictObject({
    name: z.enum(['adamw', 'adam', 'sgd', 'lion', 'adafactor']).default('adamw').describe('update rule'),
    lr: z.number().positive().default(1e-3).describe('largest learning rate'),
    weightDecay: z
      .number()
      .nonnegative()
      .default(0.01)
      .describe('decay of matrices; biases and norms have none'),
    beta1: z.number().min(0).lt(1).optional().describe('decay of the first moment'),
    beta2: z.number().min(0).lt(1).optional().describe('decay of the second moment'),
    momentum: z.number().min(0).lt(1).optional().describe('momentum of sgd'),
  })
  .prefault({})
  .describe('how weights are updated');

const schedule = z
  .strictObject({
    name: z
      .enum(['constant', 'linear', 'cosine', 'one-cycle', 'inverse-sqrt'])
      .default('cosine')
      .describe('course of the learning rate'),
    warmup: z
      .number()
      .nonnegative()
      .default(0.06)
      .describe('steps (1 or more) or share of all steps (below 1) during which it rises'),
    end: z.number().min(0).max(1).default(0).describe('share of the largest rate at the end'),
  })
  .prefault({})
  .describe('learning rate over the run');

const fields = {
  epochs: z
    .number()
    .positive()
    .optional()
    .describe('passes over the training rows (10 when neither epochs nor steps is given)'),
  steps: z.int().positive().optional().describe('updates, instead of epochs'),
  batchSize: z.int().positive().default(32).describe('examples per update and accumulation part'),
  accumulate: z.int().positive().default(1).describe('parts whose gradients are added before an update'),
  optimizer,
  schedule,
  clipNorm: z
    .number()
    .positive()
    .nullable()
    .default(1)
    .describe('largest norm of the gradient; null for none'),
  dropout: z
    .number()
    .min(0)
    .lt(1)
    .optional()
    .describe('rate of every dropout of the model, when it should differ from the architecture’s own'),
  buckets: z
    .int()
    .positive()
    .default(4)
    .describe('lengths that texts are padded to, so that little is computed for padding'),
  packing: z
    .boolean()
    .default(false)
    .describe(
      'task generate: lay several rows side by side into one of maxLength tokens; attention and positions stay inside each (batchSize then counts packed rows)',
    ),
  evalEvery: z
    .union([z.int().positive(), z.literal('epoch')])
    .default('epoch')
    .describe('steps between evaluations on the validation rows'),
  earlyStopping: z
    .strictObject({
      metric: z.string().default('loss').describe('validation figure that is watched'),
      patience: z.int().positive().default(3).describe('evaluations without improvement before the end'),
      minDelta: z.number().nonnegative().default(0).describe('smallest change that counts as an improvement'),
    })
    .optional()
    .describe('stop when the validation figure no longer improves; the best weights are kept'),
  keep: z
    .enum(['last', 'best'])
    .default('last')
    .describe('weights that are exported: those at the end, or the best on the validation rows'),
  ema: z
    .number()
    .min(0)
    .lt(1)
    .optional()
    .describe('decay of a running average of the weights, which is then what is evaluated and exported'),
};

const notBoth = (t: { epochs?: number; steps?: number }): boolean =>
  t.epochs === undefined || t.steps === undefined;
const notBothMessage = 'epochs and steps exclude each other';

/** Training of one model; also used for a teacher trained in place. */
export const trainFields = z.strictObject(fields).refine(notBoth, { message: notBothMessage });

/** The `train` section. */
export const trainSection = z
  .strictObject({
    ...fields,
    checkpointEvery: z
      .number()
      .positive()
      .default(60)
      .describe('seconds between checkpoints; also at the end of every epoch (of 20 steps or more)'),
    engine: z
      .enum(['auto', 'node', 'web', 'reference'])
      .default('auto')
      .describe(
        'what executes the graphs: onnxruntime (auto, node) or the exact, very slow float64 interpreter (reference); web is for pages',
      ),
    threads: z.int().positive().optional().describe('threads of the engine; all cores when absent'),
    probe: z
      .boolean()
      .default(true)
      .describe("check at the start that the student's gradient changes when the teacher's signal does"),
  })
  .refine(notBoth, { message: notBothMessage })
  .describe('how the student is trained');
