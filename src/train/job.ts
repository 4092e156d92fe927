import { type NDArray, ndarray } from '../graph/index.ts';
import {
  adafactor,
  adam,
  adamW,
  constant,
  cosine,
  decayMatrices,
  inverseSqrt,
  linear,
  lion,
  type Optimizer,
  oneCycle,
  type Schedule,
  sgd,
  warmup,
} from '../optim/index.ts';
import { type BatchSource, stepsPerEpoch } from './batches.ts';
import type { Encoded } from './encoded.ts';

/** The training settings of a recipe (`train`, `teacher.train`), defaults filled in. */
export interface TrainSettings {
  epochs?: number;
  steps?: number;
  batchSize: number;
  accumulate: number;
  optimizer: {
    name: 'adamw' | 'adam' | 'sgd' | 'lion' | 'adafactor';
    lr: number;
    weightDecay: number;
    beta1?: number;
    beta2?: number;
    momentum?: number;
  };
  schedule: {
    name: 'constant' | 'linear' | 'cosine' | 'one-cycle' | 'inverse-sqrt';
    warmup: number;
    end: number;
  };
  clipNorm: number | null;
  ema?: number;
  /** Rate of every dropout of the model; its own rates when absent. */
  dropout?: number;
  /** Language models: several rows share one of full length. */
  packing?: boolean;
  /** Seconds between checkpoints, besides those at the end of every epoch. */
  checkpointEvery?: number;
  buckets: number;
  evalEvery: number | 'epoch';
  earlyStopping?: { metric: string; patience: number; minDelta: number };
  keep: 'last' | 'best';
}

const DEFAULT_EPOCHS = 10;

/** Rows of one update: batch size × accumulation parts. */
export const rowsPerUpdate = (t: TrainSettings): number => t.batchSize * t.accumulate;

/** Number of updates for so many training rows. */
export const updatesFor = (t: TrainSettings, rows: number): number =>
  t.steps ?? Math.max(1, Math.round((t.epochs ?? DEFAULT_EPOCHS) * stepsPerEpoch(rows, rowsPerUpdate(t))));

/** The update rule of the settings. */
export function optimizerOf({ optimizer: o }: TrainSettings): Optimizer {
  switch (o.name) {
    case 'adamw':
      return adamW({ weightDecay: o.weightDecay, beta1: o.beta1, beta2: o.beta2, decayMask: decayMatrices });
    case 'adam':
      return adam({ beta1: o.beta1, beta2: o.beta2 });
    case 'sgd':
      return sgd({ momentum: o.momentum, weightDecay: o.weightDecay, decayMask: decayMatrices });
    case 'lion':
      return lion({ weightDecay: o.weightDecay, beta1: o.beta1, beta2: o.beta2, decayMask: decayMatrices });
    case 'adafactor':
      return adafactor({});
  }
}

/** Learning rate over `steps` updates. */
export function scheduleOf({ optimizer, schedule: s }: TrainSettings, steps: number): Schedule {
  const rise = Math.min(steps - 1, Math.round(s.warmup < 1 ? s.warmup * steps : s.warmup));
  const rest = Math.max(1, steps - rise);
  const { lr } = optimizer;
  switch (s.name) {
    case 'constant':
      return warmup(constant(lr), rise);
    case 'linear':
      return warmup(linear({ from: lr, to: lr * s.end, steps: rest }), rise);
    case 'cosine':
      return warmup(cosine({ from: lr, to: lr * s.end, steps: rest }), rise);
    case 'one-cycle':
      return oneCycle({ max: lr, steps, rise: Math.max(rise / steps, 1 / steps) });
    case 'inverse-sqrt':
      return inverseSqrt({ peak: lr, warmup: Math.max(1, rise) });
  }
}

/** What a teacher said about the rows, as batch columns (`teacher/logits` …). */
export type SignalColumns = (
  rows: readonly number[],
) => Record<string, NDArray> | Promise<Record<string, NDArray>>;

/** Classification rows as batches: model inputs, labels (-100 where none), masks, weights, teacher signals. */
export function classificationSource(
  encoded: Encoded,
  inputs: readonly string[],
  signals?: SignalColumns,
): BatchSource {
  const { examples } = encoded;
  return {
    size: encoded.size,
    lengths: encoded.lengths,
    async collate(rows) {
      const all = encoded.inputs(rows);
      const labels = Int32Array.from(rows, (i) => examples[i].label ?? -1);
      const weights = Float32Array.from(rows, (i) => examples[i].weight ?? 1);
      const n = [rows.length];
      return {
        ...Object.fromEntries(inputs.filter((f) => all[f]).map((f) => [`input/${f}`, all[f]])),
        labels: ndarray(
          labels.map((l) => (l < 0 ? -100 : l)),
          n,
        ),
        'mask/examples': ndarray(weights, n),
        'mask/labelled': ndarray(
          weights.map((w, k) => (labels[k] < 0 ? 0 : w)),
          n,
        ),
        ...(signals ? await signals(rows) : {}),
      };
    },
  };
}

/** Rows of arrays `[rows, ...]` as batch columns. */
export const arrayColumns =
  (arrays: Readonly<Record<string, NDArray>>): SignalColumns =>
  (rows) =>
    Object.fromEntries(
      Object.entries(arrays).map(([name, a]) => {
        const width = a.data.length / a.shape[0];
        const out =
          a.dtype === 'int32' ? new Int32Array(rows.length * width) : new Float32Array(rows.length * width);
        rows.forEach((row, r) => {
          out.set((a.data as Float32Array).subarray(row * width, (row + 1) * width), r * width);
        });
        return [name, ndarray(out, [rows.length, ...a.shape.slice(1)])];
      }),
    );
