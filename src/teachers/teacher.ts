import type { Example } from '../data/types.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import type { OutputLayer } from '../nn/output-layer.ts';
import { DecantError } from '../util/errors.ts';
import type { Encoding, SignalShelf, Signal as StoredSignal } from './store/index.ts';
import { topKFromLogits } from './store/index.ts';

/** What a teacher can be asked for. */
export type SignalKind = 'text' | 'topk' | 'logits' | 'hidden' | 'score';

/** A model that knows more. Where it runs is its own business; what it can say is declared. */
export interface Teacher {
  /** For reports: "bag, 2.5M parameters, trained in place". */
  readonly name: string;
  /** Content hash of everything that its answers depend on: the identity under which they are stored. */
  readonly id: string;
  readonly signals: readonly SignalKind[];
  readonly parameters?: number;
  /** Class names in the order of its logits, where it has classes. */
  readonly classes?: readonly string[];
  /** Examples it wants to be asked for at a time; the asker's choice when absent. */
  readonly batch?: number;
  /** Logits of each example over the classes, float32 `[examples, classes]`. */
  logits?(examples: readonly Example[]): Promise<NDArray>;
  /**
   * Activations of each example by tap path, float32 `[examples, ...]`; `embedding` is what the output layer is given.
   * Errors: `model` for a path that it does not have.
   */
  hidden?(examples: readonly Example[], paths: readonly string[]): Promise<Record<string, NDArray>>;
  /** The linear layer that turns the embedding into logits, where there is one: weights `[classes, width]`. */
  outputLayer?(): Promise<Pick<OutputLayer, 'weights' | 'bias'>>;
  /** What it has cost so far, where it costs anything; money in the currency of the price table. */
  spent?(): {
    readonly requests: number;
    readonly tokens: number;
    readonly money?: number;
    readonly currency?: string;
  };
  /** What the store knows an example by, where the answer depends on more than its input; default {@link exampleKey}. */
  keyOf?(example: Example): unknown;
  close(): Promise<void>;
}

/**
 * A teacher of your own: any function that gives logits (or log-probabilities) for examples.
 *
 * @example
 * const teacher = defineTeacher({
 *   name: 'rules', id: 'rules:v1', classes: ['spam', 'ham'],
 *   logits: async (examples) => array(examples.map((e) => (/win/.test(e.text!) ? [2, 0] : [0, 2]))),
 * });
 * await run('recipe.yaml', { teacher });
 */
export const defineTeacher = (
  teacher: Pick<Teacher, 'name' | 'id'> & Partial<Omit<Teacher, 'name' | 'id'>>,
): Teacher => ({
  signals: [
    ...(teacher.logits ? (['logits', 'topk'] as const) : []),
    ...(teacher.hidden ? (['hidden'] as const) : []),
  ],
  close: async () => {},
  ...teacher,
});

export interface StoredLogitsOptions {
  /** Examples asked for at a time. */
  batchSize: number;
  /** How logits are written; top-k keeps the k largest and one bucket for the rest. */
  encoding?: Encoding & { topk?: number };
  onProgress?: (done: number) => void;
  check?: () => void;
}

/** What the store knows an example by: everything the teacher sees of it. */
export const exampleKey = (e: Example): unknown =>
  e.image
    ? { image: [...(e.shape ?? [])], bytes: Buffer.from(e.image).toString('base64') }
    : e.features
      ? { features: [...e.features], ...(e.node === undefined ? {} : { node: e.node }) }
      : { text: e.text ?? e.prompt ?? '', ...(e.pair === undefined ? {} : { pair: e.pair }) };

/**
 * The teacher's logits for every example, from the store where they are kept, else asked for and stored before they
 * are used. Repeated examples are asked for once.
 *
 * @returns float32 `[examples, classes]`, and how many had to be asked for
 */
