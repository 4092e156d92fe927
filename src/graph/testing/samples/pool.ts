import { gradients } from '../../autodiff.ts';
import { avgPool, globalAvgPool, globalMaxPool, maxPool } from '../../ops/pool.ts';
import { sum } from '../../ops/reduce.ts';
import { distinctArray, type OpSamples, randomArray } from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

const pooling = (op: string, fn: typeof maxPool, distinct: boolean, dilate: boolean): OpSamples => ({
  op,
  gradient: true,
  smooth: true,
  make: (rng) => {
    const rank = 1 + rng.int(3);
    const each = (least: number, most: number): number[] =>
      Array.from({ length: rank }, () => least + rng.int(most - least + 1));
    const kernel = each(1, 3);
    const tiles = rng.uniform() < 0.4;
    const strides = tiles ? kernel : each(1, 3);
    const dilations = dilate && !tiles ? each(1, 2) : each(1, 1);
    const ends = (): number[] => kernel.map((k) => (tiles ? 0 : rng.int(k)));
    const pads = [...ends(), ...ends()];
    const size = kernel.map((k, i) => dilations[i] * (k - 1) + 1 + (tiles ? k * rng.int(2) : rng.int(3)));
    const shape = [1 + rng.int(2), 1 + rng.int(2), ...size];
    return {
      inputs: [distinct ? distinctArray(rng, shape) : randomArray(rng, shape)],
      apply: (x) => fn(x, kernel, dilate ? { strides, pads, dilations } : { strides, pads }),
    };
  },
});

const samples: OpSamples[] = [
  pooling('maxPool', maxPool, true, true),
  pooling('avgPool', avgPool, false, false),
  pooling(
    'avgPool (padding left out)',
    (x, k, o) => avgPool(x, k, { ...o, countPadding: false }),
    false,
    false,
  ),
  {
    op: 'globalAvgPool, globalMaxPool',
    gradient: true,
    smooth: true,
    make: (rng) => ({
      inputs: [distinctArray(rng, [2, 3, 1 + rng.int(3), 1 + rng.int(3)])],
      apply: (x) => [globalAvgPool(x), globalMaxPool(x, true)],
    }),
  },
];

const emptyBatch: OpSamples = {
  op: 'pooling (empty batch)',
  gradient: false,
  smooth: false,
  make: (rng) => ({
    inputs: [randomArray(rng, [0, 2, 4, 4])],
    apply: (x) => [maxPool(x, 2), avgPool(x, 2), globalAvgPool(x), ...gradients(sum(maxPool(x, 2)), [x])],
  }),
};

export const poolSamples: OpSamples[] = [...samples, ...gradientsOf(samples), emptyBatch];
