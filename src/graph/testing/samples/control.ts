import { array } from '../../ndarray.ts';
import { add, mul } from '../../ops/arithmetic.ts';
import { customVjp, stopGradient, straightThrough } from '../../ops/control.ts';
import { cos, exp, sin } from '../../ops/elementwise.ts';
import { DOMAIN, philoxOp, randomKey } from '../../ops/philox.ts';
import { bernoulli, dropout, foldIn, normal, randomBits, splitKey, uniform } from '../../ops/random.ts';
import { apply, type Tensor } from '../../tensor.ts';
import { type OpSamples, randomArray, randomShape } from '../check-op.ts';

/** sin with its own rule, written so that the rule can be differentiated again. */
const ownSin = customVjp({
  forward: (x) => sin(x),
  backward: ({ inputs: [x], grads: [g] }) => [mul(g!, cos(x))],
});
/** exp whose rule uses the output. */
const ownExp = customVjp({
  forward: (x) => exp(x),
  backward: ({ outputs: [y], grads: [g] }) => [mul(g!, y)],
});

export const controlSamples: OpSamples[] = [
  {
    op: 'stopGradient',
    gradient: false,
    smooth: false,
    make: (rng) => ({ inputs: [randomArray(rng, randomShape(rng, 0, 2))], apply: (x) => stopGradient(x) }),
  },
  {
    op: 'straightThrough',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const shape = randomShape(rng, 0, 2);
      // the value's dependence on x is hidden, so that only the surrogate is seen by finite differences
      return {
        inputs: [randomArray(rng, shape)],
        apply: (x) => straightThrough(add(sin(x), 0), sin(x)),
      };
    },
  },
  {
    op: 'customVjp',
    gradient: true,
    smooth: true,
    make: (rng) => ({
      inputs: [randomArray(rng, randomShape(rng, 0, 2))],
      apply: (x) => [...ownSin(x), ...ownExp(mul(x, 0.5))],
    }),
  },
];

const random = (
  op: string,
  fn: (key: Tensor, shape: number[]) => Tensor | Tensor[],
  tolerance = 0,
): OpSamples => ({
  op,
  gradient: false,
  smooth: false,
  make: (rng) => {
    const shape = randomShape(rng, 0, 3, 9);
    return { inputs: [randomKey(rng.uint32())], apply: (key) => fn(key, shape), tolerance };
  },
  edges: () => [{ inputs: [randomKey('edge')], apply: (key) => fn(key, [0, 2]), tolerance }],
});

export const randomSamples: OpSamples[] = [
  {
    op: 'philox',
    gradient: false,
    smooth: false,
    make: (rng) => {
      const rounds = rng.pick([7, 10]);
      const counter = array([rng.uint32(), 0, 2 ** 32 - 1], 'uint32');
      return {
        inputs: [randomKey(rng.uint32()), counter],
        apply: (key, c) => apply(philoxOp, [key, c], { blocks: 3, rounds, domain: DOMAIN.bits }),
        tolerance: 0,
      };
    },
  },
  random('splitKey', (key) => splitKey(key, 3)),
  {
    op: 'foldIn',
    gradient: false,
    smooth: false,
    make: (rng) => ({
      inputs: [randomKey(rng.uint32()), array(rng.int(1000), 'int32')],
      apply: (key, step) => [foldIn(key, step), foldIn(key, 5)],
      tolerance: 0,
    }),
  },
  random('randomBits', (key, shape) => randomBits(key, shape)),
  random('uniform', (key, shape) => uniform(key, shape)),
  random('uniform (scaled)', (key, shape) => uniform(key, shape, { low: -2, high: 3 }), 1e-6),
  random('normal', (key, shape) => normal(key, shape), 1e-6),
  random('normal (scaled)', (key, shape) => normal(key, shape, { mean: 3, std: 0.5 }), 1e-6),
  random('bernoulli', (key, shape) => bernoulli(key, 0.3, shape)),
  {
    op: 'dropout',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const rate = rng.pick([0.1, 0.5]);
      return {
        inputs: [randomArray(rng, randomShape(rng, 0, 3, 5)), randomKey(rng.uint32())],
        apply: (x, key) => dropout(x, rate, key),
      };
    },
    edges: () => [
      {
        inputs: [array([1, Number.POSITIVE_INFINITY, 3, 4]), randomKey(1)],
        apply: (x, key) => dropout(x, 0.5, key),
      },
    ],
  },
];
