import type { Engine } from '../../engine/engine.ts';
import {
  constant,
  mul,
  type NDArray,
  normal,
  square,
  stopGradient,
  sub,
  type Tensor,
  uniform,
} from '../../graph/index.ts';
import { denoisingError } from '../../losses/diffusion/denoising.ts';
import { addNoise, perRow, predictedNoise, rowMean } from '../../losses/diffusion/process.ts';
import { scoreDifference, scoreSurrogate } from '../../losses/diffusion/score.ts';
import {
  type DiffusionSetting,
  forRows,
  type Network,
  networkOf,
  predictSample,
} from '../../losses/diffusion/setting.ts';
import { underPrefix } from '../../methods/calls.ts';
import type { AnyModel } from '../../nn/model.ts';
import { type Params, prefixed } from '../../nn/params.ts';
import { type Scope, scopeOf } from '../../nn/scope.ts';
import { adam, cosine } from '../../optim/index.ts';
import { train } from '../../train/loop.ts';
import type { Objective } from '../../train/objective.ts';
import type { Terms } from '../../train/terms.ts';
import { drawSamples } from '../diffusion/draw.ts';
import { emptySource, type Trained } from '../diffusion/fit.ts';
import type { Budget } from './fit.ts';

/** SDS: away from the noise that was added; VSD: away from the noise that a critic sees in the generator's samples. */
export type ScoreKind = 'sds' | 'vsd';

const [GENERATOR, CRITIC] = ['@generator', '@critic'];

const networkAt = (model: AnyModel, scope: Scope): Network =>
  networkOf((inputs) => model.forward(scope, inputs) as Record<string, Tensor>);

/** A generator in one step: the network's clean sample for noise alone, at tMax. */
const generate = (network: Network, noise: Tensor, setting: DiffusionSetting): Tensor =>
  predictSample(network, setting)(noise, forRows(setting.tMax, noise));

/**
 * Score distillation of a frozen teacher into a generator: its samples x follow -σ² (ε_T(x_t) - ε), or with the critic's
 * noise in place of ε. The critic is trained in the same steps to denoise the generator's samples.
 */
function scoreObjective(
  { model, params: frozen }: Trained,
  setting: DiffusionSetting,
  kind: ScoreKind,
): Objective {
  const { process, prediction, tMin, tMax } = setting;
  return {
    params: {
      ...prefixed(GENERATOR, model.params),
      ...(kind === 'vsd' ? prefixed(CRITIC, model.params) : {}),
    },
    scalars: [],
    terms(params, batch, { nextKey }) {
      const trained = (path: string): Network => networkAt(model, scopeOf(params, {}, path));
      const constants = Object.entries(frozen).map(([n, a]) => [n, constant(a)] as const);
      const examples = batch['mask/examples'];
      const shape = [examples.shape[0], ...setting.shape];
      const x = generate(trained(GENERATOR), normal(nextKey!(), shape), setting);
      const eps = normal(nextKey!(), shape);
      const t = uniform(nextKey!(), [examples.shape[0]], { low: tMin, high: tMax });
      const levels = process.levels(t);
      const noisy = stopGradient(addNoise(x, eps, levels));
      const noiseOf = (output: Tensor): Tensor => predictedNoise(output, noisy, levels, prediction);
      const teacher = noiseOf(networkAt(model, scopeOf(Object.fromEntries(constants)))(noisy, t));
      const weighed = (v: Tensor): Tensor => rowMean(mul(v, perRow(square(levels.sigma), v)));
      const score = (surrogate: Tensor): Terms => ({ score: { value: weighed(surrogate) } });
      const masks = { examples };
      if (kind === 'sds') return { terms: score(scoreSurrogate(x, sub(teacher, eps))), masks };
      const guess = trained(CRITIC)(noisy, t);
      const critic = denoisingError(guess, stopGradient(x), eps, levels, prediction);
      return {
        terms: { ...score(scoreDifference(x, teacher, noiseOf(guess))), critic: { value: critic } },
        masks,
      };
    },
  };
}

export interface ScoreFit extends Budget {
  readonly engine: Engine;
  readonly teacher: Trained;
  readonly setting: DiffusionSetting;
  readonly kind: ScoreKind;
  readonly ema: number;
  readonly seed: string;
  /** What is drawn once the generator is trained. */
  readonly noise: NDArray;
}

/** Samples of a generator trained by score distillation; generator and critic start from the teacher's weights. */
export async function scoreDistilled(f: ScoreFit): Promise<NDArray> {
  const { engine, teacher, setting } = f;
  const { params } = await train({
    engine,
    objective: scoreObjective(teacher, setting, f.kind),
    params: {
      ...underPrefix(GENERATOR, teacher.params),
      ...(f.kind === 'vsd' ? underPrefix(CRITIC, teacher.params) : {}),
    },
    source: emptySource(f.batch),
    batchSize: f.batch,
    steps: f.steps,
    optimizer: adam(),
    lr: cosine({ from: f.lr, to: f.lr / 100, steps: f.steps }),
    ema: f.ema,
    seed: f.seed,
  });
  const generator: AnyModel = {
    ...teacher.model,
    inputs: { noise: teacher.model.inputs.sample },
    forward: (s: Scope, { noise }: { noise: Tensor }) => ({
      sample: generate(networkAt(teacher.model, s), noise, setting),
    }),
  };
  return drawSamples(engine, generator, stripped(params, GENERATOR), f.noise);
}

const stripped = (params: Params<NDArray>, path: string): Params<NDArray> =>
  Object.fromEntries(
    Object.entries(params)
      .filter(([n]) => n.startsWith(`${path}.`))
      .map(([n, a]) => [n.slice(path.length + 1), a]),
  );
