import { z } from 'zod';

/** The `evaluate` section. */
export const evaluateSection = z
  .strictObject({
    metrics: z
      .array(z.string())
      .min(1)
      .optional()
      .describe("figures of the report, by key, besides the headline's; all those of the task when absent"),
    baselines: z
      .strictObject({
        withoutTeacher: z.boolean().default(true).describe('the same student trained on the labels alone'),
        linear: z.boolean().default(true).describe('TF-IDF and logistic regression, where the task has one'),
      })
      .prefault({})
      .describe('what the student is compared with, besides the teacher'),
    slices: z
      .array(z.string())
      .default([])
      .describe('columns (of data.keep) by whose values results are also given'),
    bootstrap: z.int().min(100).default(1000).describe('resamples for intervals and paired tests'),
    level: z.number().gt(0).lt(1).default(0.95).describe('coverage of intervals'),
    topK: z.int().positive().default(5).describe('k of top-k agreement with the teacher'),
    latency: z
      .strictObject({
        batches: z.array(z.int().positive()).min(1).default([1, 32]).describe('batch sizes to time'),
        repeats: z.int().positive().default(50).describe('timed runs of each'),
      })
      .prefault({})
      .describe('how speed is measured'),
    examples: z
      .int()
      .nonnegative()
      .default(50)
      .describe('examples in the report where teacher and student differ'),
  })
  .prefault({})
  .describe('what is measured at the end');

/** The `export` section. */
export const exportSection = z
  .strictObject({
    formats: z
      .array(z.enum(['fp32', 'int8', 'int4']))
      .min(1)
      .default(['fp32', 'int8'])
      .describe('variants of onnx/model.onnx; int4 (4-bit weights) for language models'),
    tolerance: z
      .number()
      .positive()
      .default(1e-4)
      .describe("largest difference allowed between the exported model's outputs and the student's"),
    card: z.boolean().default(true).describe('write a model card with the measured table'),
    licence: z.string().optional().describe('licence named in the model card'),
  })
  .prefault({})
  .describe('the folder that is written');
