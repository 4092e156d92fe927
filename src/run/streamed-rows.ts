import { join } from 'node:path';
import type { ExampleSet } from '../data/example-set.ts';
import type { Example } from '../data/types.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { column } from '../methods/columns.ts';
import type { Method } from '../methods/method.ts';
import { formed, type SignalForm } from '../teachers/signal-form.ts';
import { appendSignals, withSignals } from '../teachers/signal-stream.ts';
import type { Signal } from '../teachers/store/index.ts';
import type { Teacher } from '../teachers/teacher.ts';
import type { BatchSource } from '../train/batches.ts';
import { bucketsFor, type Encoded, encodeTexts } from '../train/encoded.ts';
import { classificationSource } from '../train/job.ts';
import { DecantError } from '../util/errors.ts';
import { contentHash } from '../util/node/hash.ts';
import type { BuiltModel } from './build.ts';
import type { Asking } from './classify-knowledge.ts';
import type { RunContext } from './context.ts';
import { requireRowByRow, rowStream, survey } from './row-stream.ts';

interface Row {
  readonly example: Example;
  readonly signal?: Signal;
}

/** Training rows that stay on the disk: read in every epoch, in bounded memory, with what the teacher said about them. */
export interface StreamedRows {
  readonly sample: readonly Example[];
  readonly size: number;
  readonly labelled: number;
  /** Asks the teacher about every row in the order of the files, and keeps its word beside them. Resumes where it stopped. */
  ask(teacher: Teacher, form: SignalForm, asking: Asking): Promise<{ asked: number }>;
  /** Batches in shuffled order, `signals` with the teacher's columns; else labelled rows alone. */
  source(built: BuiltModel, buckets: number, what: 'signals' | 'labels'): BatchSource;
}

/** One pass over the rows: a uniform sample, and how many there are. Errors: `recipe` for methods that want all at once. */
export async function openStreamedRows(
  ctx: RunContext,
  sets: readonly ExampleSet[],
  method?: Method,
): Promise<StreamedRows> {
  requireRowByRow(ctx, method);
  const { buffer } = ctx.recipe.data.streaming!;
  const { sample, size, labelled } = await survey(sets);
  let files: string[] | undefined;
  const inFileOrder = (set: number, withTeacher: boolean): AsyncIterable<Row> =>
    withTeacher && files ? withSignals(sets[set].read(), files[set]) : plain(sets[set]);
  return {
    sample,
    size,
    labelled,
    async ask(teacher, form, asking) {
      const name = contentHash([teacher.id, form]).slice(0, 16);
      files = sets.map((_, i) => join(ctx.folder.signals, 'streams', `${name}-${i}.bin`));
      let asked = 0;
      for (const [i, set] of sets.entries()) asked += await askInOrder(teacher, set, files[i], form, asking);
      return { asked };
    },
    source(built, buckets, what) {
      const wanted = what === 'signals' ? undefined : (row: Row) => (row.example.label ?? -1) >= 0;
      const rows = what === 'signals' ? size : labelled;
      const plainSample = built.encode(sample);
      const lengths = buckets > 0 ? bucketsFor(plainSample, buckets) : undefined;
      const encode = (examples: readonly Example[]): Encoded =>
        built.tokenizer
          ? encodeTexts(examples, {
              tokenizer: built.tokenizer,
              maxLength: built.maxLength!,
              buckets: lengths,
            })
          : built.encode(examples);
      const fields = Object.keys(built.model.inputs);
      const pass = (): AsyncIterable<Row> =>
        kept(
          interleaved(
            sets.map((s) => s.size),
            sets.map((_, i) => inFileOrder(i, what === 'signals')),
          ),
          wanted,
        );
      const drawn = rowStream({ pass, size: rows, buffer });
      return {
        size: rows,
        async collate(numbers) {
          const chosen = await drawn.take(numbers);
          const all = chosen.map((_, i) => i);
          const examples = chosen.map((r) => r.example);
          const columns = chosen[0].signal ? signalColumns(chosen.map((r) => r.signal!)) : {};
          return classificationSource(encode(examples), fields, () => columns).collate(all);
        },
        stream: drawn.stream,
      };
    },
  };
}

async function* plain(set: ExampleSet): AsyncGenerator<Row> {
  for await (const example of set.read()) yield { example };
}

async function* kept(rows: AsyncIterable<Row>, wanted?: (row: Row) => boolean): AsyncGenerator<Row> {
  for await (const row of rows) if (!wanted || wanted(row)) yield row;
}

/** Several sets as one, mixed by their sizes, so that a shuffle buffer always holds some of each. */
async function* interleaved(
  sizes: readonly number[],
  sets: readonly AsyncIterable<Row>[],
): AsyncGenerator<Row> {
  const readers = sets.map((s) => s[Symbol.asyncIterator]());
  const given = sizes.map(() => 0);
  try {
    for (let left = sizes.reduce((a, b) => a + b, 0); left > 0; left--) {
      let behind = 0;
      for (let i = 1; i < sizes.length; i++)
        if ((given[i] + 1) * sizes[behind] < (given[behind] + 1) * sizes[i]) behind = i;
      given[behind]++;
      const { value, done } = await readers[behind].next();
      if (!done) yield value;
    }
  } finally {
    for (const r of readers) await r.return?.();
  }
}

async function askInOrder(
  teacher: Teacher,
  set: ExampleSet,
  path: string,
  form: SignalForm,
  asking: Asking,
): Promise<number> {
  const file = appendSignals(path);
  const options = asking({ length: set.size } as readonly Example[], 'streamed rows');
  const step = teacher.batch ?? options.batchSize;
  let [done, asked] = [0, 0];
  let part: Example[] = [];
  const finish = async (): Promise<void> => {
    if (part.length === 0) return;
    options.check?.();
    const { data, shape } = await teacher.logits!(part);
    const width = shape[1];
    part.forEach((example, r) => {
      const logits = ndarray((data as Float32Array).slice(r * width, (r + 1) * width), [1, width]);
      file.append(example, formed(logits, form), form.encoding);
    });
    asked += part.length;
    part = [];
    if (asked % (64 * step) < step) file.flush();
    options.onProgress?.(done);
  };
  try {
    for await (const example of set.read()) {
      if (done++ < file.known) continue;
      part.push(example);
      if (part.length === step) await finish();
    }
    await finish();
  } finally {
    file.close();
  }
  options.done(asked);
  return asked;
}

/** The teacher's columns of a batch: logits `[rows, classes]`, or the k likeliest `[rows, k]`. */
function signalColumns(signals: readonly Signal[]): Record<string, NDArray> {
  const [first] = signals;
  if (first.form === 'logits') {
    const width = first.logits.shape[1];
    const out = new Float32Array(signals.length * width);
    signals.forEach((s, r) => {
      if (s.form === 'logits') out.set(s.logits.data as Float32Array, r * width);
    });
    return { [column.teacherLogits]: ndarray(out, [signals.length, width]) };
  }
  if (first.form !== 'topk')
    throw new DecantError('internal', 'a signal of this form is no column', { seen: first.form });
  const { k } = first;
  const ids = new Int32Array(signals.length * k);
  const logp = new Float32Array(signals.length * k);
  signals.forEach((s, r) => {
    if (s.form !== 'topk') return;
    ids.set(s.ids, r * k);
    logp.set(s.logp, r * k);
  });
  const shape = [signals.length, k];
  return { [column.topkIds]: ndarray(ids, shape), [column.topkLogp]: ndarray(logp, shape) };
}
