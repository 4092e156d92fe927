import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { createRng } from '../../util/rng.ts';
import { gradients } from '../autodiff.ts';
import { type NDArray, ndarray } from '../ndarray.ts';
import { writeOnnx } from '../onnx/writer.ts';
import { mul } from '../ops/arithmetic.ts';
import { fill } from '../ops/basic.ts';
import { gather, gatherElements, indexAdd, scatterAdd, segmentSum } from '../ops/indexing.ts';
import { sum } from '../ops/reduce.ts';
import { topK } from '../ops/sorting.ts';
import type { Tensor } from '../tensor.ts';
import { spec, trace } from '../trace.ts';

const REPEATS = 200;
const [ROWS, TARGETS, WIDTH] = [1024, 61, 64];
const rng = createRng('determinism');
const updates = ndarray(
  Float32Array.from({ length: ROWS * WIDTH }, () => rng.normal() * 10 ** rng.int(6)),
  [ROWS, WIDTH],
);
const ids = ndarray(Int32Array.from({ length: ROWS }, () => rng.int(TARGETS)));
const cells = ndarray(
  Int32Array.from({ length: ROWS * WIDTH }, () => rng.int(TARGETS)),
  [ROWS, WIDTH],
);
const table = ndarray(
  Float32Array.from({ length: TARGETS * WIDTH }, () => rng.normal()),
  [TARGETS, WIDTH],
);

/** Runs a graph 200 times at two threads; the number of different results, in bits. */
async function differentResults(fn: (...t: Tensor[]) => Tensor, inputs: NDArray[]): Promise<number> {
  const names = inputs.map((_, i) => `x${i}`);
  const { graph } = trace(
    fn,
    inputs.map((a) => spec(a.shape, a.dtype)),
    names,
  );
  const session = await ort.InferenceSession.create(writeOnnx(graph), {
    intraOpNumThreads: 2,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  const feeds = Object.fromEntries(
    inputs.map((a, i) => [names[i], new ort.Tensor(a.dtype as 'float32', a.data as Float32Array, a.shape)]),
  );
  const seen = new Set<string>();
  for (let i = 0; i < REPEATS; i++) {
    const out = await session.run(feeds);
    const bits = new Uint32Array((out.out0.data as Float32Array).buffer.slice(0));
    let a = 0x811c9dc5;
    let b = 1;
    for (const w of bits) {
      a = Math.imul(a ^ w, 0x01000193);
      b = (Math.imul(b, 31) + w) | 0;
    }
    seen.add(`${a}/${b}`);
  }
  await session.release();
  return seen.size;
}

describe('scatter-like operators give the same bits in 200 runs at two threads', () => {
  const cases: [string, (...t: Tensor[]) => Tensor, NDArray[]][] = [
    ['scatterAdd along axis 0', (u, c) => scatterAdd(fill([TARGETS, WIDTH], 0), c, u, 0), [updates, cells]],
    ['scatterAdd along axis 1', (u, c) => scatterAdd(fill([ROWS, TARGETS], 0), c, u, 1), [updates, cells]],
    ['indexAdd', (t, u, i) => indexAdd(t, i, u), [table, updates, ids]],
    ['segmentSum', (u, i) => segmentSum(u, i, TARGETS), [updates, ids]],
    [
      'the gradient of gather',
      (t, u, i) => gradients(sum(mul(gather(t, i), u)), [t])[0],
      [table, updates, ids],
    ],
    [
      'the gradient of gatherElements',
      (t, u, c) => gradients(sum(mul(gatherElements(t, c, 0), u)), [t])[0],
      [table, updates, cells],
    ],
    ['the gradient of topK', (u) => gradients(sum(topK(u, 5)[0]), [u])[0], [updates]],
  ];
  for (const [name, fn, inputs] of cases) {
    it(name, async () => {
      expect(await differentResults(fn, inputs)).toBe(1);
    });
  }
});
