import {
  linear,
  mean,
  type NDArray,
  ndarray,
  relu,
  softmaxCrossEntropy,
  type Tensor,
} from '../../src/graph/index.ts';
import { createRng } from '../../src/util/rng.ts';

const SIZES = [784, 1024, 1024, 10];
const BATCH = 128;

export type MlpParams<L> = { w: L; b: L }[];
export interface LabelledBatch<L> {
  x: L;
  /** int32 `[batch]` */
  labels: L;
}

/** The case `mlp`: 784-1024-1024-10. */
export function mlpParams(seed = 0): MlpParams<NDArray> {
  const rng = createRng(seed);
  return SIZES.slice(1).map((outputs, i) => ({
    w: ndarray(
      Float32Array.from({ length: SIZES[i] * outputs }, () => rng.normal() / Math.sqrt(SIZES[i])),
      [SIZES[i], outputs],
    ),
    b: ndarray(new Float32Array(outputs), [outputs]),
  }));
}

export function mlpBatch(seed: number | string): LabelledBatch<NDArray> {
  const rng = createRng(seed);
  return {
    x: ndarray(
      Float32Array.from({ length: BATCH * 784 }, () => rng.normal()),
      [BATCH, 784],
    ),
    labels: ndarray(
      Int32Array.from({ length: BATCH }, () => rng.int(10)),
      [BATCH],
    ),
  };
}

export function mlpLoss(p: MlpParams<Tensor>, { x, labels }: LabelledBatch<Tensor>): Tensor {
  const logits = p.reduce((h, { w, b }, i) => {
    const y = linear(h, w, b);
    return i < p.length - 1 ? relu(y) : y;
  }, x);
  return mean(softmaxCrossEntropy(logits, labels));
}
