import type { Example } from '../data/types.ts';
import type { ReportFact } from '../evaluate/report/data.ts';
import type { NDArray } from '../graph/index.ts';
import type { Method } from '../methods/method.ts';
import {
  describeForm,
  type SignalForm,
  type StoreSettings,
  signalExactness,
  signalForm,
  storedTopK,
} from '../teachers/signal-form.ts';
import { type StoredLogitsOptions, storedLogits, type Teacher } from '../teachers/teacher.ts';
import { DecantError } from '../util/errors.ts';
import type { RunContext } from './context.ts';

/** What a teacher said about rows: logits `[rows, classes]`, or the k likeliest classes `[rows, k]`. */
export interface Knowledge {
  readonly logits?: NDArray;
  readonly topk?: { readonly ids: NDArray; readonly logp: NDArray };
}

export type Asking = (
  rows: readonly Example[],
  what: string,
) => StoredLogitsOptions & { done(asked: number): void };

/** How the teacher is asked in batches, with progress, until the run is interrupted. */
export const askingOf =
  (ctx: RunContext): Asking =>
  (rows, what) => {
    const task = ctx.progress.task(`teacher: ${what}`, rows.length, 'rows');
    return {
      batchSize: (ctx.recipe.teacher as { batchSize?: number } | undefined)?.batchSize ?? 64,
      onProgress: (done: number) => task.update({ done }),
      check: () => {
        if (ctx.stopRequested())
          throw new DecantError(
            'interrupted',
            'stopped while the teacher was answering; what it said is kept',
            { fix: 'go on with: decant resume DIR' },
          );
      },
      done: (asked: number) =>
        task.finish(asked < rows.length ? `${rows.length - asked} of ${rows.length} from the store` : ''),
    };
  };

/** The form of the recipe's `teacher.store` for so many classes. Errors: `pairing` for a method that it would starve. */
export function classSignalForm(ctx: RunContext, method: Method, classes: number): SignalForm {
  const given = (ctx.recipe.teacher as { store?: StoreSettings } | undefined)?.store;
  const form = signalForm(given ?? { format: 'auto', k: 32, dtype: 'float32' }, classes, 'classes');
  const { signals } = method.needs;
  if (form.topk === undefined || signals.length === 0 || signals.some((set) => !set.includes('logits')))
    return form;
  throw new DecantError('pairing', `${method.slug} needs whole distributions of the teacher`, {
    at: 'teacher.store.format',
    seen: `${given!.format} with k ${form.topk} of ${classes} classes`,
    allowed: 'dense',
    fix: 'set teacher.store.format: dense, or choose a method that learns from top-k (decant methods)',
  });
}

/** The logits of rows that are only measured: always whole. Errors: `pairing` for another number of classes. */
export async function wholeLogits(
  ctx: RunContext,
  teacher: Teacher,
  rows: readonly Example[],
  asking: Asking,
): Promise<{ logits: NDArray; asked: number }> {
  const shelf = ctx.signals.shelf({ teacher: teacher.id, signal: 'logits' });
  const options = asking(rows, 'test rows');
  const result = await storedLogits(teacher, shelf, rows, options);
  options.done(result.asked);
  const classes = ctx.data.classes!.length;
  const [, scores] = result.logits.shape;
  if (scores !== classes)
    throw new DecantError(
      'pairing',
      'the teacher puts out another number of scores than the data has classes',
      {
        at: 'teacher',
        seen: `${scores} scores`,
        allowed: `${classes} classes`,
        fix: 'list its classes in the order of its outputs under teacher.classes',
      },
    );
  return result;
}

/** What the student learns from: the teacher's word on the training rows, as the store keeps it. */
export async function askKnowledge(
  ctx: RunContext,
  teacher: Teacher,
  rows: readonly Example[],
  form: SignalForm,
  asking: Asking,
): Promise<Knowledge & { asked: number }> {
  const { topk, encoding } = form;
  const options = asking(rows, 'training rows');
  if (topk === undefined) {
    const shelf = ctx.signals.shelf({
      teacher: teacher.id,
      signal: 'logits',
      ...(encoding.precision ? { settings: { precision: encoding.precision } } : {}),
    });
    const result = await storedLogits(teacher, shelf, rows, { ...options, encoding });
    options.done(result.asked);
    return result;
  }
  const settings = { k: topk, ...(encoding as Record<string, unknown>) };
  const shelf = ctx.signals.shelf({ teacher: teacher.id, signal: 'topk', settings });
  const { ids, logp, asked } = await storedTopK(teacher, shelf, rows, { ...form, topk }, options);
  options.done(asked);
  return { topk: { ids, logp }, asked };
}

/** What the form costs and loses, measured on the whole logits of the test rows. */
export function signalFact(form: SignalForm, logits: NDArray): ReportFact {
  const e = signalExactness(logits, form);
  const tail = form.topk === undefined ? '' : `, mean mass of the rest ${(100 * e.tail).toFixed(2)} %`;
  const loss =
    e.maxDifference === 0
      ? 'exact'
      : `largest change of a probability ${e.maxDifference.toExponential(1)}, mean KL ${Math.max(0, e.kl).toExponential(1)} nats, the same first class for ${(100 * e.sameTop).toFixed(1)} % of rows`;
  return {
    name: 'Teacher signals on disk',
    value: `${describeForm(form)}: ${e.bytes.toFixed(0)} bytes a row (whole float32 ${e.denseBytes.toFixed(0)}); ${loss}${tail}`,
  };
}
