import type { ReportFact } from '../evaluate/report/data.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { column } from '../methods/columns.ts';
import { learnsFromText, type Method } from '../methods/method.ts';
import {
  describeForm,
  formed,
  type SignalForm,
  type StoreSettings,
  signalForm,
} from '../teachers/signal-form.ts';
import type { SignalShelf } from '../teachers/store/index.ts';
import type { SignalColumns } from '../train/job.ts';
import type { TokenRows } from '../train/language.ts';
import { DecantError } from '../util/errors.ts';
import type { RunContext } from './context.ts';
import type { LanguageTeacher } from './generate-teacher.ts';
import { type RowScorer, rowBatches, rowScorer } from './language-model.ts';

/** What the student learns from, as columns of its batches. */
export interface TeacherKnowledge {
  readonly columns?: SignalColumns;
  readonly asked: number;
  /** For the report. */
  readonly facts?: readonly ReportFact[];
  readonly warnings?: readonly string[];
}

/**
 * The teacher's word on every training row, `rows` as the teacher reads them; row i is the student's row i. Methods that
 * learn from text alone need none. Errors: `pairing` for a store that keeps less than the method needs.
 */
export async function teacherKnowledge(
  ctx: RunContext,
  teacher: LanguageTeacher,
  rows: TokenRows,
  method: Method,
): Promise<TeacherKnowledge> {
  if (learnsFromText(method.needs)) return { asked: 0 };
  const scorer = await rowScorer(ctx.engine, teacher.model, teacher.params);
  try {
    return await askedAtEveryToken(ctx, teacher, scorer, rows, method);
  } finally {
    await scorer.dispose();
  }
}

async function askedAtEveryToken(
  ctx: RunContext,
  teacher: LanguageTeacher,
  scorer: RowScorer,
  rows: TokenRows,
  method: Method,
): Promise<TeacherKnowledge> {
  const settings = ctx.recipe.teacher as { store?: StoreSettings; batchSize?: number };
  const store = settings.store ?? { format: 'auto', k: 32, dtype: 'float32' };
  const form = languageForm(store, teacher, method);
  const shelf = ctx.signals.shelf({
    teacher: teacher.id,
    signal: 'next-token',
    settings: { ...(form.topk === undefined ? {} : { k: form.topk }), ...form.encoding } as never,
  });
  const task = ctx.progress.task('teacher: training rows', rows.size, 'rows');
  const { columns, asked } = await languageSignals(rows, scorer, shelf, {
    form,
    batchSize: settings.batchSize ?? 64,
    check: () => {
      if (ctx.stopRequested())
        throw new DecantError(
          'interrupted',
          'stopped while the teacher was answering; what it said is kept',
          { fix: 'go on with: decant resume DIR' },
        );
    },
    onProgress: (done, of) => task.update({ done: rows.size - of + done }),
  });
  task.finish();
  return {
    columns: teacher.shared ? columns : withAnswers(rows, columns),
    asked,
    facts: [{ name: 'Teacher signals on disk', value: describeForm(form) }],
  };
}

/** Tokens that are not the student's are compared by whole distributions. */
function languageForm(store: StoreSettings, teacher: LanguageTeacher, method: Method): SignalForm {
  const { size } = teacher.tokenizer;
  const whole = !teacher.shared || method.needs.signals.every((set) => set.includes('logits'));
  const form = signalForm(
    whole && store.format === 'auto' ? { ...store, format: 'dense' } : store,
    size,
    'tokens',
  );
  if (!whole || form.topk === undefined) return form;
  throw new DecantError('pairing', `${method.slug} needs whole distributions of the teacher`, {
    at: 'teacher.store.format',
    seen: `${store.format} with k ${store.k} of ${size} tokens`,
    allowed: 'auto, dense',
  });
}

/** Which positions of the teacher's row predict what is learned. */
const withAnswers =
  (rows: TokenRows, columns: SignalColumns): SignalColumns =>
  async (chosen) => {
    const labels = rows.labels(chosen);
    const answer = Int32Array.from(labels.data as Int32Array, (l) => (l === -100 ? 0 : 1));
    return { ...(await columns(chosen)), [column.teacherAnswer]: ndarray(answer, labels.shape) };
  };

/**
 * The teacher's distribution at every position of the rows, from the store where it is kept, else computed and stored:
 * in the form that is asked for. Returned as batch columns.
 */
export async function languageSignals(
  rows: TokenRows,
  scorer: RowScorer,
  shelf: SignalShelf,
  options: {
    form: SignalForm;
    batchSize: number;
    check: () => void;
    onProgress: (done: number, of: number) => void;
  },
): Promise<{ columns: SignalColumns; asked: number }> {
  const key = (i: number): unknown => ({ ids: [...rows.rows[i].ids] });
  const missing = new Map<string, number>();
  for (let i = 0; i < rows.size; i++) {
    const id = shelf.key(key(i));
    if (!shelf.has(key(i)) && !missing.has(id)) missing.set(id, i);
  }
  const wanted = new Set(missing.values());
  let done = 0;
  for (const batch of rowBatches(rows, options.batchSize)) {
    const chosen = batch.filter((i) => wanted.has(i));
    if (chosen.length === 0) continue;
    options.check();
    const logits = await scorer.logits(rows, chosen);
    const [, width, vocab] = logits.shape;
    await Promise.all(
      chosen.map((i, r) => {
        const from = r * width * vocab;
        const own = ndarray((logits.data as Float32Array).slice(from, from + rows.lengths[i] * vocab), [
          rows.lengths[i],
          vocab,
        ]);
        return shelf.put(key(i), formed(own, options.form), options.form.encoding);
      }),
    );
    done += chosen.length;
    options.onProgress(done, wanted.size);
  }
  return { columns: (chosen) => signalColumns(rows, shelf, key, chosen), asked: wanted.size };
}

/** Signals from the shelf as batch columns, padded to the width of the rows. */
export function signalColumns(
  rows: TokenRows,
  shelf: SignalShelf,
  key: (i: number) => unknown,
  chosen: readonly number[],
): Record<string, NDArray> {
  const width = rows.labels(chosen).shape[1];
  const signals = chosen.map((i) => {
    const signal = shelf.get(key(i));
    if (signal?.form !== 'logits' && signal?.form !== 'topk')
      throw new DecantError('teacher', 'the store lost a signal that was written', {
        at: `row ${i}`,
        seen: signal?.form ?? 'nothing',
      });
    return signal;
  });
  const [first] = signals;
  if (first.form === 'logits') {
    const vocab = first.logits.shape[1];
    const out = new Float32Array(chosen.length * width * vocab);
    signals.forEach((s, r) => {
      if (s.form === 'logits') out.set(s.logits.data as Float32Array, r * width * vocab);
    });
    return { [column.teacherLogits]: ndarray(out, [chosen.length, width, vocab]) };
  }
  const { k } = first;
  const ids = new Int32Array(chosen.length * width * k);
  const logp = new Float32Array(ids.length);
  // positions of padding are masked; they still need distinct ids and a distribution
  for (let i = 0; i < ids.length; i++) {
    ids[i] = i % k;
    logp[i] = -Math.log(k + 1);
  }
  signals.forEach((s, r) => {
    if (s.form !== 'topk') return;
    ids.set(s.ids, r * width * k);
    logp.set(s.logp, r * width * k);
  });
  const shape = [chosen.length, width, k];
  return { [column.topkIds]: ndarray(ids, shape), [column.topkLogp]: ndarray(logp, shape) };
}
