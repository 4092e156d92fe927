import { createRng } from '../util/rng.ts';
import type { Example } from './types.ts';

export interface ReadOptions {
  /** Order: absent is file order; the same seed and epoch give the same order. */
  seed?: number | string;
  epoch?: number;
  /** Examples already delivered in this order, for a reader that is resumed. */
  from?: number;
}

/** The examples of one split, held in memory (`items`) or streamed. */
export interface ExampleSet {
  size: number;
  items?: Example[];
  read(options?: ReadOptions): AsyncIterable<Example>;
}

/** A split held in memory; a seeded read is a full shuffle. */
export const heldSet = (items: Example[]): ExampleSet => ({
  size: items.length,
  items,
  async *read({ seed, epoch = 0, from = 0 } = {}) {
    const order = items.map((_, i) => i);
    if (seed !== undefined) createRng(`order/${seed}/${epoch}`).shuffle(order);
    for (let i = from; i < order.length; i++) yield items[order[i]];
  },
});
