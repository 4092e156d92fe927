import type { Rng } from '../../../util/rng.ts';
import type { DType } from '../../dtype.ts';
import { array } from '../../ndarray.ts';
import { broadcastTo, fill, identity, reshape } from '../../ops/basic.ts';
import { pad } from '../../ops/padding.ts';
import { expandDims, repeat, squeeze, swapAxes, tile, transpose, tril, triu } from '../../ops/shape.ts';
import { concat, flip, slice, split, stack } from '../../ops/slicing.ts';
import { dimSub } from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import {
  broadcastablePair,
  emptyArray,
  type OpSample,
  type OpSamples,
  randomArray,
  randomShape,
} from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

const linear = (op: string, make: (rng: Rng) => OpSample, edges?: () => OpSample[]): OpSamples => ({
  op,
  gradient: true,
  smooth: true,
  make,
  edges,
});
const one = (rng: Rng, shape: readonly number[], apply: (x: Tensor) => Tensor | Tensor[]): OpSample => ({
  inputs: [randomArray(rng, shape)],
  apply,
});
const DTYPES: DType[] = ['int32', 'int64', 'bool', 'uint8', 'uint32'];
const everyType = (apply: (x: Tensor) => Tensor | Tensor[]): OpSample[] =>
  DTYPES.map((t) => ({
    inputs: [
      array(
        [
          [1, 0, 1],
          [0, 0, 1],
        ],
        t,
      ),
    ],
    apply,
  }));
const empty = (shape: number[], apply: (x: Tensor) => Tensor | Tensor[]): OpSample => ({
  inputs: [emptyArray(shape)],
  apply,
});

