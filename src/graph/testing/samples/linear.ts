import { linear, matmul } from '../../ops/linear.ts';
import { broadcastablePair, type OpSamples, randomArray } from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

const samples: OpSamples[] = [
  {
    op: 'matmul',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const [ba, bb] = broadcastablePair(rng, 2);
      const [m, k, n] = [1 + rng.int(6), 1 + rng.int(6), 1 + rng.int(6)];
      const transA = rng.uniform() < 0.4;
      const transB = rng.uniform() < 0.4;
      const scale = rng.uniform() < 0.3 ? 0.5 : 1;
      const a = [...ba, ...(transA ? [k, m] : [m, k])];
      const b = [...bb, ...(transB ? [n, k] : [k, n])];
      return {
        inputs: [randomArray(rng, a), randomArray(rng, b)],
        apply: (x, y) => matmul(x, y, { transA, transB, scale }),
      };
    },
  },
  {
    op: 'matmul (vectors, empty)',
    gradient: true,
    smooth: false,
    make: (rng) => {
      const k = 1 + rng.int(4);
      const [a, b] = rng.pick([
        [[k], [k]],
        [[k], [2, k, 3]],
        [[2, 3, k], [k]],
        [
          [0, 3, k],
          [k, 2],
        ],
        [
          [2, 0, k],
          [2, k, 3],
        ],
      ]);
      return { inputs: [randomArray(rng, a), randomArray(rng, b)], apply: (x, y) => matmul(x, y) };
    },
  },
  {
    op: 'linear',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const [k, n] = [1 + rng.int(5), 1 + rng.int(5)];
      const lead = rng.pick([[], [3], [2, 3], [0]]);
      const transW = rng.uniform() < 0.5;
      const bias = rng.uniform() < 0.7;
      return {
        inputs: [
          randomArray(rng, [...lead, 2, k]),
          randomArray(rng, transW ? [n, k] : [k, n]),
          ...(bias ? [randomArray(rng, [n])] : []),
        ],
        apply: (x, w, b) => linear(x, w, b, { transW }),
      };
    },
  },
];

export const linearSamples: OpSamples[] = [...samples, ...gradientsOf(samples)];
