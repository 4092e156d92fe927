import { drawPoints } from '../../data/generators/points.ts';
import type { Engine } from '../../engine/engine.ts';
import {
  concat,
  cos,
  expandDims,
  mul,
  type NDArray,
  ndarray,
  oneHot,
  silu,
  sin,
  type Tensor,
} from '../../graph/index.ts';
import { cosineProcess } from '../../losses/diffusion/process.ts';
import { type DiffusionSetting, TIME_SCALE } from '../../losses/diffusion/setting.ts';
import type { Method } from '../../methods/method.ts';
import { linear, linearParams } from '../../nn/layers/linear.ts';
import type { AnyModel } from '../../nn/model.ts';
import { diffusionInputTypes } from '../../nn/models/diffusion-mlp.ts';
import { prefixed } from '../../nn/params.ts';
import type { Scope } from '../../nn/scope.ts';
import { adam, cosine } from '../../optim/index.ts';
import type { BatchSource } from '../../train/batches.ts';
import { train } from '../../train/loop.ts';
import type { Rng } from '../../util/rng.ts';
import { ownParams, roundStart, roundsOf, type Trained } from '../diffusion/fit.ts';
import type { Budget } from './fit.ts';
import type { Measured } from './types.ts';

/** Cosine process, cut off where a step would divide by almost 0. */
export const ringSetting: DiffusionSetting = {
  process: cosineProcess,
  prediction: 'v_prediction',
  tMin: 0.02,
  tMax: 0.98,
  shape: [2],
  classes: 0,
};

/** Points of a ring of 8 Gaussians, `[count, 2]`. */
export const ringPoints = (count: number, std: number, rng: Rng): NDArray =>
  ndarray(drawPoints(count, rng, { shape: 'ring', std }), [count, 2]);

export interface FitSpec extends Budget {
  readonly engine: Engine;
  readonly model: AnyModel;
  readonly method: Method;
  readonly options: Record<string, unknown>;
  readonly source: BatchSource;
  readonly teacher?: Trained;
  readonly setting?: DiffusionSetting;
  readonly ema: number;
  readonly seed: string;
  /** The student of each round with the round's settings, as soon as it is trained. */
  readonly onRound?: (student: Trained, config: unknown) => Promise<void>;
}

/** What the arms of one seed share. */
export interface RingRun<S> {
  readonly engine: Engine;
  readonly s: S;
  readonly seed: number;
  readonly noise: NDArray;
  /** A network trained by a method, from fresh weights or from its teacher's. */
  trained(spec: Omit<FitSpec, 'engine' | 'ema'>): Promise<Trained>;
  /** Keeps the figures of an arm's samples, or those given. */
  record(arm: string, samples: NDArray, own?: Measured): void;
}

/** Adam, the rate falling to a hundredth along a cosine, averaged weights of the last step; rounds share the steps. */
export async function fitRounds(f: FitSpec): Promise<Trained> {
  const config = f.method.config.parse(f.options);
  const rounds = roundsOf(f.method, config);
  const steps = Math.ceil(f.steps / rounds.length);
  let teacher = f.teacher;
  let result: Trained | undefined;
  for (const [i, own] of rounds.entries()) {
    const { objective, params } = roundStart({
      ...f,
      config: own,
      setting: f.setting ?? ringSetting,
      teacher,
    });
    const trained = await train({
      engine: f.engine,
      objective,
      params,
      source: f.source,
      batchSize: f.batch,
      steps,
      optimizer: adam(),
      lr: cosine({ from: f.lr, to: f.lr / 100, steps }),
      ema: f.ema,
      seed: `${f.seed}/${i}`,
    });
    result = { model: f.model, params: ownParams(f.model, trained.params) };
    await f.onRound?.(result, own);
    teacher = result;
  }
  return result!;
}

/**
 * sin and cos of 2π j t / 4 for j = 1 … 8 beside the point, then three hidden layers. With classes, which of them (or
 * none) stands beside the point too.
 */
export function pointNetwork(hidden: number, classes = 0): AnyModel {
  const widths = [2 + 16 + (classes > 0 ? classes + 1 : 0), hidden, hidden, hidden, 2];
  return {
    architecture: 'PointNetwork',
    config: {},
    params: Object.assign(
      {},
      ...widths.slice(1).map((w, i) => prefixed(`layers.${i}`, linearParams(widths[i], w))),
    ),
    inputs: diffusionInputTypes([2], classes),
    forward(s: Scope, inputs: { sample: Tensor; timestep: Tensor; class_labels?: Tensor }) {
      const { sample, timestep, class_labels } = inputs;
      const angles = concat(
        Array.from({ length: 8 }, (_, j) =>
          mul(expandDims(timestep, 1), ((2 * Math.PI) / 4) * (j + 1) * (1 / TIME_SCALE)),
        ),
        1,
      );
      const known = class_labels && classes > 0 ? [oneHot(class_labels, classes + 1)] : [];
      let x = concat([sample, sin(angles), cos(angles), ...known], 1);
      for (let i = 0; i < widths.length - 1; i++) {
        x = linear(s.at(`layers.${i}`), x);
        if (i < widths.length - 2) x = silu(x);
      }
      return { prediction: x };
    },
  };
}
