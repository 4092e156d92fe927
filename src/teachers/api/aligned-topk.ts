import type { Tokenizer } from '../../data/tokenizer/tokenizer.ts';
import { emptyTopK, type TopKSignal, tailOf } from '../store/index.ts';
import type { AnswerToken } from './dialect.ts';

/** How a student spells: its tokens by their bytes, written as binary strings (one unit per byte). */
export interface Spelling {
  readonly size: number;
  bytesOf(id: number): string;
  readonly ids: ReadonlyMap<string, number>;
  /** The token that ends texts, and the text under which servers list it. */
  readonly end?: { readonly id: number; readonly text: string };
}

export function spellingOf(tokenizer: Tokenizer): Spelling {
  const ids = new Map<string, number>();
  const bytesOf = (id: number): string => binary(tokenizer.tokenBytes(id));
  for (let id = 0; id < tokenizer.size; id++) {
    const bytes = tokenizer.specialIds.has(id) ? '' : bytesOf(id);
    if (bytes !== '' && !ids.has(bytes)) ids.set(bytes, id);
  }
  const { eos } = tokenizer.special;
  const text = eos === undefined ? undefined : tokenizer.token(eos);
  return { size: tokenizer.size, bytesOf, ids, ...(text === undefined ? {} : { end: { id: eos!, text } }) };
}

const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const spelled = ({ token, bytes }: { token: string; bytes?: readonly number[] }): string =>
  bytes ? binary(Uint8Array.from(bytes)) : Buffer.from(token, 'utf8').toString('latin1');

/**
 * What an endpoint's log-probabilities say at the positions of a student's row, as a top-k signal `[predictions, k]`.
 * A position is aligned where student and teacher have a token of the same bytes at the same place of the text: there
 * the teacher's alternatives that are tokens of the student keep their log-probabilities, and the mass of the others
 * goes to the tail. Everywhere else (and at the end of a text, of which endpoints say nothing) the token of the row has
 * all the mass. With one tokenizer on both sides this is the teacher's own top k.
 *
 * @param answer the tokens of the teacher's answer; undefined: nothing is aligned
 * @param row its learned tokens are the answer, or a part of it that occurs once
 * @returns `aligned`: learned positions with the teacher's distribution
 */
export function alignedTopK(
  answer: readonly AnswerToken[] | undefined,
  row: { readonly ids: readonly number[]; readonly learned: readonly number[] },
  spelling: Spelling,
  k: number,
): { signal: TopKSignal; aligned: number } {
  const targets = row.ids.slice(1);
  const signal = emptyTopK(targets.length, k, spelling.size);
  targets.forEach((id, t) => {
    signal.ids[t * k] = id;
    signal.logp[t * k] = 0;
  });
  const learned = targets.map((id, t) => (row.learned[t + 1] ? spelling.bytesOf(id) : ''));
  const places = answer && placesIn(answer.map(spelled), learned.join(''));
  let aligned = 0;
  let at = 0;
  learned.forEach((bytes, t) => {
    const own = bytes === '' ? undefined : places?.(at, bytes);
    at += bytes.length;
    if (own === undefined) return;
    aligned++;
    const entries = alternatives(answer![own], spelling, targets[t], bytes).slice(0, k);
    signal.ids.set(
      entries.map(([id]) => id),
      t * k,
    );
    signal.logp.set(
      entries.map(([, logp]) => logp),
      t * k,
    );
    signal.logTail[t] = tailOf(entries.map(([, logp]) => logp));
  });
  return { signal, aligned };
}

/** Finds the teacher's token at a byte of the student's text, where both have the same one; undefined without a common text. */
function placesIn(
  tokens: readonly string[],
  text: string,
): ((at: number, bytes: string) => number | undefined) | undefined {
  const whole = tokens.join('');
  const shift = shiftOf(text, whole);
  if (shift === undefined) return undefined;
  const starts = new Map<number, number>();
  let at = 0;
  tokens.forEach((token, i) => {
    if (token !== '') starts.set(at, i);
    at += token.length;
  });
  return (from, bytes) => {
    const i = starts.get(from + shift);
    return i !== undefined && tokens[i] === bytes ? i : undefined;
  };
}

/** Where the student's text begins in the teacher's (below 0: the other way round), if that is beyond doubt. */
function shiftOf(text: string, whole: string): number | undefined {
  const answer = whole.trim();
  const lead = whole.length - whole.trimStart().length;
  // some tokenizers put a blank before a text
  for (const own of new Set([text, text.trimStart()])) {
    const inside = own === answer ? lead : onlyPlace(own, whole);
    if (inside !== undefined) return inside - (text.length - own.length);
  }
  const around = onlyPlace(answer, text);
  return around === undefined ? undefined : lead - around;
}

const onlyPlace = (part: string, whole: string): number | undefined => {
  const at = part === '' ? -1 : whole.indexOf(part);
  return at >= 0 && whole.indexOf(part, at + 1) < 0 ? at : undefined;
};

/** Log-probabilities by the student's ids, largest first; alternatives that are one token there are added up. */
function alternatives(
  token: AnswerToken,
  { ids, end }: Spelling,
  target: number,
  bytes: string,
): [number, number][] {
  const logps = new Map<number, number>([[target, Math.min(0, token.logp)]]);
  const listed = new Set([`${token.token}/${bytes}`]);
  for (const other of token.top) {
    const own = spelled(other);
    const name = `${other.token}/${own}`;
    if (listed.has(name)) continue;
    listed.add(name);
    const id =
      end && (other.token === end.text || own === end.text) ? end.id : own === bytes ? target : ids.get(own);
    if (id === undefined) continue;
    const known = logps.get(id);
    logps.set(id, known === undefined ? Math.min(0, other.logp) : logAdd(known, other.logp));
  }
  return [...logps].sort((a, b) => b[1] - a[1]);
}

const logAdd = (a: number, b: number): number => {
  const top = Math.max(a, b);
  return Math.min(0, top + Math.log1p(Math.exp(Math.min(a, b) - top)));
};
