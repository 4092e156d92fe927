import { gradients } from '../../autodiff.ts';
import { batchNorm, batchNormTrain } from '../../ops/batch-norm.ts';
import { softmaxCrossEntropy } from '../../ops/cross-entropy.ts';
import { groupNorm, layerNorm, rmsNorm } from '../../ops/norm.ts';
import { sum } from '../../ops/reduce.ts';
import { logSoftmax, softmax } from '../../ops/softmax.ts';
import { type OpSamples, randomArray, randomInts, randomShape } from '../check-op.ts';
import { gradientsOf } from './gradients-of.ts';

const axisWise = (op: string, fn: typeof softmax): OpSamples => ({
  op,
  gradient: true,
  smooth: true,
  make: (rng) => {
    const shape = randomShape(rng, 1, 3, 5);
    const axis = rng.int(2 * shape.length) - shape.length;
    return { inputs: [randomArray(rng, shape, -4, 4)], apply: (x) => fn(x, axis) };
  },
});

const emptyRows: OpSamples = {
  op: 'softmax (empty batch)',
  gradient: false,
  smooth: false,
  make: (rng) => ({
    inputs: [randomArray(rng, [0, 3])],
    apply: (x) => [softmax(x), logSoftmax(x), layerNorm(x)],
  }),
};

const samples: OpSamples[] = [
  axisWise('softmax', softmax),
  axisWise('logSoftmax', logSoftmax),
  emptyRows,
  {
    op: 'softmax (masked)',
    gradient: false,
    smooth: false,
    make: (rng) => {
      const x = randomArray(rng, [3, 5], -50, 50);
      for (let r = 0; r < 3; r++) x.data[5 * r + rng.int(5)] = Number.NEGATIVE_INFINITY;
      return { inputs: [x], apply: (t) => [softmax(t), logSoftmax(t)] };
    },
  },
  {
    op: 'layerNorm',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const shape = [...randomShape(rng, 1, 2, 3), 2 + rng.int(4)];
      const axis = rng.uniform() < 0.7 ? -1 : -2;
      const tail = shape.slice(axis);
      const parts = rng.int(3);
      return {
        inputs: [shape, tail, tail].slice(0, parts + 1).map((s) => randomArray(rng, s)),
        apply: (x, scale, bias) => layerNorm(x, scale, bias, { axis, eps: 1e-2 }),
      };
    },
  },
  {
    op: 'rmsNorm',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const shape = [...randomShape(rng, 0, 2, 3), 2 + rng.int(4)];
      const inputs = [randomArray(rng, shape), randomArray(rng, shape.slice(-1))].slice(0, 1 + rng.int(2));
      return { inputs, apply: (x, scale) => rmsNorm(x, scale, { eps: 1e-2 }) };
    },
  },
  {
    op: 'groupNorm',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const groups = 1 + rng.int(3);
      const channels = groups * (1 + rng.int(2));
      const shape = [1 + rng.int(2), channels, ...randomShape(rng, 0, 2, 3)];
      const inputs = [shape, [channels], [channels]].map((s) => randomArray(rng, s));
      return {
        inputs,
        apply: (x, scale, bias) => groupNorm(x, groups, scale, bias, { eps: 1e-2 }),
        tolerance: 1e-4,
      };
    },
  },
  {
    op: 'batchNorm (training)',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const c = 1 + rng.int(3);
      const shape = [2 + rng.int(2), c, ...randomShape(rng, 0, 2, 3)];
      return {
        inputs: [shape, [c], [c]].map((s) => randomArray(rng, s)),
        apply: (x, scale, bias) => {
          const { y, mean, variance } = batchNormTrain(x, scale, bias, { eps: 1e-2 });
          return [[y], [y, mean, variance], [mean], [variance]][shape[0] + c - 3];
        },
        tolerance: 5e-5,
      };
    },
  },
  {
    op: 'batchNorm (training, planes of many pixels)',
    gradient: true,
    smooth: false,
    make: (rng) => {
      const [c, size] = [2, rng.pick([4, 12])];
      return {
        inputs: [[2, c, size, size], [c], [c]].map((s, i) => randomArray(rng, s, i ? -2 : 3, i ? 2 : 5)),
        apply: (x, scale, bias) => batchNormTrain(x, scale, bias).y,
        tolerance: 1e-4,
        wrt: size > 4 ? [1, 2] : undefined,
      };
    },
  },
  {
    op: 'batchNorm',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const c = 1 + rng.int(3);
      const shape = [rng.int(3), c, ...randomShape(rng, 0, 3, 3)];
      return {
        inputs: [...[shape, [c], [c], [c]].map((s) => randomArray(rng, s)), randomArray(rng, [c], 0.5, 2)],
        apply: (x, scale, bias, mean, variance) => batchNorm(x, scale, bias, mean, variance),
      };
    },
  },
  {
    op: 'softmaxCrossEntropy',
    gradient: true,
    smooth: true,
    make: (rng) => {
      const lead = rng.pick([[], [3], [2, 2], [0]]);
      const classes = 1 + rng.int(5);
      return {
        inputs: [randomArray(rng, [...lead, classes], -4, 4), randomInts(rng, lead, classes)],
        apply: (logits, labels) => softmaxCrossEntropy(logits, labels),
      };
    },
  },
  {
    op: 'softmaxCrossEntropy (extreme logits)',
    gradient: false,
    smooth: false,
    make: (rng) => ({
      inputs: [randomArray(rng, [4, 3], -500, 500), randomInts(rng, [4], 3)],
      apply: (logits, labels) => {
        const loss = softmaxCrossEntropy(logits, labels);
        return [loss, ...gradients(sum(loss), [logits])];
      },
    }),
  },
];

export const normSamples: OpSamples[] = [...samples, ...gradientsOf(samples)];
