import type { Example } from '../data/types.ts';
import { type NDArray, ndarray, toNumbers } from '../graph/index.ts';
import {
  decodeSignal,
  type Encoding,
  encodeSignal,
  type Signal,
  type SignalShelf,
  type TopKSignal,
  topKFromLogits,
} from './store/index.ts';
import { askMissing, exampleKey, lost, type StoredLogitsOptions, type Teacher } from './teacher.ts';

/** The `teacher.store` section of a recipe. */
export interface StoreSettings {
  readonly format: 'auto' | 'dense' | 'topk' | 'packed';
  readonly k: number;
  readonly dtype: 'float32' | 'float16';
}

/** How logits of a known width are kept: whole, or the k largest and the mass of the rest. */
export interface SignalForm {
  /** Entries kept of each position; absent: all. */
  readonly topk?: number;
  readonly encoding: Encoding;
}

/** Vocabularies up to this many times k are stored whole under `auto`: top-k would save little. */
const WHOLE = 2;

/**
 * The form that settings ask for. `auto` keeps classes whole (there are few) and token distributions as top-k, unless
 * the vocabulary is small; a k that covers everything keeps everything.
 */
export function signalForm(
  { format, k, dtype }: StoreSettings,
  width: number,
  of: 'classes' | 'tokens',
): SignalForm {
  const encoding: Encoding = { ...(dtype === 'float16' ? { precision: dtype } : {}) };
  const whole =
    format === 'dense' || k >= width || (format === 'auto' && (of === 'classes' || width <= WHOLE * k));
  if (whole) return { encoding };
  return { topk: k, encoding: { ...encoding, ...(format === 'packed' ? { packed: true } : {}) } };
}

/** In words, for reports: "whole, float16", "top 8 and the rest, packed". */
export function describeForm({ topk, encoding }: SignalForm): string {
  const numbers = encoding.packed ? 'packed' : (encoding.precision ?? 'float32');
  return `${topk === undefined ? 'whole' : `top ${topk} and the rest`}, ${numbers}`;
}

/** The signal that is written for logits `[rows, width]`. */
export const formed = (logits: NDArray, { topk }: SignalForm): Signal =>
  topk === undefined ? { form: 'logits', logits } : topKFromLogits(logits, topk);

/** Top-k of the teacher for every example, from the store or asked for: ids and log-probabilities `[examples, k]`. */
export async function storedTopK(
  teacher: Teacher,
  shelf: SignalShelf,
  examples: readonly Example[],
  form: SignalForm & { topk: number },
  { batchSize, onProgress, check }: Omit<StoredLogitsOptions, 'encoding'>,
): Promise<{ ids: NDArray; logp: NDArray; asked: number }> {
  const keys = examples.map((e) => (teacher.keyOf ?? exampleKey)(e));
  const asked = await askMissing(teacher, shelf, examples, keys, {
    batchSize,
    onProgress,
    check,
    how: form.encoding,
    async ask(part) {
      const { data, shape } = await teacher.logits!(part);
      const width = shape[1];
      return part.map((_, r) =>
        formed(ndarray((data as Float32Array).slice(r * width, (r + 1) * width), [1, width]), form),
      );
    },
  });
  const shape = [examples.length, form.topk];
  const ids = new Int32Array(examples.length * form.topk).fill(-1);
  const logp = new Float32Array(ids.length).fill(Number.NEGATIVE_INFINITY);
  keys.forEach((key, i) => {
    const signal = shelf.get(key);
    if (signal?.form !== 'topk') throw lost(i, signal?.form);
    ids.set(signal.ids.subarray(0, form.topk), i * form.topk);
    logp.set(signal.logp.subarray(0, form.topk), i * form.topk);
  });
  return { ids: ndarray(ids, shape), logp: ndarray(logp, shape), asked };
}

/** What a form keeps of given logits. */
export interface Exactness {
  /** Bytes of a row, and of the same row whole in float32. */
  readonly bytes: number;
  readonly denseBytes: number;
  /** Largest difference of a probability that is kept. */
  readonly maxDifference: number;
  /** Mean KL(exact ‖ read back) over what the form distinguishes: all classes, or k and the rest. Nats. */
  readonly kl: number;
  /** Mean mass outside the k. */
  readonly tail: number;
  /** Share of rows whose likeliest class stays the likeliest. */
  readonly sameTop: number;
}

/** Writes and reads back each row of logits `[rows, width]`, and says what that changed. */
export function signalExactness(logits: NDArray, form: SignalForm): Exactness {
  const [rows, width] = logits.shape;
  const out = { bytes: 0, denseBytes: 0, maxDifference: 0, kl: 0, tail: 0, sameTop: 0 };
  const data = Float32Array.from(toNumbers(logits));
  for (let r = 0; r < rows; r++) {
    const one = ndarray(data.slice(r * width, (r + 1) * width), [1, width]);
    const { form: kind, payload } = encodeSignal(formed(one, form), form.encoding);
    const exact = topKFromLogits(one, form.topk ?? width);
    const back = asTopK(decodeSignal(kind, payload), width);
    const place = new Map(Array.from(back.ids, (id, i) => [id, i]));
    exact.ids.forEach((id, i) => {
      if (id < 0) return;
      const p = Math.exp(exact.logp[i]);
      const q = back.logp[place.get(id) ?? -1] ?? Number.NEGATIVE_INFINITY;
      out.maxDifference = Math.max(out.maxDifference, Math.abs(p - Math.exp(q)));
      if (p > 0) out.kl += p * (exact.logp[i] - q);
    });
    const tail = Math.exp(exact.logTail[0]);
    if (tail > 0) out.kl += tail * (exact.logTail[0] - back.logTail[0]);
    out.tail += tail;
    if (back.ids[0] === exact.ids[0]) out.sameTop++;
    out.bytes += payload.length;
    out.denseBytes += encodeSignal({ form: 'logits', logits: one }).payload.length;
  }
  const mean = (x: number): number => x / Math.max(1, rows);
  return {
    bytes: mean(out.bytes),
    denseBytes: mean(out.denseBytes),
    maxDifference: out.maxDifference,
    kl: mean(out.kl),
    tail: mean(out.tail),
    sameTop: mean(out.sameTop),
  };
}

const asTopK = (signal: Signal, width: number): TopKSignal =>
  signal.form === 'logits'
    ? topKFromLogits(ndarray(Float32Array.from(toNumbers(signal.logits)), [1, width]), width)
    : (signal as TopKSignal);
