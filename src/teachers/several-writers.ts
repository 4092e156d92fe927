import type { TextTeacher, Written } from '../data/steps/step.ts';
import { DecantError } from '../util/errors.ts';
import { contentHash } from '../util/node/hash.ts';
import { answeredBy } from './several.ts';

export interface WritingMember {
  readonly writer: TextTeacher;
  /** Values of the column whose rows it answers; absent: rows that are no other member's. */
  readonly for?: readonly string[];
}

/**
 * Several teachers that write as one: a prompt's texts are those of all members that answer its row (`answeredBy`), each
 * with the identity of its writer. Steps then choose among them: `vote`, `best`, `prefer`; a judge of several has the mean of
 * their verdicts. Errors: `recipe` for steps whose questions belong to no row, when a column chooses.
 */
export function severalWriters(members: readonly WritingMember[], { by }: { by?: string } = {}): TextTeacher {
  const answering = answeredBy(members, by);
  return {
    name: members.map((m) => m.writer.name).join(' + '),
    id: `several-writers:${contentHash([by ?? '', ...members.map((m) => [m.writer.id, m.for ?? ''])])}`,
    async write(prompts, options) {
      const { rows } = options;
      if (by !== undefined && !rows)
        throw new DecantError('recipe', 'this step asks about no row that could choose its teacher', {
          at: 'teacher.by',
          seen: by,
          fix: 'leave out teacher.by, or the step (expand)',
        });
      const who = prompts.map((_, i) => (by === undefined ? members : answering(rows![i])));
      const out: Written[][] = prompts.map(() => []);
      for (const m of members) {
        const own = [...prompts.keys()].filter((i) => who[i].includes(m));
        if (own.length === 0) continue;
        const texts = await m.writer.write(
          own.map((i) => prompts[i]),
          { ...options, rows: rows && own.map((i) => rows[i]) },
        );
        own.forEach((i, r) => {
          out[i].push(...texts[r].map((t) => ({ ...t, by: m.writer.id })));
        });
      }
      return out;
    },
  };
}
