import { describe, expect, it } from 'vitest';
import { interpret } from '../../engine/reference/interpreter.ts';
import { runOrt } from '../../engine/testing/run-ort.ts';
import { createRng } from '../../util/rng.ts';
import { gradients } from '../autodiff.ts';
import type { NDArray } from '../ndarray.ts';
import { type Shape, sym } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { expectClose, randomArray, randomInts } from '../testing/check-op.ts';
import { spec, trace } from '../trace.ts';
import { scaledDotProductAttention } from './attention.ts';
import { batchNormTrain } from './batch-norm.ts';
import { conv, convTranspose } from './conv.ts';
import { softmaxCrossEntropy } from './cross-entropy.ts';
import { einsum } from './einsum.ts';
import { linear, matmul } from './linear.ts';
import { groupNorm, layerNorm, rmsNorm } from './norm.ts';
import { avgPool, globalAvgPool, maxPool } from './pool.ts';
import { sum } from './reduce.ts';
import { mean } from './reductions.ts';
import { rotary } from './rotary.ts';

const [b, q, k] = [sym('batch'), sym('seq'), sym('keys')];

interface Case {
  shapes: Shape[];
  /** Concrete shapes for each of the runs of one graph. */
  runs: number[][][];
  fn: (...t: Tensor[]) => Tensor;
  /** index of an integer input and its bound */
  labels?: [at: number, below: number];
}

const CASES: Record<string, Case> = {
  'matmul and linear': {
    shapes: [[b, q, 4], [4, 3], [3], [b, q, 5]],
    runs: [1, 3].map((n) => [[n, 2, 4], [4, 3], [3], [n, 2, 5]]),
    fn: (x, w, bias, y) => matmul(linear(x, w, bias), y, { transA: true, scale: 0.5 }),
  },
  einsum: {
    shapes: [
      [b, q, 2, 3],
      [b, k, 2, 3],
    ],
    runs: [1, 2].map((n) => [
      [n, 3, 2, 3],
      [n, n + 1, 2, 3],
    ]),
    fn: (x, y) => einsum('bqhd,bkhd->bhqk', x, y),
  },
  norms: {
    shapes: [[b, q, 4], [4], [4]],
    runs: [1, 3].map((n) => [[n, 2, 4], [4], [4]]),
    fn: (x, s, bias) => rmsNorm(layerNorm(x, s, bias), s),
  },
  groupNorm: {
    shapes: [[b, 4, q], [4], [4]],
    runs: [2, 3].map((n) => [[1, 4, n], [4], [4]]),
    fn: (x, s, bias) => groupNorm(x, 2, s, bias, { eps: 0.1 }),
  },
  'attention, causal': {
    shapes: [
      [b, 4, q, 2],
      [b, 2, k, 2],
      [b, 2, k, 3],
      [q, 1],
      [q, 1],
    ],
    runs: [
      [1, 2, 2],
      [2, 2, 5],
    ].map(([n, i, j]) => [
      [n, 4, i, 2],
      [n, 2, j, 2],
      [n, 2, j, 3],
      [i, 1],
      [i, 1],
    ]),
    fn: (x, y, z, cos, sin) => scaledDotProductAttention(rotary(x, cos, sin), y, z, { causal: true }),
  },
  'cross-entropy': {
    shapes: [
      [b, q, 5],
      [b, q],
    ],
    runs: [1, 3].map((n) => [
      [n, 2, 5],
      [n, 2],
    ]),
    fn: (x, y) => softmaxCrossEntropy(x, y),
    labels: [1, 5],
  },
  'convolution, batch norm, pooling': {
    shapes: [[b, 2, 8, 8], [3, 2, 3, 3], [3], [3], [4, 3, 3, 3], [4, 1, 2, 2]],
    runs: [1, 3].map((n) => [[n, 2, 8, 8], [3, 2, 3, 3], [3], [3], [4, 3, 3, 3], [4, 1, 2, 2]]),
    fn: (x, w, s, bias, v, up) => {
      const y = batchNormTrain(conv(x, w, { pads: 1 }), s, bias).y;
      const z = conv(maxPool(y, 2), v, { pads: 1, strides: 2 });
      return globalAvgPool(avgPool(convTranspose(z, up, { strides: 2 }), 2));
    },
  },
  'convolution over symbolic space': {
    shapes: [
      [b, 2, q],
      [3, 2, 3],
      [3, 2, 2],
    ],
    runs: [
      [1, 7],
      [2, 8],
    ].map(([n, l]) => [
      [n, 2, l],
      [3, 2, 3],
      [3, 2, 2],
    ]),
    fn: (x, w, up) => convTranspose(avgPool(conv(x, w, { strides: 2, pads: 1 }), 2), up, { strides: 2 }),
  },
};

describe('one graph for every size', () => {
  for (const [name, c] of Object.entries(CASES)) {
    it(`${name}: values and gradients on onnxruntime equal the oracle's`, async () => {
      const rng = createRng(name);
      const { graph } = trace(
        (...t: Tensor[]) => {
          const y = c.fn(...t);
          const floats = t.filter((x) => x.dtype === 'float32');
          return [y, ...gradients(mean(sum(y, y.rank - 1)), floats)];
        },
        c.shapes.map((s, i) => spec(s, i === c.labels?.[0] ? 'int32' : 'float32')),
      );
      for (const shapes of c.runs) {
        const inputs: NDArray[] = shapes.map((s, i) =>
          c.labels && i === c.labels[0] ? randomInts(rng, s, c.labels[1]) : randomArray(rng, s),
        );
        const want = interpret(graph, inputs);
        for (const standardOnly of [false, true]) {
          const got = await runOrt(graph, inputs, { standardOnly });
          got.forEach((g, i) => {
            expect(g.shape).toEqual(want[i].shape);
            expectClose(g, want[i], 5e-5, `${name}, output ${i}`);
          });
        }
      }
    });
  }
});
