import type { AnswerToken, WrittenAnswer } from './dialect.ts';

export interface ClassReading {
  /** Class that was written; undefined where the answer names none. */
  label: number | undefined;
  /** Probabilities over the classes, or undefined where only the label is known. */
  p: Float64Array | undefined;
}

/**
 * Class probabilities from the log-probabilities of the tokens that spell a class name. The names form a tree of
 * spellings; the answer walks one branch, and each token's alternatives tell how likely it was to leave the branch
 * there. With P the probability of the branch so far, an alternative a of probability p(a) gives P·p(a) to the
 * classes whose spelling goes on with a, in equal parts; what is outside the top k gives its mass in equal parts to
 * the classes of the branch that no alternative leads to; alternatives that spell no class are left out (the result
 * is conditional on the answer being a class).
 *
 * @param spellings the whole answer for each class, such as `{"label":"refund"}`, as far as it is compared
 * @returns `[classes]`, or undefined where the tokens do not spell the answer or stop before they tell classes apart
 */
export function classProbabilities(
  tokens: readonly AnswerToken[],
  spellings: readonly string[],
): Float64Array | undefined {
  const p = new Float64Array(spellings.length);
  let active = spellings.map((_, c) => c);
  let written = '';
  let branch = 1;
  const spells = (c: number, s: string): boolean =>
    spellings[c].startsWith(s) ||
    // beyond the end of a name, unless a longer name goes on like this
    (s.startsWith(spellings[c]) &&
      !spellings.some((o) => o.length > spellings[c].length && (o.startsWith(s) || s.startsWith(o))));
  for (const t of tokens) {
    if (active.length === 1) break;
    const fits = (c: number, next: string): boolean => spells(c, written + next);
    const chosen = active.filter((c) => fits(c, t.token));
    if (chosen.length === 0) return undefined;
    if (chosen.length < active.length) {
      const reached = new Set(chosen);
      let seen = Math.exp(Math.min(0, t.logp));
      for (const a of t.top) {
        if (a.token === t.token || a.token === '') continue;
        const mass = Math.exp(Math.min(0, a.logp));
        seen += mass;
        const classes = active.filter((c) => fits(c, a.token));
        for (const c of classes) {
          reached.add(c);
          p[c] += (branch * mass) / classes.length;
        }
      }
      const rest = active.filter((c) => !reached.has(c));
      const tail = branch * Math.max(0, 1 - seen);
      for (const c of rest) p[c] += tail / rest.length;
    }
    branch *= Math.exp(Math.min(0, t.logp));
    written += t.token;
    active = chosen;
  }
  // an answer that ends on a name which longer ones begin with
  const ended = active.filter((c) => spellings[c] === written.trimEnd());
  if (ended.length > 0) active = ended;
  for (const c of active) p[c] += branch / active.length;
  const sum = p.reduce((a, b) => a + b, 0);
  if (!(sum > 0) || active.length === spellings.length) return undefined;
  return p.map((x) => x / sum);
}

/**
 * The class that an answer names, and the probabilities of all where the tokens tell them.
 *
 * @param member of the JSON object that holds the class; undefined: the whole text is the class
 */
export function readClass(
  answer: WrittenAnswer,
  classes: readonly string[],
  member: string | undefined,
): ClassReading {
  const label = labelIn(answer, classes, member);
  if (label === undefined) return { label, p: undefined };
  const { text, tokens } = answer;
  if (!tokens || tokens.every((t) => t.top.length === 0)) return { label, p: undefined };
  // where the class begins: everything before it is the same for all classes
  const begin =
    member === undefined
      ? text.length - text.trimStart().length
      : (new RegExp(`"${escapeRegExp(member)}"\\s*:\\s*"`).exec(text)?.index ?? -1);
  if (begin < 0) return { label, p: undefined };
  const open = member === undefined ? begin : text.indexOf('"', text.indexOf(':', begin)) + 1;
  const head = text.slice(0, open);
  const spellings = classes.map((c) =>
    member === undefined ? head + c : `${head}${JSON.stringify(c).slice(1)}`,
  );
  return { label, p: classProbabilities(tokens, spellings) };
}

function labelIn(
  answer: WrittenAnswer,
  classes: readonly string[],
  member: string | undefined,
): number | undefined {
  const value =
    member === undefined ? answer.text : (answer.json as Record<string, unknown> | undefined)?.[member];
  if (typeof value !== 'string') return undefined;
  const plain = (s: string): string =>
    s
      .trim()
      .replace(/^["'`*]+|["'`*.]+$/g, '')
      .toLowerCase();
  const exact = classes.indexOf(value.trim());
  if (exact >= 0) return exact;
  const found = classes.findIndex((c) => plain(c) === plain(value.trim().split('\n')[0]));
  return found >= 0 ? found : undefined;
}

const escapeRegExp = (s: string): string => s.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
