import { z } from 'zod';
import { DecantError } from '../util/errors.ts';
import { didYouMean } from '../util/suggest.ts';
import type { ColumnMap, SourceSet, Task } from './types.ts';

/** What a generator gives: rows per split, made when asked for. */
export interface GeneratedSet {
  splits: Record<string, () => Record<string, unknown>[]>;
  columns: ColumnMap;
  classes?: string[];
}

/** A generated data set that recipes name as `builtin:<name>`. */
export interface Builtin {
  tasks: Task[];
  what: string;
  splits: string[];
  /** Loads the generator: its option schema and its function. */
  load: () => Promise<{ options: z.ZodObject; generate: (options: never) => GeneratedSet }>;
}

/** Every generated set; docs/data.md prints this table. A new one is one entry here and one file in generators/. */
export const builtins: Record<string, Builtin> = {
  'co-purchases': {
    tasks: ['node-classify', 'classify'],
    what: 'a graph: products of a shop, which are bought together, and the department of a few',
    splits: ['train', 'validation', 'test'],
    load: async () => {
      const { coPurchaseOptions, coPurchases } = await import('./generators/co-purchases.ts');
      return { options: coPurchaseOptions, generate: coPurchases };
    },
  },
  'everyday-events': {
    tasks: ['generate'],
    what: 'events and what follows from them: a talkative teacher that is often wrong, prompts, ratings, true test rows',
    splits: ['train', 'unlabeled', 'test', 'teacher', 'rated'],
    load: async () => {
      const { everydayEventOptions, everydayEvents } = await import('./generators/everyday-events.ts');
      return { options: everydayEventOptions, generate: everydayEvents };
    },
  },
  points: {
    tasks: ['diffuse'],
    what: 'points in the plane for generative models: ring of Gaussians, moons, checkerboard or spirals',
    splits: ['train', 'test'],
    load: async () => {
      const { pointOptions, points } = await import('./generators/points.ts');
      return { options: pointOptions, generate: points };
    },
  },
  'support-requests': {
    tasks: ['classify'],
    what: 'requests to a support desk: 20 overlapping intents, typos, few labels, a large unlabelled pool',
    splits: ['train', 'validation', 'test', 'unlabeled', 'history'],
    load: async () => {
      const { supportRequestOptions, supportRequests } = await import('./generators/support-requests.ts');
      return { options: supportRequestOptions, generate: supportRequests };
    },
  },
  'faq-search': {
    tasks: ['rank'],
    what: 'help articles of a bank and the questions that customers type, mostly in other words; clicks to train on, graded tests',
    splits: ['train', 'validation', 'test', 'documents', 'queries', 'history'],
    load: async () => {
      const { faqSearch, faqSearchOptions } = await import('./generators/faq-search.ts');
      return { options: faqSearchOptions, generate: faqSearch };
    },
  },
  'topic-rank': {
    tasks: ['rank'],
    what: 'a collection of made-up words whose relevance is known; one labelled document per training query, graded tests',
    splits: ['train', 'validation', 'test', 'documents'],
    load: async () => {
      const { topicRank, topicRankOptions } = await import('./generators/topic-rank.ts');
      return { options: topicRankOptions, generate: topicRank };
    },
  },
};

/** Opens a generated set. Errors: `data` for an unknown name, `recipe` for options it does not take. */
export async function openBuiltin(
  name: string,
  options: Record<string, unknown> = {},
  table = builtins,
): Promise<SourceSet> {
  const entry = Object.hasOwn(table, name) ? table[name] : undefined;
  if (!entry)
    throw new DecantError('data', 'unknown generated set', {
      at: `builtin:${name}`,
      allowed: Object.keys(table).join(', '),
      fix: didYouMean(name, Object.keys(table)),
    });
  const { options: schema, generate } = await entry.load();
  const parsed = schema.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const key = issue.code === 'unrecognized_keys' ? issue.keys[0] : String(issue.path[0]);
    const known = Object.keys(schema.shape);
    throw new DecantError('recipe', issue.code === 'unrecognized_keys' ? 'unknown option' : issue.message, {
      at: `builtin:${name}: data.options.${key}`,
      seen: options[key],
      allowed: known.join(', '),
      fix: didYouMean(key, known),
    });
  }
  const set = generate(parsed.data as never);
  const label = `builtin:${name}`;
  const splits = Object.fromEntries(
    Object.entries(set.splits).map(([split, make]) => {
      const file = `${label}#${split}`;
      return [
        split,
        {
          label: file,
          async *batches() {
            const made = make();
            for (let i = 0; i < made.length; i += 1024)
              yield made.slice(i, i + 1024).map((values, j) => ({ file, line: i + j + 1, values }));
          },
        },
      ];
    }),
  );
  return { label, splits, columns: set.columns, classes: set.classes };
}

/** Options of a generated set with their defaults, as JSON Schema, for docs and `decant data`. */
export async function builtinOptions(name: string, table = builtins): Promise<Record<string, unknown>> {
  const { options } = await table[name].load();
  return z.toJSONSchema(options, { io: 'input' });
}
