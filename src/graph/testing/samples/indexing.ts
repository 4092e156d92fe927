import type { Rng } from '../../../util/rng.ts';
import { array, type NDArray } from '../../ndarray.ts';
import {
  gather,
  gatherElements,
  indexAdd,
  oneHot,
  scatterAdd,
  scatterElements,
  segmentSum,
} from '../../ops/indexing.ts';
import { arange, sizeTensor } from '../../ops/sizes.ts';
import { argsort, sort, topK } from '../../ops/sorting.ts';
import { dimAdd, dimFloorDiv, dimMul } from '../../shape.ts';
import {
  distinctArray,
  emptyArray,
  type OpSamples,
  randomArray,
  randomInts,
  randomShape,
} from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

/** Indices in [-size, size). */
const anyIndices = (rng: Rng, shape: readonly number[], size: number): NDArray => {
  const ints = randomInts(rng, shape, 2 * size);
  return { ...ints, data: (ints.data as Int32Array).map((v) => v - size) };
};

/** Indices that differ from one another along `axis`. */
function distinctIndices(rng: Rng, shape: readonly number[], axis: number, size: number): NDArray {
  const out = randomInts(rng, shape, 1);
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const n = shape[axis];
  for (let i = 0; i < out.data.length / Math.max(n, 1); i++) {
    const order = rng.shuffle(Array.from({ length: size }, (_, k) => k));
    const base = Math.floor(i / inner) * n * inner + (i % inner);
    for (let k = 0; k < n; k++) out.data[base + k * inner] = order[k];
  }
  return out;
}

/** Shape of x, an axis of it, and a shape of indices: x's own but for the axis. */
function elementwise(rng: Rng, extra: number): { shape: number[]; axis: number; at: number[] } {
  const shape = randomShape(rng, 1, 3, 4);
  const axis = rng.int(shape.length);
  const at = shape.map((d, a) => (a === axis ? 1 + rng.int(d + extra) : 1 + rng.int(d)));
  return { shape, axis, at };
}

