import type { ExampleSet } from '../data/example-set.ts';
import { fingerprintText } from '../data/fingerprint.ts';
import { shuffled } from '../data/shuffle.ts';
import type { Example } from '../data/types.ts';
import type { Method } from '../methods/method.ts';
import type { BatchSource } from '../train/batches.ts';
import { DecantError } from '../util/errors.ts';
import type { RunContext } from './context.ts';

/** Rows that vocabulary, lengths and baselines are taken from: a uniform sample. */
const SAMPLE = 10_000;
/** Rows that stand ready under fixed numbers, for the probe. */
const HEAD = 16;

/** Errors: `recipe` for methods and steps that want all rows at once. */
export function requireRowByRow(ctx: RunContext, method: Method | undefined): void {
  const whole =
    method?.prepare ?? method?.teacherHidden ?? method?.curate ?? method?.setup ?? method?.subclasses;
  if (!whole && ctx.recipe.data.steps.length === 0) return;
  throw new DecantError('recipe', 'rows that are streamed cannot be prepared or rewritten all at once', {
    at: 'data.streaming',
    seen: method?.slug,
    fix: 'leave data.streaming out, or choose a method that learns row by row',
  });
}

/** One pass over rows on the disk: a uniform sample of them, how many there are, and how many have a label. */
export async function survey(
  sets: readonly ExampleSet[],
): Promise<{ sample: Example[]; size: number; labelled: number }> {
  const kept: { rank: number; example: Example }[] = [];
  let [size, labelled, worst] = [0, 0, Number.POSITIVE_INFINITY];
  for (const set of sets) {
    for await (const example of set.read()) {
      size++;
      if ((example.label ?? -1) >= 0) labelled++;
      const rank = fingerprintText(`${example.file}:${example.line}`, 7);
      if (kept.length >= 2 * SAMPLE) {
        kept.sort((a, b) => a.rank - b.rank).length = SAMPLE;
        worst = kept[SAMPLE - 1].rank;
      }
      if (rank < worst) kept.push({ rank, example });
    }
  }
  kept.sort((a, b) => a.rank - b.rank);
  return { sample: kept.slice(0, SAMPLE).map((k) => k.example), size, labelled };
}

/** Rows drawn from the disk in shuffled order, under numbers that are good for one `take`. */
export interface RowStream<R> {
  readonly stream: NonNullable<BatchSource['stream']>;
  take(numbers: readonly number[]): Promise<R[]>;
}

/** `pass` reads all `size` rows in one order, the same in every epoch; `buffer` rows are shuffled at a time. */
export function rowStream<R>({
  pass,
  size,
  buffer,
}: {
  pass: () => AsyncIterable<R>;
  size: number;
  buffer: number;
}): RowStream<R> {
  const held = new Map<number, R>();
  let next = HEAD;
  const head = async (): Promise<void> => {
    let n = 0;
    for await (const row of pass()) {
      if (n === HEAD) break;
      held.set(n++, row);
    }
  };
  return {
    async take(numbers) {
      if (numbers.some((n) => n < HEAD) && !held.has(0)) await head();
      const chosen = numbers.map((n) => held.get(n)!);
      for (const n of numbers) if (n >= HEAD) held.delete(n);
      return chosen;
    },
    async *stream({ seed, batchSize, from }) {
      let batch: number[] = [];
      for (let epoch = Math.floor((from * batchSize) / size); ; epoch++) {
        const passOver = Math.max(0, from * batchSize - epoch * size);
        for await (const row of shuffled(pass(), { seed: `${seed}/${epoch}`, buffer, from: passOver })) {
          held.set(next, row);
          batch.push(next++);
          if (batch.length < batchSize) continue;
          yield batch;
          batch = [];
        }
      }
    },
  };
}
