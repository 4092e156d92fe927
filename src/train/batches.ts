import { createRng } from '../util/rng.ts';
import type { Batch } from './step-graph.ts';

/** Training examples as the loop sees them: a number of rows, and arrays made from chosen rows. */
export interface BatchSource {
  readonly size: number;
  /** Length of each row (tokens): rows of similar length then share batches, which saves padding. */
  readonly lengths?: ArrayLike<number>;
  /** Columns of the rows, in order: `[rows, ...]`, with `mask/...` columns that say what counts. */
  collate(rows: readonly number[]): Batch | Promise<Batch>;
  /**
   * For rows that are read from the disk in an order of their own: the batches from an update on, in place of a plan over
   * all rows. A pure function of seed and position. Its numbers are good for one `collate` each.
   */
  stream?(order: {
    seed: number | string;
    batchSize: number;
    /** Updates that are done. */
    from: number;
  }): AsyncIterable<readonly number[]>;
}

/** How many batches sort their rows by length together. */
const WINDOW = 32;

export const stepsPerEpoch = (size: number, batchSize: number): number => Math.ceil(size / batchSize);

/**
 * Rows of each batch of an epoch: a pure function of seed and epoch, so that training can resume anywhere. Every row
 * comes once; the last batch is filled up from the epoch's beginning, so that all batches have one size.
 */
export function epochPlan(
  source: BatchSource,
  batchSize: number,
  seed: number | string,
  epoch: number,
): number[][] {
  const rng = createRng(`${seed}/epoch/${epoch}`);
  const order = rng.shuffle(Array.from({ length: source.size }, (_, i) => i));
  const batches = stepsPerEpoch(source.size, batchSize);
  for (let i = 0; order.length < batches * batchSize; i++) order.push(order[i]);
  if (source.lengths) {
    const lengths = source.lengths;
    const span = WINDOW * batchSize;
    for (let from = 0; from < order.length; from += span) {
      const window = order.slice(from, from + span).sort((a, b) => lengths[a] - lengths[b]);
      for (let i = 0; i < window.length; i++) order[from + i] = window[i];
    }
  }
  const plan = Array.from({ length: batches }, (_, i) => order.slice(i * batchSize, (i + 1) * batchSize));
  return source.lengths ? rng.shuffle(plan) : plan;
}

/** Batches by step number, remembering the plan of the current epoch. */
export function batchRows(
  source: BatchSource,
  batchSize: number,
  seed: number | string,
): (step: number) => readonly number[] {
  const perEpoch = stepsPerEpoch(source.size, batchSize);
  let epoch = -1;
  let plan: number[][] = [];
  return (step) => {
    const wanted = Math.floor(step / perEpoch);
    if (wanted !== epoch) {
      epoch = wanted;
      plan = epochPlan(source, batchSize, seed, epoch);
    }
    return plan[step % perEpoch];
  };
}

/** Consecutive parts of at most `size` rows. */
export function chunk<T>(rows: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < rows.length; i += size) parts.push(rows.slice(i, i + size));
  return parts;
}
