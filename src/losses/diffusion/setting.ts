import { fill, mul, type Tensor } from '../../graph/index.ts';
import { ddimStep, type Levels, type NoiseProcess, type PredictionType, predictedSample } from './process.ts';

/** What noise levels, times and network outputs mean: the same for a teacher and its students. */
export interface DiffusionSetting {
  readonly process: NoiseProcess;
  readonly prediction: PredictionType;
  /** Times that occur, 0 < tMin < tMax < 1: neither is all noise nor none. */
  readonly tMin: number;
  readonly tMax: number;
  /** Sizes of one sample, without the batch. */
  readonly shape: readonly number[];
  /** Classes that generation is conditioned on; 0: none. The id `classes` itself stands for "no class". */
  readonly classes: number;
}

/** Networks are told 1000 t, the step numbers that their sin/cos features are made for. */
export const TIME_SCALE = 1000;

/** A network inside a graph: samples `[batch, ...]`, times in [0, 1] `[batch]`, classes int32 `[batch]`. */
export type Network = (x: Tensor, t: Tensor, labels?: Tensor) => Tensor;

/** A model with the inputs of diffusion backbones as a {@link Network}. */
export const networkOf =
  (model: (inputs: Record<string, Tensor>) => Readonly<Record<string, Tensor>>): Network =>
  (x, t, labels) =>
    model({
      sample: x,
      timestep: mul(t, TIME_SCALE),
      ...(labels ? { class_labels: labels } : {}),
    }).prediction;

/** The clean samples that a network predicts. */
export const predictSample =
  (network: Network, { process, prediction }: DiffusionSetting): Network =>
  (x, t, labels) =>
    predictedSample(network(x, t, labels), x, process.levels(t), prediction);

/** Noise level and time together, for functions that ask for either. */
export const levelsAt = ({ process }: DiffusionSetting, t: Tensor): Levels & { t: Tensor } => ({
  ...process.levels(t),
  t,
});

/** One number for every row of `x`, `[batch]`. */
export const forRows = (value: number, x: Tensor): Tensor => fill([x.shape[0]], value, x.dtype);

/** Equal steps in time from tMax down; the last one ends in the clean sample: times in order. */
export const stepTimes = ({ tMin, tMax }: Pick<DiffusionSetting, 'tMin' | 'tMax'>, steps: number): number[] =>
  Array.from({ length: steps }, (_, i) => tMax - ((tMax - tMin) * i) / steps);

/**
 * Samples by `steps` deterministic DDIM steps, unrolled in the graph.
 *
 * @param predict the clean samples that the network predicts
 * @param noise standard normal `[batch, ...]`, taken for the samples at tMax
 */
export function drawByDdim(
  predict: Network,
  noise: Tensor,
  setting: DiffusionSetting,
  { steps, labels }: { steps: number; labels?: Tensor },
): Tensor {
  const times = stepTimes(setting, steps);
  let x = noise;
  times.forEach((t, i) => {
    const now = forRows(t, noise);
    const clean = predict(x, now, labels);
    if (i === steps - 1) x = clean;
    else x = ddimStep(x, clean, levelsAt(setting, now), levelsAt(setting, forRows(times[i + 1], noise)));
  });
  return x;
}
