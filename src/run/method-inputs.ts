import type { Example } from '../data/types.ts';
import type { NDArray } from '../graph/index.ts';
import type { Method, PrepareInput, SetupInfo } from '../methods/method.ts';
import { column } from '../methods/columns.ts';
import { boundTo } from '../methods/objective.ts';
import { withSubclasses } from '../nn/auto.ts';
import { type AnyModel, tapShapes } from '../nn/model.ts';
import { type StoredLogitsOptions, storedHidden, type Teacher } from '../teachers/teacher.ts';
import { arrayColumns, type SignalColumns } from '../train/job.ts';
import { DecantError } from '../util/errors.ts';
import type { BuiltModel } from './build.ts';
import type { Knowledge } from './classify-knowledge.ts';
import type { RunContext } from './context.ts';

/** What a distilled student is trained with: the method bound to its pair, columns of the teacher, the model itself. */
export interface MethodInputs {
  readonly method: Method;
  readonly signals: SignalColumns;
  readonly built: BuiltModel;
  /** Rows that the teacher was asked about here. */
  readonly asked: number;
}

export interface MethodJob {
  readonly teacher: Teacher;
  readonly method: Method;
  readonly config: unknown;
  readonly built: BuiltModel;
  readonly rows: readonly Example[];
  /** What the teacher said about the rows: columns by name. */
  readonly knowledge: Knowledge;
  readonly classes: number;
  readonly asking: (what: string) => StoredLogitsOptions & { done(asked: number): void };
}

/** Asks for the activations a method wants, lets it prepare, and gives the student the head it needs. */
export async function methodInputs(ctx: RunContext, job: MethodJob): Promise<MethodInputs> {
  const { teacher, method, config, knowledge, classes } = job;
  const paths = method.teacherHidden?.(config) ?? [];
  let hidden: Record<string, NDArray> = {};
  let asked = 0;
  if (paths.length > 0) {
    const shelf = ctx.signals.shelf({ teacher: teacher.id, signal: 'hidden', settings: { paths } });
    const options = job.asking('activations');
    ({ hidden, asked } = await storedHidden(teacher, shelf, job.rows, paths, options));
    options.done(asked);
  }
  const prepared = await method.prepare?.(config, {
    logits: knowledge.logits,
    hidden,
    outputLayer: await teacher.outputLayer?.(),
    labels: Int32Array.from(job.rows, (e) => ((e.label ?? -1) < 0 ? -100 : e.label!)),
    classes,
  } satisfies PrepareInput);
  if (prepared) ctx.journal.event('prepared', { method: method.slug, ...prepared.facts });
  const built = withHead(job.built, method.subclasses?.(config) ?? 1);
  const columns = method.prepare
    ? named(prepared!.columns ?? {}, column.prepared)
    : named(hidden, column.hidden);
  return {
    method: boundTo(method, {
      info: method.setup && pairOf(built.model, hidden, classes),
      constants: prepared?.constants,
    }),
    signals: arrayColumns({ ...columnsOf(knowledge), ...columns }),
    built,
    asked,
  };
}

const columnsOf = ({ logits, topk }: Knowledge): Record<string, NDArray> =>
  logits
    ? { [column.teacherLogits]: logits }
    : { [column.topkIds]: topk!.ids, [column.topkLogp]: topk!.logp };

const named = <T>(all: Readonly<Record<string, T>>, name: (n: string) => string): Record<string, T> =>
  Object.fromEntries(Object.entries(all).map(([n, a]) => [name(n), a]));

/** The student with several outputs per class; weights that no longer fit start afresh. */
function withHead(built: BuiltModel, subclasses: number): BuiltModel {
  if (subclasses === 1) return built;
  const model = withSubclasses(built.model, subclasses);
  const fits = ([name, a]: [string, NDArray]): boolean => `${model.params[name]?.shape}` === `${a.shape}`;
  const start = built.start && Object.fromEntries(Object.entries(built.start).filter(fits));
  return { ...built, model, start };
}

/** Widths by tap path, for the extra parts of a method. */
function pairOf(model: AnyModel, hidden: Readonly<Record<string, NDArray>>, classes: number): SetupInfo {
  const taps = new Map([...tapShapes(model)].map(([path, shape]) => [path, shape.at(-1)]));
  const width = (of: string, n: unknown, path: string, known: Iterable<string>): number => {
    if (typeof n === 'number') return n;
    throw new DecantError('pairing', `the ${of} has no activation of a known width at this path`, {
      at: 'method.options',
      seen: path,
      allowed: [...known].slice(0, 20).join(', '),
    });
  };
  return {
    studentWidth: (path) => width('student', taps.get(path), path, taps.keys()),
    teacherWidth: (path) => width('teacher', hidden[path]?.shape.at(-1), path, Object.keys(hidden)),
    classes,
  };
}
