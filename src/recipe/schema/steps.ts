import { z } from 'zod';
import { dataSteps } from '../../train/steps.ts';

/** One entry of `data.steps`: the name of a step and its options. */
export const stepSchema = z
  .discriminatedUnion(
    'step',
    Object.values(dataSteps).map((s) =>
      z.strictObject({ step: z.literal(s.name), ...s.options.shape }).describe(s.about),
    ) as unknown as [z.ZodObject, ...z.ZodObject[]],
  )
  .describe('a step and its options');
