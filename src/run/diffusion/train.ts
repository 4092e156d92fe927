import { slicedWasserstein } from '../../evaluate/samples.ts';
import type { NDArray } from '../../graph/index.ts';
import type { DiffusionSetting } from '../../losses/diffusion/setting.ts';
import { callingObjective } from '../../methods/calls.ts';
import type { Method } from '../../methods/method.ts';
import { type AnyModel, init } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import { sgd } from '../../optim/index.ts';
import type { BatchSource } from '../../train/batches.ts';
import type { TrainSettings } from '../../train/job.ts';
import { buildStep, initialState } from '../../train/step-graph.ts';
import type { LoraSettings } from '../adapt.ts';
import { type Arm, trainArm } from '../arm.ts';
import type { RunContext } from '../context.ts';
import { drawModel, drawSamples, normalNoise } from './draw.ts';
import { ownParams, roundStart, roundsOf, type Trained } from './fit.ts';

export interface GenerativeArm {
  readonly name: string;
  readonly title: string;
  readonly seed: number;
  readonly model: AnyModel;
  readonly method: Method;
  readonly config: unknown;
  readonly setting: DiffusionSetting;
  readonly settings: TrainSettings;
  /** Adapters on the weights that it starts from. */
  readonly lora?: LoraSettings;
  readonly source: BatchSource;
  /** Updates over all rounds. */
  readonly updates: number;
  readonly teacher?: Trained;
  /** Held-out samples; read only where the settings ask to stop early or to keep the best weights. */
  readonly validation?: NDArray;
  readonly probe?: boolean;
  readonly depends: unknown;
}

/** Trains one arm through all rounds of its method; each round's student is the next one's teacher. */
export async function trainGenerative(
  ctx: RunContext,
  arm: GenerativeArm,
): Promise<Trained & { seconds: number }> {
  const rounds = roundsOf(arm.method, arm.config);
  const updates = Math.max(1, Math.round(arm.updates / rounds.length));
  let { teacher } = arm;
  let seconds = 0;
  let trained: Trained | undefined;
  for (const [i, config] of rounds.entries()) {
    const last = i === rounds.length - 1;
    const start = roundStart({
      model: arm.model,
      method: arm.method,
      config,
      setting: arm.setting,
      teacher,
      seed: `${arm.seed}/init`,
    });
    const shared: Pick<Arm, 'seed' | 'method' | 'settings' | 'source' | 'depends' | 'model' | 'lora'> = arm;
    const result = await trainArm(ctx, {
      ...shared,
      name: last ? arm.name : `${arm.name}-round-${i + 1}`,
      title: rounds.length > 1 ? `${arm.title}, round ${i + 1}/${rounds.length}` : arm.title,
      config,
      objective: (model) =>
        callingObjective(model, arm.method, config, { teacher: teacher?.model, diffusion: arm.setting }),
      start: start.params,
      updates,
      probe: arm.probe && i === 0 && arm.method.calls!.uses.includes('teacher'),
      watch: watchOf(ctx, arm, config),
    });
    seconds += result.seconds;
    trained = { model: arm.model, params: ownParams(arm.model, result.params) };
    teacher = trained;
  }
  return { ...trained!, seconds };
}

/** Builds the method's step once without running it: settings that do not fit are told before a teacher is trained. */
export async function tryLoss(
  arm: Pick<GenerativeArm, 'model' | 'method' | 'config' | 'setting' | 'source'>,
  teacherModel: AnyModel,
): Promise<void> {
  const teacher = { model: teacherModel, params: init(teacherModel, 0) };
  const options = { optimizer: sgd({}), clip: 0, accumulate: false };
  for (const config of roundsOf(arm.method, arm.config)) {
    const { objective, params } = roundStart({ ...arm, config, teacher, seed: 0 });
    const batch = await arm.source.collate([0, 0]);
    buildStep(objective, initialState(objective, params, options), batch, options, 'step');
  }
}

/** Distance of samples to held-out ones, where the settings ask for the best weights. */
function watchOf(ctx: RunContext, arm: GenerativeArm, config: unknown): Arm['watch'] {
  const { settings, validation, setting, model } = arm;
  if (!validation || (settings.keep !== 'best' && !settings.earlyStopping)) return undefined;
  const noise = normalNoise(Math.min(500, validation.shape[0]), setting.shape, 'validation');
  const drawn = drawModel(arm.method, config, model, setting);
  return {
    metric: 'distance',
    run: async (params: Params<NDArray>) => ({
      distance: slicedWasserstein(
        await drawSamples(ctx.engine, drawn, ownParams(model, params), noise),
        validation,
      ),
    }),
    dispose: async () => {},
  };
}
