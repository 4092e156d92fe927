import { z } from 'zod';
import { createRng, type Rng } from '../../util/rng.ts';
import type { GeneratedSet } from '../builtins.ts';

/** Options of `builtin:everyday-events`. */
export const everydayEventOptions = z.strictObject({
  events: z.int().min(12).default(80).describe('events, spread evenly over the types'),
  types: z.int().min(2).max(12).default(6).describe('types of events'),
  relations: z
    .int()
    .min(1)
    .max(7)
    .default(4)
    .describe('relations between an event and what is said about it'),
  tails: z.int().min(6).max(60).default(30).describe('texts that can stand after a relation'),
  valid: z.int().min(1).default(6).describe('texts that are true of a type and relation'),
  texts: z.int().positive().default(8000).describe('rows of the teacher, of which some are untrue'),
  truth: z.number().min(0).max(1).default(0.72).describe('share of true rows; the others are any text'),
  human: z.int().positive().default(200).describe('rows that people wrote'),
  held: z.int().positive().default(16).describe('events that only the test knows'),
  rated: z.int().positive().default(1000).describe('rated rows, for a critic'),
  seed: z.union([z.number().int(), z.string()]).default(1).describe('seed of the generator'),
});
export type EverydayEventOptions = z.input<typeof everydayEventOptions>;

/** What is true in the generated world, in numbers. */
export interface EverydayWorld {
  readonly events: readonly { readonly type: number; readonly text: string }[];
  readonly relations: readonly string[];
  readonly tails: readonly string[];
  /** Numbers of the tails that are true of a type and relation, the commonest first. */
  readonly truths: (type: number, relation: number) => readonly number[];
  /** Events that only the test knows. */
  readonly held: ReadonlySet<number>;
}

export interface Triple {
  readonly event: number;
  readonly relation: number;
  readonly tail: number;
}

const TYPES = 'travel cooking work family sport music shopping study health garden weather repair'.split(' ');
const VERBS = 'takes makes leaves finds shares cleans tries keeps'.split(' ');
const THINGS =
  'the bag|a ticket|the table|a letter|the keys|a photo|the car|a cup|the door|a coat|the box|a list|the map|a book'.split(
    '|',
  );
const RELATIONS = ['xWant', 'xNeed', 'xAttr', 'xEffect', 'xIntent', 'xReact', 'HinderedBy'];
const TAILS =
  'to rest|to call a friend|money|time|careful|tired|happy|proud|hungry|late|a plan|to go home|to say thanks|patience|help|to wait|to try again|strong|kind|busy|lost|calm|to buy bread|to sit down|good news|a reply|to sing|curious|warm|to save money|brave|to laugh|a ride|dry shoes|to wash up|clever|to hurry|bored|a new start|to read on|quiet|to eat|shy|a key|to pack|sleepy|to write back|thirsty|fresh air|to look around|tidy|a break|to win|sore|to ask|early|a gift|to share|glad|to stay'.split(
    '|',
  );

/** Chance of falling one rank further: the commonest truth has 0.25 of the mass before the end is cut off. */
const STOP = 0.25;

/** Share of what people write that other people accept (West et al. 2022, of ATOMIC-2020). */
const HUMAN_TRUTH = 0.868;

/** The world of a seed: types of events, and which texts are true of each type and relation. */
export function everydayWorld(options: EverydayEventOptions = {}): EverydayWorld {
  const o = everydayEventOptions.parse(options);
  const rng = createRng(`everyday-events/${o.seed}`);
  const names = rng.fork('names').shuffle(VERBS.flatMap((v) => THINGS.map((t) => `PersonX ${v} ${t}`)));
  const order = rng.fork('held').shuffle(Array.from({ length: o.events }, (_, i) => i));
  const truths = new Map<string, number[]>();
  const facts = rng.fork('truths');
  for (let t = 0; t < o.types; t++)
    for (let r = 0; r < o.relations; r++)
      truths.set(`${t}/${r}`, facts.shuffle(Array.from({ length: o.tails }, (_, i) => i)).slice(0, o.valid));
  return {
    events: Array.from({ length: o.events }, (_, i) => ({
      type: i % o.types,
      text: `${TYPES[i % o.types]}: ${names[i % names.length]}${i < names.length ? '' : ` ${Math.floor(i / names.length) + 1}`}`,
    })),
    relations: RELATIONS.slice(0, o.relations),
    tails: TAILS.slice(0, o.tails),
    truths: (type, relation) => truths.get(`${type}/${relation}`) ?? [],
    held: new Set(order.slice(0, o.held)),
  };
}

/** A true tail: ranks are drawn geometrically. */
export function trueTail(world: EverydayWorld, event: number, relation: number, rng: Rng): number {
  const list = world.truths(world.events[event].type, relation);
  for (;;) {
    let rank = 0;
    while (rng.uniform() >= STOP) rank++;
    if (rank < list.length) return list[rank];
  }
}

/** A statement of a speaker who tells the truth with a given chance, else anything. */
export const statement = (
  world: EverydayWorld,
  event: number,
  relation: number,
  truth: number,
  rng: Rng,
): Triple => ({
  event,
  relation,
  tail: rng.uniform() < truth ? trueTail(world, event, relation, rng) : rng.int(world.tails.length),
});

export const isTrue = (world: EverydayWorld, { event, relation, tail }: Triple): boolean =>
  world.truths(world.events[event].type, relation).includes(tail);

/** The prompt of an event and a relation. */
export const promptOf = (world: EverydayWorld, event: number, relation: number): string =>
  `<head> ${world.events[event].text} </head> <relation> ${world.relations[relation]} </relation> [GEN]`;

/** Rows of `builtin:everyday-events`: what a teacher says (some of it untrue), a few rows of people, prompts, ratings, and true test rows. */
export function everydayEvents(options: EverydayEventOptions): GeneratedSet {
  const o = everydayEventOptions.parse(options);
  const world = everydayWorld(o);
  const known = world.events.map((_, i) => i).filter((i) => !world.held.has(i));
  const held = [...world.held];
  const row = (t: Triple) => ({
    prompt: promptOf(world, t.event, t.relation),
    response: world.tails[t.tail],
  });
  const said = (name: string, n: number, events: readonly number[], truth: number): Triple[] => {
    const rng = createRng(`everyday-events/${o.seed}/${name}`);
    return Array.from({ length: n }, () =>
      statement(world, rng.pick(events), rng.int(o.relations), truth, rng),
    );
  };
  const every = world.events.map((_, i) => i);
  return {
    columns: { prompt: 'prompt', response: 'response' },
    splits: {
      teacher: () => said('teacher', o.texts, every, o.truth).map(row),
      train: () => said('train', o.human, known, HUMAN_TRUTH).map(row),
      unlabeled: () =>
        known.flatMap((event) => world.relations.map((_, r) => ({ prompt: promptOf(world, event, r) }))),
      rated: () => said('rated', o.rated, known, o.truth).map((t) => ({ ...row(t), good: isTrue(world, t) })),
      test: () => said('test', 500, held, 1).map(row),
    },
  };
}
