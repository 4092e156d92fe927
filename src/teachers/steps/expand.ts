import { z } from 'zod';
import { noveltyFilter } from '../../data/steps/diversity.ts';
import { defineStep, type Removed, type TextRecord, traced } from '../../data/steps/step.ts';
import { createRng } from '../../util/rng.ts';
import { sampling, teacherOf } from './ask.ts';

/** Numbered few-shot examples, the last number left open: "1. a\n2. b\n3." */
export const numbered = (examples: readonly string[], noun: string, gap: string): string =>
  [...examples.map((e, i) => `${i + 1}. ${noun}${e}`), `${examples.length + 1}. ${noun.trimEnd()}`].join(gap);

/** New prompts from the given ones (Self-Instruct, Wang et al. 2023): shown a few, the teacher writes another. */
export const expandStep = defineStep({
  name: 'expand',
  about:
    'the teacher writes new prompts after a few of the given ones; only novel ones are kept (seed expansion)',
  options: z.strictObject({
    to: z.int().positive().describe('prompts wanted, the given ones included'),
    shots: z.int().positive().default(8).describe('examples shown; up to a quarter of them are written ones'),
    noun: z.string().default('').describe('put before each example, such as "Event: "'),
    gap: z.string().default('\n').describe('between examples; it also ends an answer'),
    ...sampling,
    temperature: z.number().min(0).default(1).describe('0: the likeliest text'),
    samples: z.int().positive().default(4).describe('texts per question'),
    maxTokens: z.int().positive().default(64).describe('longest prompt'),
    novelty: z.number().positive().max(1).default(0.7).describe('largest ROUGE-L with a prompt that is kept'),
    rounds: z.int().positive().default(50).describe('questions at most, in groups of eight'),
  }),
  version: 1,
  needs: ['teacher'],
  async run(records, options, context) {
    const { to, shots, noun, gap, novelty, rounds } = options;
    const teacher = teacherOf(context, 'expand');
    const rng = createRng(`${context.seed}/expand`);
    const given = [...new Set(records.map((r) => r.prompt ?? r.text ?? ''))];
    const made: TextRecord[] = [];
    const removed: Removed[] = [];
    const [like] = records;
    const asText = like?.prompt === undefined;
    let asked = 0;
    for (let round = 0; round < rounds && given.length + made.length < to && like; round++) {
      const questions = Array.from({ length: 8 }, () => {
        const own = Math.min(Math.floor(shots / 4), made.length);
        const old = rng.shuffle(given.slice()).slice(0, Math.max(1, shots - own));
        const fresh = rng
          .shuffle(made.slice())
          .slice(0, own)
          .map((r) => r.prompt ?? r.text ?? '');
        return numbered([...old, ...fresh], noun, gap);
      });
      asked += questions.length;
      const answers = await teacher.write(questions, {
        ...options,
        stop: [...options.stop, gap],
        seed: `${context.seed}/expand/${round}`,
      });
      for (const a of answers.flat()) {
        const text = a.text.trim();
        const prompt = asText ? { text } : { prompt: text, response: undefined };
        const record = traced(
          { file: `written after ${like.file}`, line: made.length + removed.length + 1, ...prompt },
          { step: 'expand', by: teacher.id },
          a.logp === undefined ? {} : { logp: a.logp },
        );
        const known = [...given, ...made.map((r) => r.prompt ?? r.text ?? '')];
        const [judged] = noveltyFilter(known, [text], { threshold: novelty });
        if (text === '' || !a.finished)
          removed.push({ record, reason: text === '' ? 'an empty text' : 'cut at the longest length' });
        else if (!judged.kept)
          removed.push({ record, reason: `ROUGE-L ${judged.similarity.toFixed(2)} with a known prompt` });
        else if (given.length + made.length < to) made.push(record);
      }
      context.onProgress?.(Math.min(to, given.length + made.length), to);
    }
    return { kept: [...records, ...made], removed, figures: { questions: asked, novel: made.length } };
  },
});
