import type { Rng } from '../../../util/rng.ts';
import { array } from '../../ndarray.ts';
import { add, div, maximum, minimum, mod, mul, neg, pow, sub } from '../../ops/arithmetic.ts';
import type { Tensor, TensorLike } from '../../tensor.ts';
import {
  broadcastablePair,
  distinctArray,
  emptyArray,
  type OpSample,
  type OpSamples,
  randomArray,
  randomShape,
} from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

type Binary = (a: TensorLike, b: TensorLike) => Tensor;
const { NEGATIVE_INFINITY: MINUS, POSITIVE_INFINITY: PLUS, NaN: NOT } = Number;

const binary = (op: string, fn: Binary, lo = -2, hi = 2, edges: OpSample[] = []): OpSamples => ({
  op,
  gradient: true,
  smooth: true,
  make: (rng: Rng) => {
    const [a, b] = broadcastablePair(rng);
    return { inputs: [randomArray(rng, a), randomArray(rng, b, lo, hi)], apply: (x, y) => fn(x, y) };
  },
  edges: () => [
    { inputs: [emptyArray([2, 0]), array([[1], [2]])], apply: (x, y) => fn(x, y) },
    { inputs: [array([7, -7, 100], 'int32'), array([[2], [-3]], 'int32')], apply: (x, y) => fn(x, y) },
    { inputs: [array([7, -7, 100], 'int64'), array([[2], [-3]], 'int64')], apply: (x, y) => fn(x, y) },
    { inputs: [array([1e15, -1e15, 3]), array([1e15, 1e-3, -3])], apply: (x, y) => fn(x, y) },
    ...edges,
  ],
});

/** Operands that are never closer than a finite-difference step. */
const apart = (op: string, fn: Binary): OpSamples => ({
  ...binary(op, fn, -2, 2, [
    { inputs: [array([1, MINUS, PLUS, -0.5]), array([MINUS, MINUS, 1, -0.5])], apply: (x, y) => fn(x, y) },
    { inputs: [array([NOT, 1]), array([1, NOT])], apply: (x, y) => fn(x, y) },
  ]),
  make: (rng) => {
    const [a, b] = broadcastablePair(rng);
    const y = distinctArray(rng, b);
    return {
      inputs: [distinctArray(rng, a), { ...y, data: (y.data as Float32Array).map((v) => v + 0.035) }],
      apply: (x, z) => fn(x, z),
    };
  },
});

const arithmeticForward: OpSamples[] = [
  binary('add', add),
  binary('sub', sub),
  binary('mul', mul),
  binary('div', div, 0.5, 2),
  apart('maximum', maximum),
  apart('minimum', minimum),
  {
    op: 'mod',
    gradient: true,
    smooth: false,
    make: (rng) => {
      // dividends (k + 0.3)·b: away from the jumps
      const shape = randomShape(rng, 0, 3);
      const b = rng.uniform() < 0.5 ? randomArray(rng, shape, 0.5, 2) : randomArray(rng, shape, -2, -0.5);
      const a = (b.data as Float32Array).map((v) => v * (rng.int(7) - 3 + 0.3));
      return { inputs: [{ ...b, data: a }, b], apply: (x, y) => mod(x, y) };
    },
    edges: () => [
      {
        inputs: [array([7, -7, 7, -7, 6], 'int32'), array([3, 3, -3, -3, 3], 'int32')],
        apply: (x, y) => mod(x, y),
      },
      { inputs: [array([7, -7, 7, -7, 6]), array([3, 3, -3, -3, 3])], apply: (x, y) => mod(x, y) },
      { inputs: [emptyArray([0]), array([3])], apply: (x, y) => mod(x, y) },
    ],
  },
  {
    op: 'pow',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const [a, b] = broadcastablePair(rng);
      if (rng.uniform() < 0.4) {
        const c = rng.pick([0, 1, 2, 3, -1, 0.5]);
        return { inputs: [randomArray(rng, a, 0.5, 2)], apply: (x) => pow(x, c) };
      }
      return { inputs: [randomArray(rng, a, 0.5, 2), randomArray(rng, b)], apply: (x, y) => pow(x, y) };
    },
    edges: () => [
      { inputs: [array([-2, -1, 0, 0, 2]), array([3, -2, 2, 0, -1])], apply: (x, y) => pow(x, y) },
      { inputs: [array([-2, -1, 0, 3])], apply: (x) => pow(x, 2) },
      { inputs: [emptyArray([0, 2]), array([3])], apply: (x, y) => pow(x, y) },
    ],
  },
  {
    op: 'neg',
    gradient: true,
    smooth: true,
    make: (rng) => ({ inputs: [randomArray(rng, randomShape(rng, 0, 3))], apply: neg }),
    edges: () => [
      { inputs: [emptyArray([0])], apply: neg },
      { inputs: [array([3, -4], 'int32')], apply: neg },
    ],
  },
];

export const arithmeticSamples: OpSamples[] = [...arithmeticForward, ...gradientsOf(arithmeticForward)];
