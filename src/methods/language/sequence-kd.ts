import { z } from 'zod';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { writeStep } from '../../teachers/steps/write.ts';
import { defineMethod } from '../method.ts';

const config = z.strictObject({
  template: z
    .string()
    .min(1)
    .default('{prompt}')
    .describe('what the teacher is asked; {prompt} is filled in'),
  samples: z.int().positive().default(1).describe('texts per prompt; 1 in the paper'),
  temperature: z.number().min(0).default(0).describe('0: the likeliest token at each position'),
  top_p: z.number().positive().max(1).default(1).describe('nucleus of samples, above temperature 0'),
  max_tokens: z.int().positive().default(128).describe('longest text; longer ones are left out'),
  stop: z.array(z.string().min(1)).default([]).describe('texts that end an answer'),
  keep_given: z.boolean().default(false).describe('also learn the given responses; false in the paper'),
});

/** Sequence-level distillation: the student learns what the teacher writes, as if it were the data. */
export const sequenceKd = defineMethod<z.infer<typeof config>>({
  slug: 'sequence-kd',
  family: 'language',
  meta: {
    title: 'Sequence-Level Knowledge Distillation',
    year: 2016,
    link: 'arXiv 1606.07947',
    summary:
      "train on the teacher's own answers: any two tokenizers, and teachers that give nothing but text",
    deviations: ['the teacher decodes greedily, where the paper searches with a beam of 5'],
  },
  needs: { tasks: ['generate'], signals: [['text']], labels: 'unused', sameVocabulary: false },
  config,
  curate: (given, o) =>
    given.step(
      writeStep,
      {
        template: o.template,
        samples: o.samples,
        temperature: o.temperature,
        topP: o.top_p,
        maxTokens: o.max_tokens,
        stop: o.stop,
        keepGiven: o.keep_given,
      },
      given.rows,
    ),
  loss: ({ student, labels, masks }) => ({
    text: {
      value: crossEntropyWithLabels(student.logits, labels!),
      over: masks.tokens ? 'tokens' : 'labelled',
    },
  }),
});
