import { z } from 'zod';
import { duplicatesStep } from '../../data/steps/duplicates.ts';
import { patternStep } from '../../data/steps/length.ts';
import { bestStep } from '../../data/steps/pick.ts';
import { crossEntropyWithLabels } from '../../losses/labels.ts';
import { expandStep } from '../../teachers/steps/expand.ts';
import { writeStep } from '../../teachers/steps/write.ts';
import { criticOptions, criticStep } from '../../train/critic-step.ts';
import { defineMethod } from '../method.ts';

const config = z.strictObject({
  expand: z
    .strictObject({
      to: z.int().positive().describe('prompts wanted, the given ones included'),
      shots: z.int().positive().default(10).describe('examples shown; 10 in the paper'),
      noun: z.string().default('Event: ').describe('put before each example'),
      gap: z.string().default('\n\n\n').describe('between examples; it ends a new prompt'),
      keep: z.number().positive().max(1).default(0.8).describe('share of new prompts kept, likeliest first'),
      pattern: z.string().default(`^[A-Za-z0-9',".\\-’$ ]{7,}$`).describe('what a new prompt must look like'),
    })
    .optional()
    .describe(
      'first let the teacher write further prompts after the given ones; without it prompts are as given',
    ),
  template: z
    .string()
    .min(1)
    .default('{prompt}')
    .describe(
      'what the teacher is asked; a few examples before {prompt} where the teacher was not trained on it',
    ),
  samples: z.int().positive().default(10).describe('texts per prompt; 10 in the paper'),
  top_p: z.number().positive().max(1).default(0.5).describe('nucleus of the samples; 0.5 in the paper'),
  temperature: z.number().positive().default(1).describe('sampling temperature'),
  max_tokens: z.int().positive().default(12).describe('longest text; 12 in the paper'),
  stop: z
    .array(z.string().min(1))
    .default([])
    .describe('texts that end an answer; a blank line in the paper'),
  shortest: z.int().nonnegative().default(3).describe('characters of the shortest text that is kept'),
  filter: z
    .boolean()
    .default(true)
    .describe('let the critic choose; false trains on everything the teacher wrote, the paper’s baseline'),
  critic: z.strictObject(criticOptions).prefault({}).describe('the critic and its cutoff'),
});

type Options = z.infer<typeof config>;

/** Symbolic distillation: the teacher writes a corpus, a critic throws out its worst part, the student learns the rest. */
export const symbolicKd = defineMethod<Options>({
  slug: 'symbolic-kd',
  family: 'data',
  meta: {
    title: 'Symbolic Knowledge Distillation: from General Language Models to Commonsense Models',
    year: 2021,
    link: 'arXiv 2110.07178',
    summary:
      'the teacher writes the corpus; a critic learns from ratings which texts to keep; the student trains on those',
    deviations: [
      'the critic reads hashed words and word pairs of prompt and response instead of a pretrained RoBERTa, under the released head; it trains for a fixed number of epochs, without early stopping',
      'ratings are split and cutoffs chosen by prompt, so that no prompt stands on both sides',
      'names in place of PersonX and PersonY, and their five-fold averaging, are left to the data',
      'only the text after the prompt is learned; the release does not show whether the prompt was',
    ],
  },
  needs: { tasks: ['generate'], signals: [['text']], labels: 'unused', sameVocabulary: false },
  config,
  async curate(given, o) {
    let prompts = given.pool.length > 0 ? given.pool : given.rows;
    if (o.expand) {
      const { keep, pattern, ...expand } = o.expand;
      const all = await given.step(
        expandStep,
        {
          ...expand,
          novelty: 1,
          topP: 0.9,
          temperature: 1,
          maxTokens: 12,
          frequencyPenalty: 0.5,
          presencePenalty: 0.5,
        },
        prompts,
      );
      const [old, made] = [all.slice(0, prompts.length), all.slice(prompts.length)];
      const likely = await given.step(bestStep, { by: 'logp', share: keep }, made);
      prompts = [...old, ...(await given.step(patternStep, { field: 'prompt', matches: pattern }, likely))];
    }
    const written = await given.step(
      writeStep,
      {
        from: 'train',
        template: o.template,
        samples: o.samples,
        topP: o.top_p,
        temperature: o.temperature,
        maxTokens: o.max_tokens,
        stop: o.stop,
        strip: '\\.$',
      },
      onePerPrompt(prompts),
    );
    const long = await given.step(patternStep, { matches: `^[\\s\\S]{${o.shortest},}$` }, written);
    const distinct = await given.step(duplicatesStep, { measure: 'exact' }, long);
    return o.filter ? given.step(criticStep, o.critic, distinct) : distinct;
  },
  loss: ({ student, labels, masks }) => ({
    text: {
      value: crossEntropyWithLabels(student.logits, labels!),
      over: masks.tokens ? 'tokens' : 'labelled',
    },
  }),
});

/** Prompts are asked once, however many responses the given rows have. */
function onePerPrompt<R extends { prompt?: string; text?: string }>(rows: readonly R[]): R[] {
  const seen = new Map<string, R>();
  for (const r of rows) if (!seen.has(r.prompt ?? r.text ?? '')) seen.set(r.prompt ?? r.text ?? '', r);
  return [...seen.values()];
}

/** A generated event with the sum of its tokens' log-probabilities (called nll in the released files). */
export interface GeneratedEvent {
  readonly text: string;
  readonly nll: number;
  readonly finished: boolean;
}

/**
 * The released post-processing of generated events: finished ones that begin with PersonX, one of each (the last score
 * wins), the likeliest share, without unusual characters and of at least 7 characters.
 */
export function postProcessEvents(generations: readonly GeneratedEvent[], keep: number): string[] {
  const scores = new Map<string, number>();
  for (const g of generations) if (g.finished && g.text.startsWith('PersonX')) scores.set(g.text, g.nll);
  const ranked = [...scores].sort((a, b) => b[1] - a[1]).map(([text]) => text);
  return ranked
    .slice(0, Math.floor(keep * ranked.length))
    .filter((text) => /^[A-Za-z0-9',".\-’$ ]{7,}$/.test(text));
}
