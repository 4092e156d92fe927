import type { Example } from '../data/types.ts';
import { ndarray } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { contentHash } from '../util/node/hash.ts';
import { exampleKey, type Teacher } from './teacher.ts';

export interface SeveralMember {
  readonly teacher: Teacher;
  /** Values of the column whose rows it answers; absent: rows that are no other member's. */
  readonly for?: readonly string[];
  /** Share in the average of those that answer a row. */
  readonly weight: number;
}

/**
 * The members that answer a row: without `by` all; with it those whose `for` lists the row's value of the column, else
 * those without `for`. Errors: `recipe` for a column that rows do not carry, `data` for a value that nobody answers.
 */
export function answeredBy<M extends { readonly for?: readonly string[] }>(
  members: readonly M[],
  by: string | undefined,
): (e: Example) => readonly M[] {
  const listed = members.findIndex((m) => m.for !== undefined);
  if (by === undefined && listed >= 0)
    throw new DecantError('recipe', 'a teacher is meant for some rows, and no column says which', {
      at: `teacher.members.${listed}.for`,
      fix: 'name the column in teacher.by',
    });
  return (e) => {
    if (by === undefined) return members;
    const value = e.meta?.[by];
    if (value === undefined)
      throw new DecantError('recipe', 'the rows do not carry the column that chooses their teacher', {
        at: 'teacher.by',
        seen: by,
        allowed: Object.keys(e.meta ?? {}).join(', ') || 'no column is carried along',
        fix: `add ${by} to data.keep`,
      });
    const own = members.filter((m) => m.for?.includes(value));
    const found = own.length > 0 ? own : members.filter((m) => m.for === undefined);
    if (found.length === 0)
      throw new DecantError('data', 'no teacher is meant for this row', {
        at: `${e.file}:${e.line}`,
        seen: `${by}: ${value}`,
        allowed: members.flatMap((m) => m.for ?? []).join(', '),
        fix: 'add the value to the for of a member, or leave for out of one',
      });
    return found;
  };
}

/**
 * Several teachers as one, each row answered by those of {@link answeredBy}. Logits are log Σ w·p over the members that
 * answer, w summing to 1.
 */
export function severalTeachers(
  members: readonly SeveralMember[],
  { by, classes }: { by?: string; classes: readonly string[] },
): Teacher {
  const answering = answeredBy(members, by);
  const spending = members.filter((m) => m.teacher.spent);
  return {
    name: members.map((m) => m.teacher.name).join(' + '),
    id: `several:${contentHash([by ?? '', ...members.map((m) => [m.teacher.id, m.for ?? '', m.weight])])}`,
    signals: ['logits', 'topk'],
    classes,
    batch: Math.max(0, ...members.map((m) => m.teacher.batch ?? 0)) || undefined,
    ...(members.every((m) => m.teacher.parameters !== undefined)
      ? { parameters: members.reduce((n, m) => n + m.teacher.parameters!, 0) }
      : {}),
    keyOf: (e) => (by === undefined ? exampleKey(e) : { input: exampleKey(e), [by]: e.meta?.[by] ?? '' }),
    async logits(examples) {
      const who = examples.map(answering);
      const sum = new Float64Array(examples.length * classes.length);
      for (const m of members) {
        const rows = [...examples.keys()].filter((i) => who[i].includes(m));
        if (rows.length === 0) continue;
        const { data } = await m.teacher.logits!(rows.map((i) => examples[i]));
        rows.forEach((i, r) => {
          const total = who[i].reduce((w, x) => w + x.weight, 0);
          addProbabilities(
            sum.subarray(i * classes.length, (i + 1) * classes.length),
            (data as Float32Array).subarray(r * classes.length, (r + 1) * classes.length),
            m.weight / total,
          );
        });
      }
      const out = Float32Array.from(sum, (p) => Math.log(Math.max(1e-30, p)));
      return ndarray(out, [examples.length, classes.length]);
    },
    ...(spending.length > 0 ? { spent: () => totalSpent(spending) } : {}),
    async close() {
      for (const { teacher } of members) await teacher.close();
    },
  };
}

/** `into` += weight · softmax(logits). */
function addProbabilities(into: Float64Array, logits: Float32Array, weight: number): void {
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const exp = Float64Array.from(logits, (x) => Math.exp(x - top));
  const sum = exp.reduce((a, b) => a + b, 0);
  for (let c = 0; c < into.length; c++) into[c] += (weight * exp[c]) / sum;
}

function totalSpent(members: readonly SeveralMember[]): ReturnType<NonNullable<Teacher['spent']>> {
  const all = members.map((m) => m.teacher.spent!()!);
  const currencies = new Set(all.map((s) => s.currency));
  // sums of money only where all have prices, in one currency
  const money =
    currencies.size === 1 && all.every((s) => s.money !== undefined)
      ? { money: all.reduce((n, s) => n + s.money!, 0), currency: all[0].currency }
      : {};
  return {
    requests: all.reduce((n, s) => n + s.requests, 0),
    tokens: all.reduce((n, s) => n + s.tokens, 0),
    ...money,
  };
}
