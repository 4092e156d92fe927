import {
  add,
  batchNormTrain,
  conv,
  globalAvgPool,
  linear,
  mean,
  mul,
  type NDArray,
  ndarray,
  relu,
  softmaxCrossEntropy,
  type Tensor,
} from '../../src/graph/index.ts';
import type { LossParts } from '../../src/optim/index.ts';
import { createRng } from '../../src/util/rng.ts';
import type { LabelledBatch } from './mlp.ts';

const BATCH = 64;
const MOMENTUM = 0.1;

interface Block {
  name: string;
  inputs: number;
  outputs: number;
  stride: number;
}
const BLOCKS: Block[] = [16, 32, 64].flatMap((outputs, stage) =>
  [0, 1, 2].map((n) => {
    const first = stage > 0 && n === 0;
    return { name: `s${stage}b${n}`, inputs: first ? outputs / 2 : outputs, outputs, stride: first ? 2 : 1 };
  }),
);

export type ResnetParams<L> = Record<string, L>;

/** The case `cnn`: ResNet-20 for 32×32 images, projection shortcuts, batch norm with running statistics. */
export function resnetParams(seed = 0): ResnetParams<NDArray> {
  const rng = createRng(seed);
  const p: ResnetParams<NDArray> = {};
  const filled = (n: number, value: number): NDArray => ndarray(new Float32Array(n).fill(value), [n]);
  const layer = (name: string, inputs: number, outputs: number, kernel: number): void => {
    const std = Math.sqrt(2 / (outputs * kernel * kernel));
    const size = outputs * inputs * kernel * kernel;
    p[`${name}.w`] = ndarray(
      Float32Array.from({ length: size }, () => std * rng.normal()),
      [outputs, inputs, kernel, kernel],
    );
    p[`${name}.scale`] = filled(outputs, 1);
    p[`${name}.bias`] = filled(outputs, 0);
    p[`${name}.mean`] = filled(outputs, 0);
    p[`${name}.variance`] = filled(outputs, 1);
  };
  layer('stem', 3, 16, 3);
  for (const b of BLOCKS) {
    layer(`${b.name}.1`, b.inputs, b.outputs, 3);
    layer(`${b.name}.2`, b.outputs, b.outputs, 3);
    if (b.stride > 1) layer(`${b.name}.short`, b.inputs, b.outputs, 1);
  }
  p['fc.w'] = ndarray(
    Float32Array.from({ length: 640 }, () => 0.125 * rng.normal()),
    [64, 10],
  );
  p['fc.b'] = filled(10, 0);
  return p;
}

/** Running statistics are not trained. */
export const resnetTrainable = (path: string): boolean => !/\.(mean|variance)$/.test(path);

export function resnetBatch(seed: number | string): LabelledBatch<NDArray> {
  const rng = createRng(seed);
  return {
    x: ndarray(
      Float32Array.from({ length: BATCH * 3 * 32 * 32 }, () => rng.normal()),
      [BATCH, 3, 32, 32],
    ),
    labels: ndarray(
      Int32Array.from({ length: BATCH }, () => rng.int(10)),
      [BATCH],
    ),
  };
}

// biome-ignore lint/complexity/noBannedTypes: no auxiliary outputs
export function resnetLoss(p: ResnetParams<Tensor>, { x, labels }: LabelledBatch<Tensor>): LossParts<{}> {
  const updates: Record<string, Tensor> = {};
  const layer = (h: Tensor, name: string, stride = 1): Tensor => {
    const w = p[`${name}.w`];
    const pad = w.shape[2] === 3 ? 1 : 0;
    const y = conv(h, w, { strides: [stride, stride], pads: [pad, pad, pad, pad] });
    const out = batchNormTrain(y, p[`${name}.scale`], p[`${name}.bias`]);
    const n = BATCH * (y.shape[2] as number) * (y.shape[3] as number);
    const follow = (slot: string, value: Tensor): void => {
      const at = `${name}.${slot}`;
      updates[at] = add(mul(p[at], 1 - MOMENTUM), mul(value, MOMENTUM));
    };
    follow('mean', out.mean);
    follow('variance', mul(out.variance, n / (n - 1)));
    return out.y;
  };
  let h = relu(layer(x, 'stem'));
  for (const { name, stride } of BLOCKS) {
    const inner = relu(layer(h, `${name}.1`, stride));
    const y = layer(inner, `${name}.2`);
    h = relu(add(y, stride > 1 ? layer(h, `${name}.short`, stride) : h));
  }
  const logits = linear(globalAvgPool(h), p['fc.w'], p['fc.b']);
  return { loss: mean(softmaxCrossEntropy(logits, labels)), updates };
}
