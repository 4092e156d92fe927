import { z } from 'zod';

const time = z.number().gt(0).lt(1);

/** The `diffusion` section. */
export const diffusionSection = z
  .strictObject({
    schedule: z
      .enum(['cosine', 'linear'])
      .default('cosine')
      .describe('noise over time: α = cos(π t / 2), or β rising linearly from 0.1 to 20'),
    prediction: z
      .enum(['v_prediction', 'sample', 'epsilon'])
      .default('v_prediction')
      .describe('what the networks put out: velocity, clean sample or noise'),
    tMin: time.default(0.02).describe('time of the least noise'),
    tMax: time.default(0.98).describe('time of the most noise, where sampling starts'),
    steps: z
      .int()
      .positive()
      .default(64)
      .describe("DDIM steps of the teacher's samples that students are compared with"),
    few: z
      .array(z.int().positive())
      .default([1, 4, 8])
      .describe('smaller numbers of steps that the teacher is also measured with'),
    samples: z
      .int()
      .min(16)
      .default(2000)
      .describe('samples drawn for the measurement, at most as many as there are test rows'),
  })
  .refine(({ tMin, tMax }) => tMin < tMax, { message: 'tMin must be below tMax' })
  .describe('task diffuse: the noise process that teacher and student share, and how they are measured');
export type DiffusionSection = z.output<typeof diffusionSection>;
