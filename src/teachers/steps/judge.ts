import { z } from 'zod';
import { byPrompt } from '../../data/steps/fields.ts';
import { defineStep, type Removed, type TextRecord, traced } from '../../data/steps/step.ts';
import { askRows, sampling, teacherOf, template } from './ask.ts';

const judging = {
  ...sampling,
  samples: z.int().positive().default(1).describe('verdicts asked for; their mean counts'),
  temperature: z.number().min(0).default(0).describe('0: the likeliest verdict'),
  maxTokens: z.int().positive().default(16).describe('longest verdict'),
};

/** The first number of a verdict inside the range, or undefined. */
export function readScore(text: string, low: number, high: number): number | undefined {
  for (const [found] of text.matchAll(/-?\d+(?:\.\d+)?/g)) {
    const n = Number(found);
    if (n >= low && n <= high) return n;
  }
  return undefined;
}

/** The score of the verdict that a text names first, as a whole word in any case. */
export function readVerdict(text: string, verdicts: Readonly<Record<string, number>>): number | undefined {
  const found = Object.entries(verdicts)
    .map(([word, score]) => ({ score, word, at: wordAt(text, word) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at || b.word.length - a.word.length);
  return found[0]?.score;
}

const wordAt = (text: string, word: string): number =>
  text.search(
    new RegExp(`(?<![\\p{L}\\p{N}])${word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\p{L}\\p{N}])`, 'iu'),
  );

/** The teacher scores each text; texts below a bar go. */
export const judgeStep = defineStep({
  name: 'judge',
  about: 'the teacher scores every text, and those below a bar go (LLM as a judge)',
  options: z.strictObject({
    template: template('what the judge is asked').default(
      'Rate the answer from 1 (useless) to 5 (perfect). Say only the number.\nQuestion: {prompt}\nAnswer: {response}\nRating:',
    ),
    low: z.number().default(1).describe('lowest score of the scale'),
    high: z.number().default(5).describe('highest score of the scale'),
    verdicts: z
      .record(z.string().min(1), z.number())
      .optional()
      .describe('verdicts in words with their scores, such as { good: 1, bad: 0 }, in place of numbers'),
    min: z.number().optional().describe('smallest score that is kept; without it scores are only noted'),
    ...judging,
  }),
  version: 2,
  needs: ['teacher'],
  async run(records, options, context) {
    const { low, high, min, verdicts: words } = options;
    const read = (text: string): number | undefined =>
      words ? readVerdict(text, words) : readScore(text, low, high);
    const verdicts = await askRows(context, 'judge', records, options.template, options);
    const by = teacherOf(context, 'judge').id;
    const kept: TextRecord[] = [];
    const removed: Removed[] = [];
    let sum = 0;
    records.forEach((record, i) => {
      const scores = verdicts[i].map((v) => read(v.text)).filter((s) => s !== undefined);
      if (scores.length === 0) {
        removed.push({ record, reason: 'the judge gave no score' });
        return;
      }
      const score = scores.reduce((a, b) => a + b) / scores.length;
      sum += score;
      if (min !== undefined && score < min) removed.push({ record, reason: `score ${score}, below ${min}` });
      else kept.push(traced(record, { step: 'judge', by }, { score }));
    });
    const judged = kept.length + removed.filter((r) => r.reason !== 'the judge gave no score').length;
    return { kept, removed, figures: { judged, meanScore: judged === 0 ? 0 : sum / judged } };
  },
});

/** The first stand-alone A or B of a verdict. */
export const readChoice = (text: string): 'A' | 'B' | undefined =>
  /\b([AB])\b/.exec(text)?.[1] as 'A' | 'B' | undefined;

/** Pairs of a prompt's texts, judged in both orders (against position bias); the clear ones become chosen and rejected. */
export const preferStep = defineStep({
  name: 'prefer',
  about: 'the teacher compares texts of a prompt in pairs, in both orders: rows with chosen and rejected',
  options: z.strictObject({
    template: template('what the judge is asked, with {A} and {B} for the two texts').default(
      'Which answer is better? Say only A or B.\nQuestion: {prompt}\nA: {A}\nB: {B}\nBetter:',
    ),
    pairs: z.int().positive().default(1).describe('pairs of a prompt at most, neighbours in order'),
    ...judging,
  }),
  version: 1,
  needs: ['teacher'],
  async run(records, options, context) {
    const by = teacherOf(context, 'prefer').id;
    const duels: { a: TextRecord; b: TextRecord }[] = [];
    const removed: Removed[] = [];
    for (const group of byPrompt(records).values()) {
      const distinct = [...new Map(group.map((r) => [r.response, r])).values()];
      if (distinct.length < 2) removed.push({ record: group[0], reason: 'nothing to compare it with' });
      for (let i = 0; i + 1 < distinct.length && i < options.pairs; i++)
        duels.push({ a: distinct[i], b: distinct[i + 1] });
    }
    const asked = (first: 'a' | 'b', second: 'a' | 'b'): TextRecord[] =>
      duels.map((d) => ({
        ...d.a,
        facts: { ...d.a.facts, A: d[first].response ?? '', B: d[second].response ?? '' },
      }));
    const ask = (rows: TextRecord[], order: string) =>
      askRows({ ...context, seed: `${context.seed}/${order}` }, 'prefer', rows, options.template, options);
    const forward = await ask(asked('a', 'b'), 'ab');
    const backward = await ask(asked('b', 'a'), 'ba');
    const kept: TextRecord[] = [];
    duels.forEach(({ a, b }, i) => {
      const votes = [
        ...forward[i].map((v) => ({ A: 1, B: 0 })[readChoice(v.text) ?? ('none' as never)]),
        ...backward[i].map((v) => ({ A: 0, B: 1 })[readChoice(v.text) ?? ('none' as never)]),
      ].filter((v): v is number => v !== undefined);
      const share = votes.length === 0 ? 0.5 : votes.reduce((x, y) => x + y) / votes.length;
      if (share === 0.5) {
        removed.push({
          record: a,
          reason: votes.length === 0 ? 'the judge gave no verdict' : 'undecided over both orders',
        });
        return;
      }
      const [chosen, rejected] = share > 0.5 ? [a, b] : [b, a];
      const { response: _, ...row } = chosen;
      kept.push(
        traced(
          { ...row, chosen: chosen.response, rejected: rejected.response },
          { step: 'prefer', by },
          { preference: Math.max(share, 1 - share) },
        ),
      );
    });
    return { kept, removed, figures: { pairs: duels.length, decided: kept.length } };
  },
});
