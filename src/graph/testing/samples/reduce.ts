import type { Rng } from '../../../util/rng.ts';
import { array, type NDArray, ndarray } from '../../ndarray.ts';
import { sum, sumTo } from '../../ops/reduce.ts';
import {
  all,
  any,
  argmax,
  argmin,
  cumsum,
  logsumexp,
  max,
  mean,
  min,
  norm,
  prod,
  std,
  variance,
} from '../../ops/reductions.ts';
import type { Tensor } from '../../tensor.ts';
import {
  distinctArray,
  emptyArray,
  type OpSample,
  type OpSamples,
  randomArray,
  randomShape,
} from '../check-op.ts';
import { randomBools } from './compare.ts';
import { gradientsOf } from './gradients-of.ts';

type Reduce = (x: Tensor, axes?: number | readonly number[], keepDims?: boolean) => Tensor;
const MINUS = Number.NEGATIVE_INFINITY;

/** Axes: all, one (possibly negative), or a random subset. */
function drawAxes(rng: Rng, rank: number): number | number[] | undefined {
  const kind = rng.int(3);
  if (kind === 0) return undefined;
  if (kind === 1) return rng.int(2 * rank) - rank;
  return Array.from({ length: rank }, (_, i) => i).filter(() => rng.uniform() < 0.5);
}

const reduction = (
  op: string,
  fn: Reduce,
  values: (rng: Rng, shape: number[]) => NDArray = (rng, shape) => randomArray(rng, shape),
  edges: OpSample[] = [],
): OpSamples => ({
  op,
  gradient: true,
  smooth: true,
  make: (rng) => {
    const shape = randomShape(rng, 1, 4, 3);
    const axes = drawAxes(rng, shape.length);
    const keep = rng.uniform() < 0.5;
    return { inputs: [values(rng, shape)], apply: (x) => fn(x, axes, keep) };
  },
  edges: () => [
    { inputs: [emptyArray([0, 3])], apply: (x) => fn(x, 1) },
    { inputs: [array(2.5)], apply: (x) => fn(x) },
    ...edges,
  ],
});

const ofBools = (op: string, fn: Reduce): OpSamples => ({
  ...reduction(op, fn, randomBools),
  gradient: false,
  smooth: false,
  edges: () => [{ inputs: [ndarray(new Uint8Array(0), [0, 2], 'bool')], apply: (x) => fn(x, 1) }],
});

const arg = (op: string, fn: (x: Tensor, axis?: number, keepDims?: boolean) => Tensor): OpSamples => ({
  op,
  gradient: false,
  smooth: false,
  make: (rng) => {
    const shape = randomShape(rng, 1, 3, 5);
    const axis = rng.int(2 * shape.length) - shape.length;
    const keep = rng.uniform() < 0.5;
    return { inputs: [distinctArray(rng, shape)], apply: (x) => fn(x, axis, keep) };
  },
  edges: () => [
    {
      inputs: [
        array([
          [1, 3, 3],
          [2, 2, 0],
        ]),
      ],
      apply: (x) => fn(x, 1),
    },
    {
      inputs: [
        array(
          [
            [1, 3, 3],
            [0, 0, 2],
          ],
          'int32',
        ),
      ],
      apply: (x) => fn(x, 1),
    },
    { inputs: [array([MINUS, MINUS])], apply: (x) => fn(x) },
    { inputs: [emptyArray([0, 3])], apply: (x) => fn(x, 1) },
  ],
});

const spread = (op: string, fn: typeof variance): OpSamples => ({
  op,
  gradient: true,
  smooth: true,
  make: (rng) => {
    const shape = randomShape(rng, 1, 3, 3).map((d) => d + 1);
    const axes = rng.int(shape.length);
    const options = { correction: rng.int(2), keepDims: rng.uniform() < 0.5 };
    return { inputs: [distinctArray(rng, shape)], apply: (x) => fn(x, axes, options) };
  },
});

const intSum: OpSample = {
  inputs: [
    array(
      [
        [1, -2],
        [3, 40],
      ],
      'int32',
    ),
  ],
  apply: (x) => sum(x, 0),
};
const masked: OpSample[] = [
  {
    inputs: [
      array([
        [MINUS, MINUS],
        [1, MINUS],
      ]),
    ],
    apply: (x) => logsumexp(x, 1),
  },
  { inputs: [array([1e4, -1e4, 1e4])], apply: (x) => logsumexp(x) },
  { inputs: [array([Number.POSITIVE_INFINITY, 0])], apply: (x) => logsumexp(x) },
];
const intMax = (fn: Reduce): OpSample[] => [
  {
    inputs: [
      array(
        [
          [1, 5],
          [7, -2],
        ],
        'int32',
      ),
    ],
    apply: (x) => fn(x, 1),
  },
  {
    inputs: [
      array(
        [
          [1, 5],
          [7, -2],
        ],
        'int64',
      ),
    ],
    apply: (x) => fn(x, 0, true),
  },
  { inputs: [array([MINUS, MINUS])], apply: (x) => fn(x) },
];

const reduceForward: OpSamples[] = [
  reduction('sum', sum, undefined, [intSum, { inputs: [emptyArray([2, 0])], apply: (x) => sum(x, 1) }]),
  {
    op: 'sumTo',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const shape = randomShape(rng, 0, 3);
      const target = shape.slice(rng.int(shape.length + 1)).map((d) => (rng.uniform() < 0.5 ? 1 : d));
      return { inputs: [randomArray(rng, shape)], apply: (x) => sumTo(x, target) };
    },
  },
  reduction('mean', mean),
  reduction('max', max, distinctArray, intMax(max)),
  reduction('min', min, distinctArray, intMax(min)),
  reduction('prod', prod, undefined, [{ inputs: [emptyArray([2, 0])], apply: (x) => prod(x, 1) }]),
  reduction('logsumexp', logsumexp, undefined, masked),
  reduction('norm', norm, distinctArray),
  spread('variance', variance),
  spread('std', std),
  ofBools('any', any),
  ofBools('all', all),
  arg('argmax', argmax),
  arg('argmin', argmin),
  {
    op: 'cumsum',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const shape = randomShape(rng, 1, 3, 5);
      const axis = rng.int(2 * shape.length) - shape.length;
      const options = { exclusive: rng.uniform() < 0.5, reverse: rng.uniform() < 0.5 };
      return { inputs: [randomArray(rng, shape)], apply: (x) => cumsum(x, axis, options) };
    },
    edges: () => [
      { inputs: [emptyArray([2, 0])], apply: (x) => cumsum(x, 1) },
      { inputs: [array([1, 2, 3], 'int32')], apply: (x) => cumsum(x) },
      { inputs: [array([1, 2, 3], 'int64')], apply: (x) => cumsum(x, 0, { exclusive: true }) },
    ],
  },
];

export const reduceSamples: OpSamples[] = [...reduceForward, ...gradientsOf(reduceForward)];
