import { z } from 'zod';
import { fill } from '../../data/steps/fields.ts';
import type {
  StepContext,
  TextRecord,
  TextTeacher,
  Trace,
  WriteOptions,
  Written,
} from '../../data/steps/step.ts';
import { DecantError } from '../../util/errors.ts';

/** How a step asks: shared by every step that does. */
export const sampling = {
  samples: z.int().positive().default(1).describe('texts per question'),
  temperature: z.number().min(0).default(0.7).describe('0: the likeliest text'),
  topP: z.number().positive().max(1).default(0.95).describe('nucleus sampling'),
  frequencyPenalty: z.number().optional().describe('taken off a token for each time it was written'),
  presencePenalty: z.number().optional().describe('taken off a token that was written at all'),
  maxTokens: z.int().positive().default(256).describe('longest text'),
  stop: z.array(z.string().min(1)).default([]).describe('texts that end an answer'),
} as const;

export const template = (what: string) =>
  z.string().min(1).describe(`${what}; {prompt}, {response} and columns of data.keep are filled in`);

export type Sampling = Pick<
  WriteOptions,
  'samples' | 'temperature' | 'topP' | 'frequencyPenalty' | 'presencePenalty' | 'maxTokens' | 'stop'
>;

/** Where the whole answer of a text lies, for the row's trail. */
export const storedAs = ({ answer }: Written): Pick<Trace, 'answer'> =>
  answer === undefined ? {} : { answer };

/** The teacher of a step. Errors: `recipe` when the recipe has none that writes text. */
export function teacherOf({ teacher }: StepContext, step: string): TextTeacher {
  if (teacher) return teacher;
  throw new DecantError('recipe', `the step ${step} asks a teacher that writes text`, {
    at: 'teacher',
    seen: 'a teacher without text',
    allowed: 'task generate with a teacher trained in place or from a folder; any task with kind: api',
  });
}

/** Asks one question per row; rows and answers in order. */
export async function askRows(
  context: StepContext,
  step: string,
  records: readonly TextRecord[],
  question: string,
  { samples, temperature, topP, frequencyPenalty, presencePenalty, maxTokens, stop }: Sampling,
  part = 64,
): Promise<(readonly Written[])[]> {
  const teacher = teacherOf(context, step);
  const out: (readonly Written[])[] = [];
  for (let from = 0; from < records.length; from += part) {
    const prompts = records.slice(from, from + part).map((r) => fill(question, r, step));
    const answers = await teacher.write(prompts, {
      samples,
      temperature,
      topP,
      frequencyPenalty,
      presencePenalty,
      maxTokens,
      stop,
      seed: `${context.seed}/${step}/${from}`,
      rows: records.slice(from, from + part),
    });
    out.push(...answers);
    context.onProgress?.(Math.min(from + part, records.length), records.length);
  }
  return out;
}
