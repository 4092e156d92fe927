import { z } from 'zod';
import { answerBy, comparableAnswer, finalNumber, majority } from './answers.ts';
import { byPrompt, field, requireText } from './fields.ts';
import { defineStep, type Removed, type TextRecord, traced } from './step.ts';

/** How the answer is found in a text; shared by voting and verification. */
export const answerOptions = {
  answer: z
    .union([z.literal('number'), z.literal('whole'), z.strictObject({ pattern: z.string().min(1) })])
    .default('number')
    .describe('where the answer stands: the final number, the whole text, or the last match of a pattern'),
} as const;

export type AnswerRule = 'number' | 'whole' | { pattern: string };

/** The answer in a text, in comparable form; undefined where there is none. */
export function answerIn(text: string, rule: AnswerRule): string | undefined {
  const found =
    rule === 'number' ? finalNumber(text).value : rule === 'whole' ? text : answerBy(text, rule.pattern);
  return found === undefined || found === null ? undefined : comparableAnswer(String(found));
}

/** Self-consistency (Wang et al. 2022): of the samples of a prompt those stay that give the majority's answer. */
export const voteStep = defineStep({
  name: 'vote',
  about: 'keep samples that give the answer of most samples of their prompt (self-consistency)',
  options: z.strictObject({
    field: field.default('response'),
    ...answerOptions,
    agreement: z.number().min(0).max(1).default(0.5).describe('smallest share of samples that must agree'),
    keep: z.int().positive().optional().describe('at most so many samples of a prompt; all when absent'),
  }),
  version: 1,
  needs: [],
  run(records, { field: name, answer, agreement, keep }) {
    const kept: TextRecord[] = [];
    const removed: Removed[] = [];
    for (const group of byPrompt(records).values()) {
      const answers = group.map((r) => answerIn(requireText(r, name, 'vote'), answer));
      const vote = majority(answers.filter((a) => a !== undefined));
      // samples without an answer count: they do not agree
      const share = vote
        ? (vote.agreement * answers.filter((a) => a !== undefined).length) / group.length
        : 0;
      let taken = 0;
      group.forEach((record, i) => {
        const reason =
          answers[i] === undefined
            ? 'no answer found'
            : share < agreement
              ? `only ${Math.round(100 * share)} % of ${group.length} samples agree`
              : answers[i] !== vote!.answer
                ? `${answers[i]}, most say ${vote!.answer}`
                : keep !== undefined && taken >= keep
                  ? `${keep} samples of this prompt are kept already`
                  : undefined;
        if (reason) removed.push({ record, reason });
        else {
          taken++;
          kept.push(traced(record, { step: 'vote' }, { answer: vote!.answer, agreement: share }));
        }
      });
    }
    return { kept, removed };
  },
});
