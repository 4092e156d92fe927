import { z } from 'zod';
import { trainFields } from './train.ts';

/** The `prefer` section, for task prefer. */
export const preferSection = z
  .strictObject({
    sft: trainFields
      .optional()
      .describe(
        'supervised training of the student on the better responses before preferences; none when absent',
      ),
    reference: z
      .enum(['start', 'teacher', 'moving'])
      .default('start')
      .describe(
        'what log-probabilities are compared with: a frozen copy of the student before preferences, the teacher, or a running average of the student',
      ),
    decay: z
      .number()
      .min(0)
      .lt(1)
      .default(0.99)
      .describe('of a moving reference: share of the old reference kept after each step'),
  })
  .describe('task prefer: what comes before preferences, and what they are relative to');
