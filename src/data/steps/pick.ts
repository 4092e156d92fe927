import { z } from 'zod';
import { byPrompt, field, requireNumber } from './fields.ts';
import { defineStep, removing, type TextRecord } from './step.ts';

/** Keeps the rows with the largest values of a figure: a share, a number, or so many per prompt (best of n). */
export const bestStep = defineStep({
  name: 'best',
  about: 'keep the rows with the largest figure: a share of all, or so many per prompt (best of n)',
  options: z.strictObject({
    by: field.default('logp').describe('figure of an earlier step: logp, score, agreement, similarity'),
    share: z.number().positive().max(1).optional().describe('share of all rows that is kept, rounded down'),
    perPrompt: z.int().positive().optional().describe('rows kept of every prompt'),
    smallest: z.boolean().default(false).describe('keep the smallest instead'),
  }),
  version: 1,
  needs: [],
  run(records, { by, share, perPrompt, smallest }) {
    const sign = smallest ? -1 : 1;
    const value = new Map(records.map((r) => [r, sign * requireNumber(r, by, 'best')]));
    const ranked = (rows: readonly TextRecord[]): TextRecord[] =>
      [...rows].sort((a, b) => value.get(b)! - value.get(a)!);
    const chosen = new Set<TextRecord>(records);
    const drop = (rows: readonly TextRecord[]): void => {
      for (const r of rows) chosen.delete(r);
    };
    if (perPrompt !== undefined)
      for (const group of byPrompt(records).values()) drop(ranked(group).slice(perPrompt));
    if (share !== undefined) {
      const left = ranked([...chosen]);
      drop(left.slice(Math.floor(share * left.length)));
    }
    return removing(records, (r) =>
      chosen.has(r)
        ? undefined
        : `${by} ${(sign * value.get(r)!).toFixed(3)}: others are ${smallest ? 'lower' : 'higher'}`,
    );
  },
});

/** Keeps prompts of a middling difficulty, by how many of their samples were right. */
export const difficultyStep = defineStep({
  name: 'difficulty',
  about: 'keep rows of a certain difficulty: share of right samples of their prompt, or any figure',
  options: z.strictObject({
    by: field
      .default('passRate')
      .describe('figure: passRate (left by verify with mark: true), agreement, logp, score'),
    min: z.number().optional().describe('smallest'),
    max: z
      .number()
      .optional()
      .describe('largest; 0.9 for passRate leaves out what the teacher always solves'),
  }),
  version: 1,
  needs: [],
  run: (records, { by, min, max }) =>
    removing(records, (r) => {
      const x = requireNumber(r, by, 'difficulty');
      if (min !== undefined && x < min) return `${by} ${x.toFixed(3)} is below ${min}`;
      if (max !== undefined && x > max) return `${by} ${x.toFixed(3)} is above ${max}`;
      return undefined;
    }),
});

/** Shares of right rows among those of the same prompt. */
export function passRates(
  records: readonly TextRecord[],
  right: ReadonlySet<TextRecord>,
): Map<TextRecord, number> {
  const rates = new Map<TextRecord, number>();
  for (const group of byPrompt(records).values()) {
    const rate = group.filter((r) => right.has(r)).length / group.length;
    for (const r of group) rates.set(r, rate);
  }
  return rates;
}
