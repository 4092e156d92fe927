import type { Example } from '../data/types.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import type { Encoding, SignalShelf } from './store/index.ts';
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
): Teacher => ({ signals: teacher.logits ? ['logits', 'topk'] : [], close: async () => {}, ...teacher });

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
      ? { features: [...e.features] }
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
  if (!ask)
    throw new DecantError('pairing', `the teacher '${teacher.name}' gives no logits`, {
      seen: teacher.signals.join(', '),
      allowed: 'logits',
    });
  const keys = examples.map(exampleKey);
  const missing = new Map<string, number>();
  keys.forEach((key, i) => {
    if (!shelf.has(key)) missing.set(shelf.key(key), missing.get(shelf.key(key)) ?? i);
  });
  const rows = [...missing.values()];
  const step = teacher.batch ?? batchSize;
  for (let from = 0; from < rows.length; from += step) {
    check?.();
    const part = rows.slice(from, from + step);
    const answer = await ask(part.map((i) => examples[i]));
    const width = answer.shape[1];
    await Promise.all(
      part.map((row, r) => {
        const logits = ndarray((answer.data as Float32Array).slice(r * width, (r + 1) * width), [1, width]);
        const { topk, ...how } = encoding;
        return shelf.put(
          keys[row],
          topk && topk < width ? topKFromLogits(logits, topk) : { form: 'logits', logits },
          how,
        );
      }),
    );
    onProgress?.(Math.min(from + step, rows.length));
  }
  let out: Float32Array | undefined;
  let classes = 0;
  keys.forEach((key, i) => {
    const signal = shelf.get(key);
    if (signal?.form !== 'logits')
      throw new DecantError('teacher', 'the store lost a signal that was just written', {
        at: `example ${i}`,
        seen: signal?.form,
      });
    classes = signal.logits.shape[1];
    out ??= new Float32Array(examples.length * classes);
    out.set(signal.logits.data as Float32Array, i * classes);
  });
  return { logits: ndarray(out ?? new Float32Array(0), [examples.length, classes]), asked: rows.length };
}
