import { z } from 'zod';
import { createRng, type Rng } from '../../util/rng.ts';
import type { GeneratedSet } from '../builtins.ts';
import {
  closers,
  contrastFrames,
  intents,
  items,
  openers,
  plainFrames,
  plans,
  things,
  vagueRequests,
} from './support-vocabulary.ts';

/** Options of `builtin:support-requests`. */
export const supportRequestOptions = z.strictObject({
  train: z.number().int().positive().default(400).describe('labelled requests the student may learn from'),
  validation: z
    .number()
    .int()
    .positive()
    .default(500)
    .describe('labelled requests for early stopping and tuning'),
  test: z.number().int().positive().default(2000).describe('labelled requests for the final figures'),
  unlabeled: z.number().int().nonnegative().default(10_000).describe('requests without a label'),
  history: z
    .number()
    .int()
    .nonnegative()
    .default(10_000)
    .describe('labelled requests of the past that only the teacher learns from'),
  contrast: z
    .number()
    .min(0)
    .max(1)
    .default(0.8)
    .describe('share of requests that also mention something that is not asked for'),
  misleading: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('share of those mentions in the very words that ask for them'),
  typos: z.number().min(0).max(1).default(0.05).describe('chance that a word is misspelt'),
  vague: z.number().min(0).max(1).default(0.03).describe('share of requests that fit two intents'),
  noise: z.number().min(0).max(1).default(0).describe('share of training labels that are wrong'),
  seed: z.number().int().default(1).describe('seed of the generator'),
});
export type SupportRequestOptions = z.input<typeof supportRequestOptions>;

const names = Object.keys(intents);

/**
 * Short requests to a support desk with 20 intents that share their words. Most requests also mention a second matter
 * that is not asked for, in words that its own requests use, so that single words mislead; some words are misspelt, a
 * few requests fit two intents. Few rows are labelled, many are not; `history` is the labelled past that only a teacher
 * may see. Same options, same text, on every platform.
 */
export function supportRequests(input: SupportRequestOptions = {}): GeneratedSet {
  const o = supportRequestOptions.parse(input);
  const part =
    (split: string, count: number, noise = 0) =>
    (): Record<string, unknown>[] => {
      const rng = createRng(`support-requests/${o.seed}/${split}`);
      return Array.from({ length: count }, (_, i) => {
        // Classes take turns, so that every prefix is balanced.
        const { text, intent } = request(rng, names[i % names.length], o);
        if (split === 'unlabeled') return { text };
        const label = noise > 0 && rng.uniform() < noise ? otherThan(rng, intent) : intent;
        return { text, intent: label };
      });
    };
  return {
    splits: {
      train: part('train', o.train, o.noise),
      validation: part('validation', o.validation),
      test: part('test', o.test),
      unlabeled: part('unlabeled', o.unlabeled),
      history: part('history', o.history),
    },
    columns: { text: 'text', label: 'intent' },
    classes: names,
  };
}

function request(
  rng: Rng,
  intent: string,
  o: z.output<typeof supportRequestOptions>,
): { text: string; intent: string } {
  let sentence: string;
  if (rng.uniform() < o.vague) {
    const [text, likelier, other] = rng.pick(vagueRequests);
    sentence = fill(rng, text);
    intent = rng.uniform() < 0.65 ? likelier : other;
  } else {
    const wanted = fill(rng, rng.pick(intents[intent].ask));
    if (rng.uniform() < o.contrast) {
      const mentions = Array.from({ length: rng.uniform() < 0.5 ? 2 : 1 }, () => {
        const other = intents[otherThan(rng, intent)];
        return fill(
          rng,
          rng.uniform() < o.misleading ? `the request to ${rng.pick(other.ask)}` : rng.pick(other.mention),
        );
      });
      const unwanted = mentions.join(' and ');
      sentence = compose(rng.pick(contrastFrames), (slot) => (slot === 'x' ? wanted : unwanted));
    } else sentence = compose(rng.pick(plainFrames), () => wanted);
  }
  if (rng.uniform() < 0.35) sentence = `${rng.pick(openers)}, ${sentence}`;
  if (rng.uniform() < 0.35) sentence = `${sentence}, ${rng.pick(closers)}`;
  if (rng.uniform() < 0.5) sentence = sentence.toLowerCase();
  if (rng.uniform() < 0.3) sentence = sentence.replaceAll(',', '');
  return { text: withTypos(rng, sentence, o.typos), intent };
}

/** An intent that is not this one. */
const otherThan = (rng: Rng, intent: string): string =>
  names[(names.indexOf(intent) + 1 + rng.int(names.length - 1)) % names.length];

/** Misspells each word with a probability; the distance to the next one is drawn, not every word. */
function withTypos(rng: Rng, sentence: string, chance: number): string {
  if (chance <= 0) return sentence;
  const scale = Math.log(1 - chance);
  const gap = (): number => (chance >= 1 ? 0 : Math.floor(Math.log(1 - rng.uniform()) / scale));
  let word = 0;
  let start = 0;
  for (let at = gap(); ; at += 1 + gap()) {
    for (; word < at; word++) {
      const space = sentence.indexOf(' ', start);
      if (space < 0) return sentence;
      start = space + 1;
    }
    const space = sentence.indexOf(' ', start);
    const end = space < 0 ? sentence.length : space;
    sentence = sentence.slice(0, start) + misspell(rng, sentence.slice(start, end)) + sentence.slice(end);
  }
}

function fill(rng: Rng, phrase: string): string {
  if (!phrase.includes('{')) return phrase;
  const low = rng.int(plans.length - 1);
  const high = low + 1 + rng.int(plans.length - 1 - low);
  return compose(phrase, (slot) => {
    if (slot === 'item') return rng.pick(items);
    if (slot === 'thing') return rng.pick(things);
    if (slot === 'n') return String(1000 + rng.int(9000));
    return plans[slot === 'low' ? low : high];
  });
}

/** Phrases cut at their slots: text at even places, names of slots at odd ones. */
const cut = new Map<string, string[]>();

/** A phrase with its slots filled, from left to right. */
function compose(phrase: string, fillSlot: (slot: string) => string): string {
  let parts = cut.get(phrase);
  if (!parts) cut.set(phrase, (parts = phrase.split(/\{(\w+)\}/)));
  let text = parts[0];
  for (let i = 1; i < parts.length; i += 2) text += fillSlot(parts[i]) + parts[i + 1];
  return text;
}

const rows = ['qwertyuiop', 'asdfghjkl', 'zxcvbnm'];

/** One slip of the fingers: letters swapped, left out, doubled, or a neighbouring key. */
function misspell(rng: Rng, word: string): string {
  if (word.length < 3) return word;
  const at = rng.int(word.length - 1);
  const kind = rng.int(4);
  if (kind === 0) return word.slice(0, at) + word[at + 1] + word[at] + word.slice(at + 2);
  if (kind === 1) return word.slice(0, at) + word.slice(at + 1);
  if (kind === 2) return word.slice(0, at) + word[at] + word.slice(at);
  const row = rows.find((r) => r.includes(word[at].toLowerCase()));
  if (!row) return word;
  const key = row.indexOf(word[at].toLowerCase());
  return word.slice(0, at) + (row[key + 1] ?? row[key - 1]) + word.slice(at + 1);
}
