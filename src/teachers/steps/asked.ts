import { byPrompt, textIn } from '../../data/steps/fields.ts';
import type { DataStep, TextRecord } from '../../data/steps/step.ts';
import type { Sampling } from './ask.ts';
import { numbered } from './expand.ts';

/** What a step would ask of its teacher at most: every question as it would be put, and texts wanted of each. */
export interface Asked {
  readonly questions: readonly string[];
  readonly samples: number;
  readonly maxTokens: number;
}

/** A step that was not run: what it would ask, and the rows that it may leave. */
export interface Foreseen {
  readonly asked?: Asked;
  readonly rows: readonly TextRecord[];
}

type Options = Sampling & Readonly<Record<string, never>>;
type Foresee = (rows: readonly TextRecord[], options: Options, pool: readonly TextRecord[]) => Foreseen;

/** The longest text that may be written, at three characters a token as everywhere. */
const longest = ({ maxTokens = 0 }: Sampling): string => 'x'.repeat(3 * maxTokens);

/** Texts of a question: without temperature there is only one. */
const samplesOf = ({ samples = 1, temperature = 0 }: Sampling): number => (temperature > 0 ? samples : 1);

/** A template filled with what the row has; what earlier steps would have found out is left empty. */
const filled = (template: string, row: TextRecord): string =>
  template.replace(/\{([A-Za-z_][\w.-]*)\}/g, (_, name: string) => textIn(row, name) ?? '');

const eachRow = (rows: readonly TextRecord[], template: string, o: Sampling): Asked => ({
  questions: rows.map((r) => filled(template, r)),
  samples: samplesOf(o),
  maxTokens: o.maxTokens ?? 0,
});

const times = <T>(count: number, value: T): T[] => new Array<T>(Math.max(0, count)).fill(value);

const write: Foresee = (rows, o, pool) => {
  const { from, template, keepGiven } = o as unknown as {
    from: string;
    template: string;
    keepGiven: boolean;
  };
  const prompts = from === 'pool' || (from === 'auto' && pool.length > 0) ? pool : rows;
  const response = longest(o);
  return {
    asked: eachRow(prompts, template, o),
    rows: [
      ...(keepGiven ? rows : []),
      ...prompts.flatMap((r) => times(samplesOf(o), { ...r, response } as TextRecord)),
    ],
  };
};

const foresight: Readonly<Record<string, Foresee>> = {
  write,
  // the student's texts are no questions to the teacher
  sample: (rows, o, pool) => ({ rows: write(rows, o, pool).rows }),
  expand: (rows, o) => {
    const { to, shots, noun, gap, rounds } = o as unknown as {
      to: number;
      shots: number;
      noun: string;
      gap: string;
      rounds: number;
    };
    const prompts = rows.map((r) => r.prompt ?? r.text ?? '');
    const missing = to - new Set(prompts).size;
    if (missing <= 0 || rows.length === 0) return { rows };
    const question = numbered(prompts.slice(0, shots), noun, gap);
    return {
      asked: {
        questions: times(8 * rounds, question),
        samples: samplesOf(o),
        maxTokens: o.maxTokens ?? 0,
      },
      rows: [...rows, ...times(missing, rows[0])],
    };
  },
  explain: (rows, o) => ({
    asked: eachRow(rows, o.template, o),
    rows: rows.flatMap((r) => {
      const response = `${longest(o)}\n${r.response ?? ''}`;
      return times(samplesOf(o), { ...r, response } as TextRecord);
    }),
  }),
  judge: (rows, o) => ({ asked: eachRow(rows, o.template, o), rows }),
  prefer: (rows, o) => {
    const { pairs } = o as unknown as { pairs: number };
    const duels = [...byPrompt(rows).values()].flatMap((group) =>
      Array.from({ length: Math.min(pairs, group.length - 1) }, (_, i) => ({ a: group[i], b: group[i + 1] })),
    );
    const bothOrders = duels.flatMap(({ a, b }) => {
      const [one, other] = [a.response ?? '', b.response ?? ''];
      return [
        { ...a, facts: { A: one, B: other } },
        { ...a, facts: { A: other, B: one } },
      ];
    });
    return {
      asked: eachRow(bothOrders, o.template, o),
      rows: duels.map(({ a, b }) => ({ ...a, chosen: a.response, rejected: b.response })),
    };
  },
};

/**
 * What a step would ask and leave, without running it. Steps that ask nobody are taken to leave all rows, so that sums over
 * several steps are upper bounds. `options` are the step's own, with defaults filled in.
 */
export function foreseeStep(
  step: Pick<DataStep, 'name'>,
  rows: readonly TextRecord[],
  options: unknown,
  pool: readonly TextRecord[],
): Foreseen {
  const foresee = foresight[step.name];
  return foresee ? foresee(rows, options as Options, pool) : { rows };
}
