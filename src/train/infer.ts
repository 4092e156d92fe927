import { type NDArray, ndarray } from '../graph/index.ts';
import type { Inference } from '../nn/inference.ts';
import { chunk } from './batches.ts';
import type { Encoded } from './encoded.ts';

/** One output of a model for every row, `[rows, width]`: rows of similar length are run together. */
export async function inferAll(
  inference: Inference,
  encoded: Encoded,
  inputs: readonly string[],
  { batchSize = 128, output = 'logits' } = {},
): Promise<NDArray> {
  const order = Array.from({ length: encoded.size }, (_, i) => i);
  const { lengths } = encoded;
  if (lengths) order.sort((a, b) => lengths[a] - lengths[b]);
  let out: Float32Array | undefined;
  let width = 0;
  for (const rows of chunk(order, batchSize)) {
    const all = encoded.inputs(rows);
    const result = (
      await inference.run(Object.fromEntries(inputs.filter((f) => all[f]).map((f) => [f, all[f]])))
    )[output];
    width = result.shape[1];
    out ??= new Float32Array(encoded.size * width);
    rows.forEach((row, r) => {
      out!.set((result.data as Float32Array).subarray(r * width, (r + 1) * width), row * width);
    });
  }
  return ndarray(out ?? new Float32Array(0), [encoded.size, width]);
}
