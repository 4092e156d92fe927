import { allocate } from '../graph/dtype.ts';
import { type NDArray, ndarray } from '../graph/ndarray.ts';
import { DecantError } from '../util/errors.ts';

/** The number of steps as the input of a looped graph. */
export const tripsArray = (steps: number): NDArray =>
  ndarray(new BigInt64Array([BigInt(steps)]), [], 'int64');

/** Inputs of K steps, stacked: K lists of `[...]` become one list of `[K, ...]`. */
export function stackBatches(batches: readonly (readonly NDArray[])[]): NDArray[] {
  return batches[0].map((first, i) => {
    const size = first.data.length;
    const data = allocate(first.dtype, size * batches.length);
    batches.forEach((batch, k) => {
      const a = batch[i];
      if (a.shape.join() !== first.shape.join()) {
        throw new DecantError('shape', 'the steps of one run need inputs of one shape', {
          seen: a.shape,
          allowed: `[${first.shape}]`,
          fix: 'pad the batches, or run them one by one',
        });
      }
      (data as Float32Array).set(a.data as Float32Array, k * size);
    });
    return ndarray(data, [batches.length, ...first.shape], first.dtype);
  });
}

/** Stacked outputs `[K, ...]` as K lists of `[...]`. */
export function unstackResults(results: readonly NDArray[], steps: number): NDArray[][] {
  return Array.from({ length: steps }, (_, k) =>
    results.map((a) => {
      const size = a.data.length / steps;
      return ndarray(a.data.slice(k * size, (k + 1) * size), a.shape.slice(1), a.dtype);
    }),
  );
}
