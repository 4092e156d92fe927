/** Final answers in written solutions: where they stand, and when two of them are the same. */

const NUMBER = String.raw`[-+]?\$?\d[\d,]*(?:\.\d+)?%?`;
const BOXED = new RegExp(String.raw`\\boxed\{(${NUMBER})\}`);
const PHRASE = new RegExp(String.raw`the (?:final |correct )?answer is:?\s*(${NUMBER})`, 'i');
const ANY = new RegExp(NUMBER, 'g');

export interface FoundNumber {
  readonly value: number | null;
  /** Which rule found it. */
  readonly rule: 'boxed' | 'phrase' | 'last' | 'none';
}

/** The number a text ends in: the first boxed one, else the one after "the answer is", else the last one. */
export function finalNumber(text: string): FoundNumber {
  const [rule, found] = ((): [FoundNumber['rule'], string | undefined] => {
    const boxed = BOXED.exec(text)?.[1];
    if (boxed) return ['boxed', boxed];
    const phrase = PHRASE.exec(text)?.[1];
    if (phrase) return ['phrase', phrase];
    const last = text.match(ANY)?.at(-1);
    return last ? ['last', last] : ['none', undefined];
  })();
  return { value: found === undefined ? null : Number(found.replace(/[$,%+]/g, '')), rule };
}

/** The answer in a text: by a pattern (its first group, else the whole match), the last one that fits. */
export function answerBy(text: string, pattern: string | undefined): string | undefined {
  if (pattern === undefined) return undefined;
  const last = [...text.matchAll(new RegExp(pattern, 'gu'))].at(-1);
  return last && (last[1] ?? last[0]);
}

/** Answers as they are compared: no surrounding space, commas in numbers, unit signs or final dot; lower case. */
export function comparableAnswer(answer: string): string {
  const plain = answer
    .normalize('NFKC')
    .trim()
    .replace(/\.$/, '')
    .replace(/(?<=\d),(?=\d{3}\b)/g, '')
    .replace(/^\$|%$/g, '')
    .replace(/\s+/g, ' ')
    .toLowerCase();
  const n = Number(plain);
  return plain !== '' && Number.isFinite(n) ? String(n) : plain;
}

export interface Majority {
  readonly answer: string;
  /** Share of the samples that give it. */
  readonly agreement: number;
}

/** The commonest answer, ties to the first seen; undefined when there is none. */
export function majority(answers: readonly string[]): Majority | undefined {
  const counts = new Map<string, number>();
  for (const a of answers) counts.set(a, (counts.get(a) ?? 0) + 1);
  let best: string | undefined;
  for (const [a, n] of counts) if (best === undefined || n > counts.get(best)!) best = a;
  return best === undefined ? undefined : { answer: best, agreement: counts.get(best)! / answers.length };
}