const indexingForward: OpSamples[] = [
  {
    op: 'gather',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const shape = randomShape(rng, 1, 3);
      const axis = rng.int(2 * shape.length) - shape.length;
      const size = shape[axis < 0 ? axis + shape.length : axis];
      return {
        inputs: [randomArray(rng, shape), anyIndices(rng, randomShape(rng, 0, 2), size)],
        apply: (x, i) => gather(x, i, axis),
      };
    },
    edges: () => [
      {
        inputs: [
          array([
            [1, 2],
            [3, 4],
          ]),
          array([], 'int32'),
        ],
        apply: (x, i) => gather(x, i),
      },
      { inputs: [emptyArray([3, 0]), array([2, 0], 'int32')], apply: (x, i) => gather(x, i) },
      { inputs: [array([5, 6, 7], 'int32'), array([2, -1], 'int64')], apply: (x, i) => gather(x, i) },
      { inputs: [array([true, false], 'bool'), array(1, 'int32')], apply: (x, i) => gather(x, i) },
    ],
  },
  {
    op: 'gatherElements',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const { shape, axis, at } = elementwise(rng, 2);
      return {
        inputs: [randomArray(rng, shape), anyIndices(rng, at, shape[axis])],
        apply: (x, i) => gatherElements(x, i, axis),
      };
    },
    edges: () => [
      {
        inputs: [
          array([
            [1, 2],
            [3, 4],
          ]),
          { ...array([], 'int32'), shape: [2, 0] },
        ],
        apply: (x, i) => gatherElements(x, i, 1),
      },
    ],
  },
  {
    op: 'scatterElements',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const { shape, axis, at } = elementwise(rng, 0);
      return {
        inputs: [randomArray(rng, shape), distinctIndices(rng, at, axis, shape[axis]), randomArray(rng, at)],
        apply: (x, i, u) => scatterElements(x, i, u, axis),
      };
    },
  },
  {
    op: 'scatterAdd',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const { shape, axis, at } = elementwise(rng, 3);
      return {
        inputs: [randomArray(rng, shape), anyIndices(rng, at, shape[axis]), randomArray(rng, at)],
        apply: (x, i, u) => scatterAdd(x, i, u, axis),
      };
    },
    edges: () => [
      {
        inputs: [array([1, 2]), array([], 'int32'), emptyArray([0])],
        apply: (x, i, u) => scatterAdd(x, i, u),
      },
    ],
  },
  {
    op: 'indexAdd',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const shape = randomShape(rng, 1, 3);
      const n = 1 + rng.int(5);
      return {
        inputs: [
          randomArray(rng, shape),
          anyIndices(rng, [n], shape[0]),
          randomArray(rng, [n, ...shape.slice(1)]),
        ],
        apply: indexAdd,
      };
    },
  },
  {
    op: 'segmentSum',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const shape = randomShape(rng, 1, 3);
      return {
        inputs: [randomArray(rng, shape), randomInts(rng, [shape[0]], 3)],
        apply: (x, ids) => segmentSum(x, ids, 3),
      };
    },
    edges: () => [
      { inputs: [emptyArray([0, 2]), array([], 'int32')], apply: (x, ids) => segmentSum(x, ids, 3) },
    ],
  },
  {
    op: 'oneHot',
    gradient: false,
    smooth: false,
    make: (rng) => {
      const shape = randomShape(rng, 0, 3);
      const axis = rng.int(shape.length + 1);
      return { inputs: [anyIndices(rng, shape, 4)], apply: (i) => oneHot(i, 4, 'float32', axis) };
    },
    edges: () => [
      { inputs: [array([-100, 0, 3, 4], 'int64')], apply: (i) => oneHot(i, 4, 'int32') },
      { inputs: [array([], 'int32')], apply: (i) => oneHot(i, 3) },
    ],
  },
  {
    op: 'topK',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const shape = randomShape(rng, 1, 3, 5);
      const axis = rng.int(shape.length);
      const k = 1 + rng.int(shape[axis]);
      const largest = rng.uniform() < 0.5;
      return { inputs: [distinctArray(rng, shape)], apply: (x) => topK(x, k, axis, { largest }) };
    },
    edges: () => [
      { inputs: [array([3, 1, 3, 2, 3, 1])], apply: (x) => topK(x, 4) },
      { inputs: [array([3, 1, 3, 2, 3, 1])], apply: (x) => topK(x, 4, 0, { largest: false }) },
      { inputs: [array([3, 1, 2], 'int32')], apply: (x) => topK(x, 2) },
      { inputs: [array([3, 1, 2])], apply: (x) => topK(x, 0) },
      { inputs: [emptyArray([0, 3])], apply: (x) => topK(x, 2) },
    ],
  },
  {
    op: 'sort',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const shape = randomShape(rng, 1, 3, 5);
      const axis = rng.int(shape.length);
      const descending = rng.uniform() < 0.5;
      return { inputs: [distinctArray(rng, shape)], apply: (x) => sort(x, axis, { descending }) };
    },
    edges: () => [
      { inputs: [array([[2, 1, 2, 1]])], apply: (x) => sort(x) },
      { inputs: [emptyArray([2, 0])], apply: (x) => sort(x) },
    ],
  },
  {
    op: 'argsort',
    gradient: false,
    smooth: false,
    make: (rng) => ({ inputs: [distinctArray(rng, randomShape(rng, 1, 3, 5))], apply: (x) => argsort(x) }),
  },
  {
    op: 'arange',
    gradient: false,
    smooth: false,
    make: (rng) => {
      const n = rng.int(6);
      const [start, step] = [rng.int(9) - 4, rng.int(5) - 2];
      return {
        inputs: [],
        apply: () => [
          arange(n),
          arange(n, { start, step }),
          arange(n, { start: start / 4, step: step / 8, dtype: 'float32' }),
          arange(n, { start, dtype: 'int64' }),
        ],
      };
    },
  },
  {
    op: 'size',
    gradient: false,
    smooth: false,
    make: (rng) => ({
      inputs: [randomArray(rng, randomShape(rng, 2, 2))],
      shapes: [['batch', 'seq']],
      apply: (x) => [
        sizeTensor(x.shape[0]),
        sizeTensor(dimMul(x.shape[0], x.shape[1]), 'int32'),
        sizeTensor(dimFloorDiv(dimAdd(x.shape[0], 3), 2), 'int64'),
        sizeTensor(7),
      ],
    }),
  },
];

export const indexingSamples: OpSamples[] = [...indexingForward, ...gradientsOf(indexingForward)];
