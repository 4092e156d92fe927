import { z } from 'zod';
import { createRng, type Rng } from '../../util/rng.ts';
import type { GeneratedSet } from '../builtins.ts';
import { channels, chatter, matters, things } from './faq-vocabulary.ts';

/** Options of `builtin:faq-search`. */
export const faqSearchOptions = z.strictObject({
  train: z.int().positive().default(300).describe('questions with the one article that somebody opened'),
  history: z
    .int()
    .nonnegative()
    .default(2000)
    .describe('questions of the past with the article opened, which only the teacher learns from'),
  queries: z.int().nonnegative().default(3000).describe('questions of which nothing is known'),
  validation: z.int().nonnegative().default(100).describe('graded questions for tuning'),
  test: z.int().positive().default(300).describe('graded questions for the final figures'),
  formal: z
    .number()
    .min(0)
    .max(1)
    .default(0.4)
    .describe('chance that a question names a thing, a matter or a place in the words of the articles'),
  typos: z.number().min(0).max(1).default(0.03).describe('chance that a word of a question is misspelt'),
  misplaced: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('share of training questions after which another article about the same thing was opened'),
  seed: z.int().default(1).describe('seed of the generator'),
});
export type FaqSearchOptions = z.input<typeof faqSearchOptions>;

interface Article {
  readonly thing: number;
  readonly matter: number;
  readonly channel: number;
  readonly text: string;
}

/**
 * Help articles of a bank and the questions that customers type: an article is about one thing, one matter and one
 * place, in formal words; questions mostly use other words for them, so that matching words alone finds few. Grades: 3
 * all three fit, 2 thing and matter, 1 thing or matter with the place asked for.
 */
export function faqSearch(options: FaqSearchOptions): GeneratedSet {
  const o = faqSearchOptions.parse(options);
  const articles = everyArticle();
  const rows = (split: 'train' | 'history' | 'validation' | 'test') => (): Record<string, unknown>[] => {
    const rng = createRng(`faq-search/${o.seed}/${split}`);
    return Array.from({ length: o[split] }, (_, i) => {
      const about = rng.pick(articles);
      const [query, place] = question(about, o, rng);
      const id = `${split}-${i + 1}`;
      const judged = articles
        .map((a) => ({ a, grade: gradeOf(a, about, place) }))
        .filter(({ grade }) => grade > 0);
      if (split === 'train' || split === 'history') {
        // what was clicked: mostly the right article, now and then a near one
        const near = judged.filter(({ a, grade }) => grade < 3 && a.thing === about.thing);
        const clicked = near.length > 0 && rng.uniform() < o.misplaced ? rng.pick(near).a : about;
        return [{ query_id: id, query, document: clicked.text, relevance: 1 }];
      }
      return judged.map(({ a, grade }) => ({ query_id: id, query, document: a.text, relevance: grade }));
    }).flat();
  };
  return {
    splits: {
      train: rows('train'),
      history: rows('history'),
      validation: rows('validation'),
      test: rows('test'),
      queries: () => {
        const rng = createRng(`faq-search/${o.seed}/queries`);
        return Array.from({ length: o.queries }, () => ({ query: question(rng.pick(articles), o, rng)[0] }));
      },
      documents: () => articles.map((a) => ({ document: a.text })),
    },
    columns: { query: 'query', document: 'document', relevance: 'relevance', group: 'query_id' },
  };
}

function everyArticle(): Article[] {
  const out: Article[] = [];
  things.forEach((t, thing) => {
    matters.forEach((m, matter) => {
      channels.forEach((c, channel) => {
        const text = `${t.formal[0].toUpperCase()}${t.formal.slice(1)}: ${m.formal} through the ${c.formal}. ${c.advice} ${m.advice} This applies to every ${t.formal}.`;
        out.push({ thing, matter, channel, text });
      });
    });
  });
  return out;
}

/** A question and the place it names, if any. */
function question(
  about: Article,
  { formal, typos }: Required<Pick<FaqSearchOptions, 'formal' | 'typos'>>,
  rng: Rng,
): [text: string, place: number | undefined] {
  const words = (x: { formal: string; said: readonly string[] }): string =>
    rng.uniform() < formal ? x.formal : rng.pick(x.said);
  const thing = words(things[about.thing]);
  const matter = words(matters[about.matter]);
  const named = rng.uniform() < 0.6;
  const place = named ? words(channels[about.channel]) : undefined;
  const core = rng.uniform() < 0.5 ? [matter, thing] : [thing, matter];
  const parts = [...core, ...(place ? [place] : [])];
  if (rng.uniform() < 0.4) parts.splice(rng.uniform() < 0.5 ? 0 : parts.length, 0, rng.pick(chatter));
  const text = parts
    .join(' ')
    .split(' ')
    .map((w) => (w.length > 3 && rng.uniform() < typos ? misspelt(w, rng) : w))
    .join(' ');
  return [text, named ? about.channel : undefined];
}

/** A letter is left out, or two change places. */
function misspelt(word: string, rng: Rng): string {
  const at = 1 + rng.int(word.length - 2);
  return rng.uniform() < 0.5
    ? word.slice(0, at) + word.slice(at + 1)
    : word.slice(0, at) + word[at + 1] + word[at] + word.slice(at + 2);
}

function gradeOf(a: Article, about: Article, place: number | undefined): number {
  const thing = a.thing === about.thing;
  const matter = a.matter === about.matter;
  const there = place === undefined || a.channel === place;
  if (thing && matter) return there ? 3 : 2;
  return there && place !== undefined && (thing || matter) ? 1 : 0;
}
