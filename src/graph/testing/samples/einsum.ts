import { einsum } from '../../ops/einsum.ts';
import { type OpSamples, randomArray } from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

/** Equation and shape of each operand. */
const CASES: [string, number[][]][] = [
  [
    'ij,jk->ik',
    [
      [2, 3],
      [3, 4],
    ],
  ],
  [
    'ji,jk->ik',
    [
      [3, 2],
      [3, 4],
    ],
  ],
  [
    'ij,kj',
    [
      [2, 3],
      [4, 3],
    ],
  ],
  [
    'bqd,bkd->bqk',
    [
      [2, 3, 4],
      [2, 2, 4],
    ],
  ],
  [
    'bhqd,bkhd->bhqk',
    [
      [2, 2, 3, 2],
      [2, 3, 2, 2],
    ],
  ],
  ['i,j->ij', [[3], [2]]],
  ['i,i->', [[4], [4]]],
  [
    '...ij,jk->...ik',
    [
      [2, 1, 2, 3],
      [3, 2],
    ],
  ],
  [
    '...i,...i->...',
    [
      [3, 1, 2],
      [2, 2],
    ],
  ],
  ['ii->i', [[3, 3]]],
  ['bii', [[2, 3, 3]]],
  ['ijk->kj', [[2, 3, 4]]],
  [
    'ij,jk,kl->li',
    [
      [2, 3],
      [3, 2],
      [2, 3],
    ],
  ],
  ['abc,cd,a->bd', [[2, 3, 2], [2, 3], [2]]],
  ['ij,j->i', [[3, 4], [4]]],
  [
    'ij,ij->ij',
    [
      [2, 3],
      [2, 3],
    ],
  ],
];

const samples: OpSamples[] = CASES.map(([equation, shapes]) => ({
  op: `einsum ${equation}`,
  gradient: true,
  smooth: false,
  make: (rng) => ({
    inputs: shapes.map((s) => randomArray(rng, s)),
    apply: (...t) => einsum(equation, ...t),
  }),
}));

export const einsumSamples: OpSamples[] = [...samples, ...gradientsOf(samples)];
