import type { Rng } from '../../../util/rng.ts';
import { conv, convTranspose } from '../../ops/conv.ts';
import type { Tensor } from '../../tensor.ts';
import { type OpSamples, randomArray } from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

const draw = (rng: Rng, rank: number, least: number, most: number): number[] =>
  Array.from({ length: rank }, () => least + rng.int(most - least + 1));

/** A window that fits: kernel, stride, dilation, asymmetric pads, and sizes of at least one position. */
function window(rng: Rng, rank: number) {
  const kernel = draw(rng, rank, 1, 3);
  const strides = draw(rng, rank, 1, rank === 3 ? 2 : 3);
  const dilations = draw(rng, rank, 1, 2);
  const pads = draw(rng, 2 * rank, 0, 2);
  const size = kernel.map((k, i) => Math.max(1, dilations[i] * (k - 1) + 1 - pads[i]) + rng.int(3));
  return { kernel, strides, dilations, pads, size };
}

function convSample(rng: Rng, rank: number) {
  const { kernel, strides, dilations, pads, size } = window(rng, rank);
  const groups = rng.pick([1, 1, 2, 3]);
  const depthwise = rng.uniform() < 0.3;
  const c = groups * (depthwise ? 1 : 1 + rng.int(2));
  const o = groups * (1 + rng.int(2));
  const bias = rng.uniform() < 0.3;
  return {
    inputs: [
      randomArray(rng, [1 + rng.int(2), c, ...size]),
      randomArray(rng, [o, c / groups, ...kernel]),
      ...(bias ? [randomArray(rng, [o])] : []),
    ],
    apply: (x: Tensor, w: Tensor, b?: Tensor) => conv(x, w, { strides, dilations, pads, groups, bias: b }),
  };
}

const convRank = (rank: number): OpSamples => ({
  op: `conv ${rank}-d`,
  gradient: true,
  smooth: rank < 3,
  make: (rng) => convSample(rng, rank),
});

const transposed = (rank: number): OpSamples => ({
  op: `convTranspose ${rank}-d`,
  gradient: true,
  smooth: rank < 3,
  make: (rng) => {
    const { kernel, strides, dilations } = window(rng, rank);
    const groups = 1 + rng.int(2);
    const c = groups * (1 + rng.int(2));
    // pads that leave something
    const pads = draw(rng, 2 * rank, 0, 1).map((p, i) => (kernel[i % rank] > 1 ? p : 0));
    const outputPads = strides.map((s) => rng.int(s));
    return {
      inputs: [
        randomArray(rng, [1 + rng.int(2), c, ...draw(rng, rank, 2, 3)]),
        randomArray(rng, [c, 1 + rng.int(2), ...kernel]),
      ],
      apply: (x, w) => convTranspose(x, w, { strides, dilations, pads, groups, outputPads }),
    };
  },
});

const samples: OpSamples[] = [
  convRank(1),
  convRank(2),
  convRank(3),
  transposed(1),
  transposed(2),
  transposed(3),
  {
    op: 'conv 3×3, padded',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const strides = 1 + rng.int(2);
      return {
        inputs: [randomArray(rng, [2, 2, 4 + rng.int(3), 4 + rng.int(3)]), randomArray(rng, [3, 2, 3, 3])],
        apply: (x, w) => conv(x, w, { strides, pads: 1 }),
      };
    },
  },
  {
    op: 'conv 3×3 (more channels than positions)',
    gradient: true,
    smooth: false,
    make: (rng) => ({
      inputs: [randomArray(rng, [2, 4, 2, 1 + rng.int(2)]), randomArray(rng, [3, 4, 3, 3])],
      apply: (x, w) => conv(x, w, { pads: 1 }),
    }),
  },
  {
    op: 'conv (empty batch)',
    gradient: false,
    smooth: false,
    make: (rng) => ({
      inputs: [randomArray(rng, [0, 2, 5, 5]), randomArray(rng, [3, 2, 3, 3])],
      apply: (x, w) => conv(x, w, { pads: 1 }),
    }),
  },
];

export const convSamples: OpSamples[] = [...samples, ...gradientsOf(samples)];