const shapeForward: OpSamples[] = [
  linear('identity', (rng) => one(rng, randomShape(rng, 0, 3), identity)),
  linear(
    'reshape',
    (rng) => {
      const shape = randomShape(rng, 0, 3);
      const n = shape.reduce((a, b) => a * b, 1);
      const target = rng.pick([[n], [1, n, 1], [-1], [-1, 1], [...shape].reverse()]);
      return one(rng, shape, (x) => reshape(x, target));
    },
    () => [empty([0, 3], (x) => reshape(x, [3, 0])), ...everyType((x) => reshape(x, [3, -1]))],
  ),
  linear(
    'broadcastTo',
    (rng) => {
      const [a, b] = broadcastablePair(rng);
      const [from, to] =
        a.length <= b.length && a.every((d, i) => d === 1 || d === b[i - a.length + b.length])
          ? [a, b]
          : [[1], [2, 3]];
      return one(rng, from, (x) => broadcastTo(x, to));
    },
    () => [empty([0, 1], (x) => broadcastTo(x, [2, 0, 3])), ...everyType((x) => broadcastTo(x, [2, 2, 3]))],
  ),
  {
    op: 'fill',
    gradient: false,
    smooth: false,
    make: (rng) => {
      const shape = randomShape(rng, 0, 3);
      return { inputs: [], apply: () => [fill(shape, 2.5), fill([0, 2], 1), fill(shape, 3, 'int32')] };
    },
  },
  linear(
    'transpose',
    (rng) => {
      const shape = randomShape(rng, 0, 4);
      const perm = rng.uniform() < 0.2 ? undefined : rng.shuffle(shape.map((_, i) => i));
      return one(rng, shape, (x) => transpose(x, perm));
    },
    () => [empty([0, 2, 3], (x) => transpose(x)), ...everyType((x) => transpose(x))],
  ),
  linear('swapAxes', (rng) => {
    const shape = randomShape(rng, 1, 4);
    const axis = rng.int(shape.length);
    return one(rng, shape, (x) => swapAxes(x, axis, -1));
  }),
  linear(
    'expandDims',
    (rng) => {
      const shape = randomShape(rng, 0, 2);
      const axis = rng.int(shape.length + 1);
      return one(rng, shape, (x) => [expandDims(x, axis), expandDims(x, [0, -1])]);
    },
    () => [empty([0], (x) => expandDims(x, 1))],
  ),
  linear(
    'squeeze',
    (rng) => one(rng, [1, 1 + rng.int(3), 1], (x) => [squeeze(x), squeeze(x, 0), squeeze(x, [0, -1])]),
    () => [empty([0, 1], (x) => squeeze(x))],
  ),
  linear(
    'concat',
    (rng) => {
      const shape = randomShape(rng, 1, 3);
      const axis = rng.int(shape.length);
      const inputs = Array.from({ length: 1 + rng.int(3) }, () =>
        randomArray(
          rng,
          shape.map((d, a) => (a === axis ? 1 + rng.int(3) : d)),
        ),
      );
      return { inputs, apply: (...t) => concat(t, axis - (rng.uniform() < 0.5 ? shape.length : 0)) };
    },
    () => [
      { inputs: [emptyArray([0, 2]), array([[1, 2]])], apply: (a, b) => concat([a, b]) },
      ...everyType((x) => concat([x, x], 1)),
    ],
  ),
  linear('stack', (rng) => {
    const shape = randomShape(rng, 0, 2);
    const inputs = Array.from({ length: 1 + rng.int(3) }, () => randomArray(rng, shape));
    const axis = rng.int(shape.length + 1);
    return { inputs, apply: (...t) => stack(t, axis) };
  }),
  linear(
    'split',
    (rng) => {
      const shape = [2 * (1 + rng.int(2)), ...randomShape(rng, 0, 2)];
      return one(rng, shape, (x) => [...split(x, 2), ...split(x, [1, shape[0] - 1])]);
    },
    () => [empty([0, 4], (x) => split(x, [1, 3], 1)), ...everyType((x) => split(x, [1, 2, 0], 1))],
  ),
  linear('split (the rest)', (rng) =>
    one(rng, [2 + rng.int(3), 2], (x) => split(x, [1, dimSub(x.shape[0], 1)])),
  ),
  linear(
    'slice',
    (rng) => {
      const shape = randomShape(rng, 1, 3, 6);
      const axes = rng.shuffle(shape.map((_, i) => i)).slice(0, 1 + rng.int(shape.length));
      const starts = axes.map((a) => rng.int(2 * shape[a]) - shape[a]);
      const ends = axes.map((a) => rng.pick([undefined, shape[a], rng.int(2 * shape[a]) - shape[a], 99]));
      const steps = axes.map(() => rng.pick([1, 1, 2, 3, -1, -2]));
      return one(rng, shape, (x) => slice(x, { starts, ends, axes, steps }));
    },
    () => [
      empty([0, 4], (x) => slice(x, { starts: [1], ends: [3], axes: [1] })),
      empty([0, 4], (x) => slice(x, { starts: [0], ends: [0] })),
      ...everyType((x) => slice(x, { starts: [0, 2], ends: [1, undefined], steps: [1, -2] })),
    ],
  ),
  linear(
    'flip',
    (rng) => {
      const shape = randomShape(rng, 0, 3);
      const axes = shape.map((_, i) => i).filter(() => rng.uniform() < 0.6);
      return one(rng, shape, (x) => flip(x, axes));
    },
    () => [empty([0, 4], (x) => flip(x)), ...everyType((x) => flip(x))],
  ),
  linear(
    'pad',
    (rng) => {
      const shape = randomShape(rng, 1, 3).map((d) => d + 1);
      const mode = rng.pick(['constant', 'edge', 'reflect'] as const);
      const value = rng.pick([0, 1.5]);
      const pads = shape.map((d): [number, number] => [rng.int(d), rng.int(d)]);
      return one(rng, shape, (x) => pad(x, pads, { mode, value }));
    },
    () => [
      empty([0, 2], (x) =>
        pad(
          x,
          [
            [1, 1],
            [0, 1],
          ],
          { value: 2 },
        ),
      ),
      ...everyType((x) =>
        pad(x, [
          [1, 0],
          [0, 2],
        ]),
      ),
      ...everyType((x) =>
        pad(
          x,
          [
            [1, 0],
            [0, 2],
          ],
          { mode: 'edge' },
        ),
      ),
    ],
  ),
  linear(
    'tile',
    (rng) => {
      const shape = randomShape(rng, 0, 3);
      const reps = Array.from({ length: rng.int(4) }, () => 1 + rng.int(2));
      return one(rng, shape, (x) => tile(x, reps));
    },
    () => [empty([0, 2], (x) => tile(x, [2, 2])), ...everyType((x) => tile(x, [2, 1]))],
  ),
  linear('repeat', (rng) => {
    const shape = randomShape(rng, 1, 3);
    const [times, axis] = [1 + rng.int(3), rng.int(shape.length)];
    return one(rng, shape, (x) => repeat(x, times, axis));
  }),
  ...[tril, triu].map((fn) =>
    linear(
      fn === tril ? 'tril' : 'triu',
      (rng) => {
        const k = rng.int(5) - 2;
        return one(rng, [...randomShape(rng, 0, 2), 1 + rng.int(4), 1 + rng.int(4)], (x) => fn(x, k));
      },
      () => [empty([0, 2, 2], (x) => fn(x)), ...everyType((x) => fn(x))],
    ),
  ),
];

export const shapeSamples: OpSamples[] = [...shapeForward, ...gradientsOf(shapeForward)];
