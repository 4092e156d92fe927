import { z } from 'zod';
import {
  defineStep,
  type Removed,
  type StepContext,
  type StepResult,
  type TextRecord,
  traced,
} from '../../data/steps/step.ts';
import { askRows, sampling, storedAs, teacherOf, template } from './ask.ts';

/** What `write` and `sample` have in common. */
const writing = {
  from: z
    .enum(['auto', 'train', 'pool'])
    .default('auto')
    .describe(
      'rows to answer: the rows so far, or those of data.unlabeled (auto: the latter when there are any)',
    ),
  template: template('what is asked').default('{prompt}'),
  ...sampling,
  finished: z.boolean().default(true).describe('drop texts that were cut at the longest length'),
  strip: z.string().optional().describe('regular expression whose matches are cut out of the answer'),
  keepGiven: z.boolean().default(false).describe('keep the rows that were given, beside those written'),
};
type Writing = z.output<z.ZodObject<typeof writing>>;

/** Texts for each row, every sample a row of its own. Empty and (by choice) unfinished ones go. */
async function written(
  step: string,
  records: readonly TextRecord[],
  options: Writing,
  context: StepContext,
): Promise<StepResult> {
  const { from, template: question, finished, strip, keepGiven } = options;
  const asked = from === 'pool' || (from === 'auto' && context.pool.length > 0) ? context.pool : records;
  const answers = await askRows(context, step, asked, question, options);
  const cut = strip === undefined ? undefined : new RegExp(strip, 'gu');
  const by = teacherOf(context, step).id;
  const kept: TextRecord[] = keepGiven ? [...records] : [];
  const removed: Removed[] = [];
  asked.forEach((row, i) => {
    if (answers[i].length === 0) removed.push({ record: row, reason: 'there was no answer' });
    answers[i].forEach((a, sample) => {
      const response = (cut ? a.text.replace(cut, '') : a.text).trim();
      const record = traced(
        { ...row, response },
        { step, by: a.by ?? by, note: `sample ${sample}`, ...storedAs(a) },
        a.logp === undefined ? {} : { logp: a.logp },
      );
      if (response === '') removed.push({ record, reason: 'an empty text' });
      else if (finished && !a.finished) removed.push({ record, reason: 'cut at the longest length' });
      else kept.push(record);
    });
  });
  return { kept, removed, figures: { prompts: asked.length, texts: answers.flat().length } };
}

/** The teacher's texts for each row. */
export const writeStep = defineStep({
  name: 'write',
  about: 'the teacher answers every prompt, once or several times (labelling)',
  options: z.strictObject(writing),
  version: 2,
  needs: ['teacher', 'pool'],
  run: (records, options, context) => written('write', records, options, context),
});

/** The student's own texts (on-policy): as it is when the step runs, so that a judge can say which of them are good. */
export const sampleStep = defineStep({
  name: 'sample',
  about: 'the student, as it is by then, answers every prompt several times (on-policy; task prefer)',
  options: z.strictObject({
    ...writing,
    samples: z.int().positive().default(4).describe('texts per prompt'),
    temperature: z.number().min(0).default(1).describe('0: the likeliest text'),
    topP: z.number().positive().max(1).default(1).describe('nucleus sampling'),
    maxTokens: z.int().positive().default(64).describe('longest text'),
  }),
  version: 1,
  needs: ['student', 'pool'],
  run: (records, options, context) =>
    written('sample', records, options, { ...context, teacher: context.student }),
});

/** Rationales (Hsieh et al. 2023; STaR, Zelikman et al. 2022): the teacher explains, with the right answer as a hint or not. */
export const explainStep = defineStep({
  name: 'explain',
  about: 'the teacher writes a rationale for each answer; the response becomes rationale and answer',
  options: z.strictObject({
    template: template('what the teacher is asked').default(
      'Question: {prompt}\nAnswer: {response}\nExplain step by step why this is the answer.\n',
    ),
    ...sampling,
    join: z
      .string()
      .default('{rationale}\n{response}')
      .describe('the new response, from {rationale} and {response}: reasoning first, answer last'),
  }),
  version: 2,
  needs: ['teacher'],
  async run(records, options, context) {
    const answers = await askRows(context, 'explain', records, options.template, options);
    const by = teacherOf(context, 'explain').id;
    const kept: TextRecord[] = [];
    const removed: Removed[] = [];
    records.forEach((row, i) => {
      const texts = answers[i].filter((a) => a.text.trim() !== '');
      if (texts.length === 0) removed.push({ record: row, reason: 'no rationale was given' });
      for (const a of texts) {
        const rationale = a.text.trim();
        const response = options.join
          .replaceAll('{rationale}', () => rationale)
          .replaceAll('{response}', () => row.response ?? '');
        kept.push(
          traced(
            { ...row, response },
            { step: 'explain', by, ...storedAs(a) },
            { rationale, answer: row.response ?? '' },
          ),
        );
      }
    });
    return { kept, removed };
  },
});
