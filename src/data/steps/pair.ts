import { z } from 'zod';
import { byPrompt, field, requireNumber } from './fields.ts';
import { defineStep, type Removed, type TextRecord, traced } from './step.ts';

/** Preference pairs out of scored texts: of each prompt the best with the worst, the second best with the second worst, … */
export const pairStep = defineStep({
  name: 'pair',
  about:
    'pairs of texts of one prompt, the better by a figure against the worse: rows with chosen and rejected',
  options: z.strictObject({
    by: field.default('score').describe('figure of an earlier step: score, logp, passRate, agreement'),
    pairs: z.int().positive().default(1).describe('pairs of a prompt at most'),
    margin: z.number().min(0).default(0).describe('pairs whose figures differ by no more are left out'),
  }),
  version: 1,
  needs: [],
  run(records, { by, pairs, margin }) {
    const kept: TextRecord[] = [];
    const removed: Removed[] = [];
    for (const group of byPrompt(records).values()) {
      const distinct = [...new Map(group.map((r) => [r.response, r])).values()];
      const ranked = distinct
        .map((r) => ({ r, value: requireNumber(r, by, 'pair') }))
        .sort((a, b) => b.value - a.value);
      if (ranked.length < 2) removed.push({ record: group[0], reason: 'nothing to compare it with' });
      for (let i = 0; i < Math.min(pairs, Math.floor(ranked.length / 2)); i++) {
        const [better, worse] = [ranked[i], ranked[ranked.length - 1 - i]];
        if (better.value - worse.value > margin)
          kept.push(paired(better.r, worse.r, better.value - worse.value));
        else
          removed.push({ record: better.r, reason: `${by} differs by ${better.value - worse.value} only` });
      }
    }
    return { kept, removed, figures: { prompts: byPrompt(records).size, pairs: kept.length } };
  },
});

function paired(better: TextRecord, worse: TextRecord, difference: number): TextRecord {
  const { response: chosen, ...row } = better;
  return traced({ ...row, chosen, rejected: worse.response }, { step: 'pair' }, { difference });
}