export async function storedLogits(
  teacher: Teacher,
  shelf: SignalShelf,
  examples: readonly Example[],
  { batchSize, encoding = {}, onProgress, check }: StoredLogitsOptions,
): Promise<{ logits: NDArray; asked: number }> {
  const ask = teacher.logits;
  if (!ask) throw lacks(teacher, 'logits');
  const keys = examples.map((e) => (teacher.keyOf ?? exampleKey)(e));
  const { topk, ...how } = encoding;
  const asked = await askMissing(teacher, shelf, examples, keys, {
    batchSize,
    how,
    onProgress,
    check,
    async ask(part) {
      const answer = await ask(part);
      const width = answer.shape[1];
      return part.map((_, r) => {
        const logits = ndarray((answer.data as Float32Array).slice(r * width, (r + 1) * width), [1, width]);
        return topk && topk < width ? topKFromLogits(logits, topk) : { form: 'logits', logits };
      });
    },
  });
  let out: Float32Array | undefined;
  let classes = 0;
  keys.forEach((key, i) => {
    const signal = shelf.get(key);
    if (signal?.form !== 'logits') throw lost(i, signal?.form);
    classes = signal.logits.shape[1];
    out ??= new Float32Array(examples.length * classes);
    out.set(signal.logits.data as Float32Array, i * classes);
  });
  return { logits: ndarray(out ?? new Float32Array(0), [examples.length, classes]), asked };
}

/**
 * Activations of the teacher for every example, from the store or asked for, like {@link storedLogits}. The shelf's
 * settings must name the paths.
 *
 * @returns float32 `[examples, ...]` by path
 */
export async function storedHidden(
  teacher: Teacher,
  shelf: SignalShelf,
  examples: readonly Example[],
  paths: readonly string[],
  options: StoredLogitsOptions,
): Promise<{ hidden: Record<string, NDArray>; asked: number }> {
  const ask = teacher.hidden;
  if (!ask) throw lacks(teacher, 'hidden');
  const keys = examples.map((e) => (teacher.keyOf ?? exampleKey)(e));
  const asked = await askMissing(teacher, shelf, examples, keys, {
    ...options,
    how: options.encoding ?? {},
    async ask(part) {
      const answer = await ask(part, paths);
      return part.map((_, r) => ({
        form: 'hidden',
        arrays: Object.fromEntries(paths.map((p) => [p, rowOf(answer[p], r)])),
      }));
    },
  });
  const hidden: Record<string, NDArray> = {};
  keys.forEach((key, i) => {
    const signal = shelf.get(key);
    if (signal?.form !== 'hidden') throw lost(i, signal?.form);
    for (const path of paths) {
      const { data, shape } = signal.arrays[path];
      hidden[path] ??= ndarray(new Float32Array(examples.length * data.length), [
        examples.length,
        ...shape.slice(1),
      ]);
      (hidden[path].data as Float32Array).set(data as Float32Array, i * data.length);
    }
  });
  return { hidden, asked };
}

const lacks = (teacher: Teacher, signal: SignalKind): DecantError =>
  new DecantError(
    'pairing',
    `the teacher '${teacher.name}' gives no ${signal === 'hidden' ? 'hidden activations' : signal}`,
    {
      seen: teacher.signals.join(', '),
      allowed: signal,
    },
  );

export const lost = (row: number, form: string | undefined): DecantError =>
  new DecantError('teacher', 'the store lost a signal that was just written', {
    at: `example ${row}`,
    seen: form,
  });

/** One row of an array, `[1, ...]`. */
function rowOf(a: NDArray, row: number): NDArray {
  const width = a.data.length / a.shape[0];
  return ndarray((a.data as Float32Array).slice(row * width, (row + 1) * width), [1, ...a.shape.slice(1)]);
}

/** Asks for what the shelf lacks, each example once, and stores it; returns how many that were. */
export async function askMissing(
  teacher: Teacher,
  shelf: SignalShelf,
  examples: readonly Example[],
  keys: readonly unknown[],
  options: Pick<StoredLogitsOptions, 'batchSize' | 'onProgress' | 'check'> & {
    how: Encoding;
    ask(part: readonly Example[]): Promise<StoredSignal[]>;
  },
): Promise<number> {
  const missing = new Map<string, number>();
  keys.forEach((key, i) => {
    if (!shelf.has(key)) missing.set(shelf.key(key), missing.get(shelf.key(key)) ?? i);
  });
  const rows = [...missing.values()];
  const step = teacher.batch ?? options.batchSize;
  for (let from = 0; from < rows.length; from += step) {
    options.check?.();
    const part = rows.slice(from, from + step);
    const answers = await options.ask(part.map((i) => examples[i]));
    await Promise.all(part.map((row, r) => shelf.put(keys[row], answers[r], options.how)));
    options.onProgress?.(Math.min(from + step, rows.length));
  }
  return rows.length;
}
