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
    rounds: z
      .int()
      .positive()
      .default(1)
      .describe(
        'with the step sample: how often the student answers, is judged, and learns from the pairs (train, in every round)',
      ),
    judged: z
      .int()
      .nonnegative()
      .default(200)
      .describe(
        'with the step sample: test prompts whose answers are judged before and after, for the report',
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
