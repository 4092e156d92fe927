import { createRng } from '../util/rng.ts';

export interface ShuffleOptions {
  seed: number | string;
  /** Examples held in memory; an example moves back by any distance but forward by less than this many places. */
  buffer: number;
  /** Items already delivered in this order; they are passed over, so that a resumed reader goes on where it stopped. */
  from?: number;
}

/**
 * A stream in seeded pseudo-random order with bounded memory: the buffer is filled, then each arriving item replaces a
 * random one, which is delivered. The order is a pure function of the seed, the buffer size and the input.
 */
export async function* shuffled<T>(
  source: AsyncIterable<T> | Iterable<T>,
  options: ShuffleOptions,
): AsyncGenerator<T> {
  const rng = createRng(`shuffle/${options.seed}`);
  const buffer: T[] = [];
  let passOver = options.from ?? 0;
  for await (const item of source) {
    if (buffer.length < options.buffer) {
      buffer.push(item);
      continue;
    }
    const at = rng.int(buffer.length);
    const out = buffer[at];
    buffer[at] = item;
    if (passOver > 0) passOver--;
    else yield out;
  }
  rng.shuffle(buffer);
  for (const item of buffer) {
    if (passOver > 0) passOver--;
    else yield item;
  }
}
