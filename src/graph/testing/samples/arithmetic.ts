import type { Rng } from '../../../util/rng.ts';
import { add, div, mul, sub } from '../../ops/arithmetic.ts';
import type { Tensor, TensorLike } from '../../tensor.ts';
import { broadcastablePair, type OpSamples, randomArray } from '../check-op.ts';

const binary = (op: string, fn: (a: TensorLike, b: TensorLike) => Tensor, lo = -2, hi = 2): OpSamples => ({
  op,
  gradient: true,
  smooth: true,
  make: (rng: Rng) => {
    const [a, b] = broadcastablePair(rng);
    return { inputs: [randomArray(rng, a), randomArray(rng, b, lo, hi)], apply: (x, y) => fn(x, y) };
  },
});

export const arithmeticSamples: OpSamples[] = [
  binary('add', add),
  binary('sub', sub),
  binary('mul', mul),
  binary('div', div, 0.5, 2),
];
