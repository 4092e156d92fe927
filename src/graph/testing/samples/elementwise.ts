import { array } from '../../ndarray.ts';
import {
  elu,
  erf,
  gelu,
  leakyRelu,
  logSigmoid,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from '../../ops/activations.ts';
import {
  abs,
  ceil,
  clip,
  cos,
  exp,
  expm1,
  floor,
  log,
  log1p,
  reciprocal,
  round,
  rsqrt,
  sign,
  sin,
  sqrt,
  square,
  squaredDifference,
} from '../../ops/elementwise.ts';
import type { Tensor } from '../../tensor.ts';
import {
  broadcastablePair,
  distinctArray,
  emptyArray,
  type OpSamples,
  randomArray,
  randomShape,
} from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

type Unary = (x: Tensor) => Tensor;
interface Options {
  lo?: number;
  hi?: number;
  /** Values at which to compare besides. */
  at?: number[];
  gradient?: boolean;
  smooth?: boolean;
  /** Draw values that keep clear of 0. */
  apart?: boolean;
  ints?: boolean;
}
const ENDS = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN, 0];

const unary = (
  op: string,
  fn: Unary,
  { lo = -3, hi = 3, at = [], gradient = true, smooth = gradient, apart = false, ints = false }: Options = {},
): OpSamples => ({
  op,
  gradient,
  smooth,
  make: (rng) => {
    const shape = randomShape(rng, 0, 3);
    return { inputs: [apart ? distinctArray(rng, shape) : randomArray(rng, shape, lo, hi)], apply: fn };
  },
  edges: () => [
    { inputs: [emptyArray([3, 0])], apply: fn },
    { inputs: [array([...ENDS, ...at])], apply: fn },
    ...(ints
      ? (['int32', 'int64'] as const).map((t) => ({ inputs: [array([-3, 0, 5], t)], apply: fn }))
      : []),
  ],
});
const positive = { lo: 0.3, hi: 3 };
const step = { gradient: false, at: [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1e10] };
const large = { at: [-1e4, -100, -30, 30, 88, 1e4] };
const kinked = { apart: true, smooth: false };

const elementwiseForward: OpSamples[] = [
  unary('exp', exp, { at: [-1e4, -87, 88] }),
  unary('log', log, { ...positive, at: [1e-30, 1e30, -1] }),
  unary('log1p', log1p, { lo: -0.7, at: [-1, 1e-20, 1e30, -2] }),
  unary('expm1', expm1, { at: [-1e4, 1e-20, 80] }),
  unary('sin', sin, { at: [100] }),
  unary('cos', cos, { at: [100] }),
  unary('sqrt', sqrt, { ...positive, at: [1e-30, -1] }),
  unary('rsqrt', rsqrt, positive),
  unary('square', square, { ints: true }),
  unary('reciprocal', reciprocal, positive),
  unary('abs', abs, { ...kinked, ints: true }),
  unary('sign', sign, { gradient: false, ints: true }),
  unary('floor', floor, step),
  unary('ceil', ceil, step),
  unary('round', round, step),
  {
    op: 'squaredDifference',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const [a, b] = broadcastablePair(rng);
      return { inputs: [randomArray(rng, a), randomArray(rng, b)], apply: squaredDifference };
    },
  },
  unary('clip', (x) => clip(x, -0.4, 0.6), { ...kinked }),
  unary('clip', (x) => clip(x, 0.1), { ...kinked }),
  unary('clip', (x) => clip(x, undefined, 0.1), kinked),
];

const activationForward: OpSamples[] = [
  unary('tanh', tanh, large),
  unary('sigmoid', sigmoid, large),
  unary('erf', erf, large),
  unary('softplus', softplus, large),
  unary('logSigmoid', logSigmoid, large),
  unary('relu', relu, { ...kinked, ...large }),
  unary('leakyRelu', (x) => leakyRelu(x, 0.2), kinked),
  unary('elu', (x) => elu(x, 0.7), kinked),
  unary('silu', silu, { at: [-100, 100] }),
  unary('gelu', (x) => gelu(x)),
  unary('gelu (tanh)', (x) => gelu(x, { approximate: 'tanh' })),
];

export const elementwiseSamples: OpSamples[] = [...elementwiseForward, ...gradientsOf(elementwiseForward)];

export const activationSamples: OpSamples[] = [...activationForward, ...gradientsOf(activationForward)];
