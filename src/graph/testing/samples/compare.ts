import type { Rng } from '../../../util/rng.ts';
import type { DType } from '../../dtype.ts';
import { array, type NDArray } from '../../ndarray.ts';
import {
  cast,
  equal,
  greater,
  greaterEqual,
  isInf,
  isNaN as isNotANumber,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  notEqual,
  where,
} from '../../ops/compare.ts';
import type { Tensor } from '../../tensor.ts';
import {
  broadcastablePair,
  emptyArray,
  type OpSamples,
  randomArray,
  randomInts,
  randomShape,
} from '../check-op.ts';

type Binary = (a: Tensor, b: Tensor) => Tensor;
export const randomBools = (rng: Rng, shape: readonly number[]): NDArray => {
  const ints = randomInts(rng, shape, 2);
  return { dtype: 'bool', shape: ints.shape, data: Uint8Array.from(ints.data as Int32Array) };
};
const TYPES: DType[] = ['float32', 'int32', 'int64', 'uint32', 'uint8'];

const comparison = (op: string, fn: Binary, bools = false): OpSamples => ({
  op,
  gradient: false,
  smooth: false,
  make: (rng) => {
    const [a, b] = broadcastablePair(rng);
    // small integers, so that ties are frequent
    const draw = (s: number[]): NDArray => ({
      ...randomInts(rng, s, 3),
      dtype: 'float32',
      data: Float32Array.from(randomInts(rng, s, 3).data as Int32Array),
    });
    return { inputs: [draw(a), draw(b)], apply: fn };
  },
  edges: () => [
    { inputs: [emptyArray([0]), emptyArray([0])], apply: fn },
    ...TYPES.map((t) => ({ inputs: [array([1, 2, 3], t), array([[2], [3]], t)], apply: fn })),
    ...(bools
      ? [{ inputs: [array([true, false], 'bool'), array([[true], [false]], 'bool')], apply: fn }]
      : []),
    {
      inputs: [
        array([Number.NaN, 1, Number.POSITIVE_INFINITY]),
        array([Number.NaN, Number.NaN, Number.POSITIVE_INFINITY]),
      ],
      apply: fn,
    },
  ],
});

const logical = (op: string, fn: Binary): OpSamples => ({
  op,
  gradient: false,
  smooth: false,
  make: (rng) => {
    const [a, b] = broadcastablePair(rng);
    return { inputs: [randomBools(rng, a), randomBools(rng, b)], apply: fn };
  },
  edges: () => [{ inputs: [array([], 'bool'), array([true], 'bool')], apply: fn }],
});

const tests = (op: string, fn: (x: Tensor) => Tensor): OpSamples => ({
  op,
  gradient: false,
  smooth: false,
  make: (rng) => {
    const x = randomArray(rng, randomShape(rng, 0, 3));
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let i = 0; i < x.data.length; i++) if (rng.uniform() < 0.5) x.data[i] = rng.pick(odd);
    return { inputs: [x], apply: fn };
  },
  edges: () => [{ inputs: [emptyArray([0, 2])], apply: fn }],
});

export const compareSamples: OpSamples[] = [
  comparison('equal', equal, true),
  comparison('notEqual', notEqual, true),
  comparison('less', less),
  comparison('lessEqual', lessEqual),
  comparison('greater', greater),
  comparison('greaterEqual', greaterEqual),
  logical('logicalAnd', logicalAnd),
  logical('logicalOr', logicalOr),
  {
    op: 'logicalNot',
    gradient: false,
    smooth: false,
    make: (rng) => ({ inputs: [randomBools(rng, randomShape(rng, 0, 3))], apply: logicalNot }),
  },
  tests('isNaN', isNotANumber),
  tests('isInf', isInf),
  {
    op: 'where',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const [a, b] = broadcastablePair(rng);
      const [c] = [rng.pick([a, b])];
      return {
        inputs: [randomBools(rng, c), randomArray(rng, a), randomArray(rng, b)],
        apply: (p, x, y) => where(p, x, y),
      };
    },
    edges: () => [
      ...([...TYPES, 'bool'] as DType[]).map((t) => ({
        inputs: [array([[true], [false]], 'bool'), array([1, 0, 1], t), array([0, 0, 1], t)],
        apply: (p: Tensor, x: Tensor, y: Tensor) => where(p, x, y),
      })),
      { inputs: [array([true, false], 'bool'), emptyArray([0, 1])], apply: (p, x) => where(p, x, 0) },
      {
        inputs: [array([true, false], 'bool'), array([Number.NEGATIVE_INFINITY, 1])],
        apply: (p, x) => where(p, x, Number.NaN),
      },
    ],
  },
  {
    op: 'cast',
    gradient: true,
    smooth: true,
    make: (rng) => ({
      inputs: [randomArray(rng, randomShape(rng, 0, 3))],
      apply: (x) => cast(cast(x, 'float64'), 'float32'),
    }),
    edges: () => [
      ...(['int32', 'int64', 'bool', 'float64', 'float16'] as DType[]).map((t) => ({
        inputs: [array([-2.7, -0.5, 0, 0.5, 2.7, 100.25])],
        apply: (x: Tensor) => (t === 'float16' ? cast(cast(x, t), 'float32') : cast(x, t)),
        tolerance: 1e-3,
      })),
      ...(['uint8', 'uint32'] as DType[]).map((t) => ({
        inputs: [array([0, 0.9, 2.7, 200])],
        apply: (x: Tensor) => cast(x, t),
      })),
      ...(['bool', 'uint8', 'uint32', 'int64', 'float32'] as DType[]).map((t) => ({
        inputs: [array([0, 1, 7], 'int32')],
        apply: (x: Tensor) => cast(x, t),
      })),
      { inputs: [emptyArray([0])], apply: (x) => cast(x, 'int32') },
    ],
  },
];
