import type { Example } from '../data/types.ts';
import type { NDArray } from '../graph/index.ts';
import { column } from '../methods/columns.ts';
import type { Method, PrepareInput } from '../methods/method.ts';
import { boundTo } from '../methods/objective.ts';
import { pairOf } from '../methods/pair.ts';
import { withSubclasses } from '../nn/auto.ts';
import { type StoredLogitsOptions, storedHidden, type Teacher } from '../teachers/teacher.ts';
import { arrayColumns, type SignalColumns } from '../train/job.ts';
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
