import type { TextRecord } from '../data/steps/step.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Method } from '../methods/method.ts';
import { alignedTopK, spellingOf, storedTokens } from '../teachers/api/index.ts';
import { describeForm, type StoreSettings, signalForm } from '../teachers/signal-form.ts';
import type { TokenRows } from '../train/language.ts';
import { contentHash } from '../util/node/hash.ts';
import type { RunContext } from './context.ts';
import { signalColumns, type TeacherKnowledge } from './generate-signals.ts';

/** Whether a method can learn from top-k log-probabilities alone: all that an API says beyond its text. */
export const learnsFromTopK = ({ needs }: Pick<Method, 'needs'>): boolean =>
  needs.signals.some((set) => set.length > 0 && set.every((s) => s === 'topk' || s === 'text'));

/** Log-probabilities asked for per token when the recipe does not say: the most that OpenAI's interface gives. */
export const TOP_LOGPROBS = 20;

/** Below this share of positions the report warns. */
const LITTLE = 0.5;

/**
 * What an API's log-probabilities say at the positions of the rows that it wrote, as columns of top-k signals. Positions
 * whose tokens are not the teacher's, and rows of other origin, have their own token alone; the share of the others stands in
 * the report.
 */
export async function apiKnowledge(
  ctx: RunContext,
  rows: TokenRows,
  examples: readonly TextRecord[],
  tokenizer: Tokenizer,
): Promise<TeacherKnowledge> {
  const { store, topLogprobs = TOP_LOGPROBS } = ctx.recipe.teacher as {
    store: StoreSettings;
    topLogprobs?: number;
  };
  const spelling = spellingOf(tokenizer);
  // the token that was written may be none of the likeliest
  const k = Math.min(topLogprobs + 1, tokenizer.size);
  const form = signalForm({ ...store, format: 'topk', k }, tokenizer.size, 'tokens');
  const shelf = ctx.signals.shelf({
    teacher: `api-tokens:${contentHash([tokenizer.files, k])}`,
    signal: 'next-token',
    settings: { k, ...form.encoding } as never,
  });
  const answers = rows.rows.map((r) => answerOf(examples[r.example]));
  const key = (i: number): unknown => ({ ids: [...rows.rows[i].ids], answer: answers[i] ?? '' });
  const count = { positions: 0, aligned: 0, rows: 0 };
  for (const [i, row] of rows.rows.entries()) {
    const tokens = answers[i] === undefined ? undefined : storedTokens(ctx.signals, answers[i]);
    const { signal, aligned } = alignedTopK(tokens, row, spelling, k);
    if (!shelf.has(key(i))) await shelf.put(key(i), signal, form.encoding);
    count.aligned += aligned;
    if (aligned > 0) count.rows++;
    count.positions += row.learned.reduce((n, l) => n + l, 0);
  }
  const share = count.aligned / Math.max(1, count.positions);
  const percent = `${(100 * share).toFixed(1)} %`;
  ctx.journal.event('alignment', { ...count, of: rows.size, share });
  return {
    columns: (chosen) => signalColumns(rows, shelf, key, chosen),
    asked: 0,
    facts: [
      {
        name: 'Positions with the teacher’s log-probabilities',
        value: `${percent} of ${count.positions.toLocaleString('en-US')} learned; at the others, ends of texts among them, the token that was written`,
      },
      { name: 'Teacher signals on disk', value: describeForm({ ...form, topk: k }) },
    ],
    warnings:
      share < LITTLE
        ? [
            `Only ${percent} of the learned positions have the teacher’s log-probabilities: its tokens are seldom those of the student. A student with the teacher’s tokenizer (student.tokenizer.from) gets all of them.`,
          ]
        : [],
  };
}

/** The stored answer that a row's response was made of: the last that a step noted. */
const answerOf = ({ trail = [] }: TextRecord): string | undefined =>
  trail.findLast((t) => t.answer !== undefined)?.answer;
