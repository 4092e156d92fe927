import { z } from 'zod';
import { field, textFor } from './fields.ts';
import { defineStep, removing } from './step.ts';

const count = (text: string, unit: 'words' | 'characters'): number =>
  unit === 'words' ? text.split(/\s+/).filter(Boolean).length : [...text].length;

/** Keeps rows whose text is neither too short nor too long. */
export const lengthStep = defineStep({
  name: 'length',
  about: 'keep rows whose text is neither too short nor too long',
  options: z.strictObject({
    field: field.default('response'),
    unit: z.enum(['words', 'characters']).default('words').describe('what is counted'),
    min: z.int().nonnegative().default(0).describe('fewest'),
    max: z.int().positive().optional().describe('most'),
  }),
  version: 1,
  needs: [],
  run: (records, { field: name, unit, min, max }) =>
    removing(records, (r) => {
      const n = count(textFor(r, name, 'length'), unit);
      if (n < min) return `${n} ${unit}, at least ${min} are wanted`;
      if (max !== undefined && n > max) return `${n} ${unit}, at most ${max} are wanted`;
      return undefined;
    }),
});

/** Keeps rows whose text fits a pattern, or does not. */
export const patternStep = defineStep({
  name: 'pattern',
  about: 'keep rows whose text fits a regular expression, or does not fit one',
  options: z.strictObject({
    field: field.default('response'),
    matches: z.string().optional().describe('regular expression (u flag) that must be found'),
    not: z.string().optional().describe('regular expression (u flag) that must not be found'),
  }),
  version: 1,
  needs: [],
  run: (records, { field: name, matches, not }) => {
    const [want, ban] = [matches, not].map((p) => (p === undefined ? undefined : new RegExp(p, 'u')));
    return removing(records, (r) => {
      const text = textFor(r, name, 'pattern');
      if (want && !want.test(text)) return `does not fit /${matches}/`;
      if (ban?.test(text)) return `fits /${not}/`;
      return undefined;
    });
  },
});
