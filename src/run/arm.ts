import { accuracy } from '../evaluate/classification.ts';
import { argmaxRows } from '../evaluate/matrix.ts';
import type { NDArray } from '../graph/index.ts';
import type { Method } from '../methods/method.ts';
import { distillation } from '../methods/objective.ts';
import { createInference, type Inference } from '../nn/inference.ts';
import type { AnyModel } from '../nn/model.ts';
import { init } from '../nn/model.ts';
import type { ParamSpecs, Params } from '../nn/params.ts';
import { withDropout } from '../nn/with-dropout.ts';
import type { BatchSource } from '../train/batches.ts';
import type { Encoded } from '../train/encoded.ts';
import { inferAll } from '../train/infer.ts';
import {
  classificationSource,
  optimizerOf,
  rowsPerUpdate,
  type SignalColumns,
  scheduleOf,
  type TrainSettings,
  updatesFor,
} from '../train/job.ts';
import { type StepInfo, train } from '../train/loop.ts';
import type { Objective } from '../train/objective.ts';
import { probeTeacherSignal } from '../train/probe.ts';
import { DecantError } from '../util/errors.ts';
import { contentHash } from '../util/node/hash.ts';
import { adaptedModel, type LoraSettings, plainParams } from './adapt.ts';
import { fileCheckpoints } from './checkpoints.ts';
import type { RunContext } from './context.ts';

/** One model to be trained in a run. */
export interface Arm {
  /** Folder and journal name: teacher, alone, distilled. */
  readonly name: string;
  readonly title: string;
  readonly seed: number;
  readonly model: AnyModel;
  /** Starting weights; default: fresh ones from the seed. */
  readonly start?: Params<NDArray>;
  readonly method: Method;
  readonly config: unknown;
  readonly settings: TrainSettings;
  /** Train low-rank updates of a frozen base instead of all weights; the result has them merged. */
  readonly lora?: LoraSettings;
  /** The larger model that it is trained in, for example a policy beside its reference; default: the model alone. */
  readonly within?: Surroundings;
  /** Rows of a classifier with what the teacher said about them; or `source`, batches of any other task. */
  readonly rows?: Encoded;
  readonly signals?: SignalColumns;
  readonly source?: BatchSource;
  /** In place of the outputs of one forward pass per batch: for methods that call models themselves. */
  readonly objective?: (model: AnyModel) => Objective;
  readonly validation?: Encoded;
  /** Instead of `validation`: figures of parameters on held-out data, and the one that is watched (less is better). */
  readonly watch?: {
    readonly metric: string;
    run(params: Params<NDArray>): Promise<Record<string, number>>;
    dispose(): Promise<void>;
  };
  /** Number of updates, when another arm's is to be matched. */
  readonly updates?: number;
  /** Whether to check first that the teacher reaches the student, on 8 rows or on so many. */
  readonly probe?: boolean | number;
  /** Content the result depends on beside what stands here (data, teacher), as hashes. */
  readonly depends: unknown;
}

/** How a model is trained as a part of a larger one, which takes over the model's parameters by name. */
export interface Surroundings {
  readonly model: (own: AnyModel) => AnyModel;
  /** First weights of the whole from those of the part and what they are; default: the same. */
  readonly start?: (own: Params<NDArray>, specs: ParamSpecs) => Params<NDArray>;
  /** The part's own weights among all; default: all. */
  readonly own?: (whole: Params<NDArray>) => Params<NDArray>;
}

export interface TrainedArm {
  readonly params: Params<NDArray>;
  readonly updates: number;
  readonly seconds: number;
}

const EVERY_STEPS = 200;

/** Trains one arm, or takes it up where its checkpoint left it. Throws `interrupted` when asked to stop. */
export async function trainArm(ctx: RunContext, arm: Arm): Promise<TrainedArm> {
  const { settings, method, within } = arm;
  const adapted = arm.lora ? adaptedModel(arm.model, arm.lora) : arm.model;
  const whole = within ? within.model(adapted) : adapted;
  const model = settings.dropout === undefined ? whole : withDropout(whole, settings.dropout);
  const plain = (params: Params<NDArray>): Params<NDArray> =>
    plainParams(arm.model, arm.lora, within?.own?.(params) ?? params);
  const began = performance.now();
  const inputs = Object.keys(model.inputs);
  const objective = arm.objective?.(model) ?? distillation(model, method, arm.config);
  const source = arm.source ?? classificationSource(arm.rows!, inputs, arm.signals);
  const steps = arm.updates ?? updatesFor(settings, source.size);
  const identity = contentHash({
    recipe: ctx.recipeHash,
    arm: arm.name,
    seed: arm.seed,
    steps,
    depends: arm.depends,
  });
  const own = { ...initMissing(adapted.params, arm.start, arm.seed), ...arm.start };
  const params = within?.start?.(own, adapted.params) ?? own;
  if (arm.probe) {
    await probeTeacherSignal({
      engine: ctx.engine,
      objective,
      params: { ...initExtra(objective.params, model.params, arm.seed), ...params },
      source,
      rows: Math.min(arm.probe === true ? 8 : arm.probe, rowsPerUpdate(settings)),
      scalars: method.schedule?.init(arm.config),
    });
  }
  const perEpoch = Math.max(1, Math.ceil(source.size / rowsPerUpdate(settings)));
  const task = ctx.progress.task(arm.title, steps);
  const log = (info: StepInfo): void => {
    ctx.clock.engineMs += info.engineMs;
    ctx.clock.compileMs += info.compileMs;
    ctx.clock.trainMs += info.ms;
    task.update({ done: info.step, terms: info.terms });
    if (info.step % Math.max(1, Math.floor(steps / EVERY_STEPS)) === 0 || info.step === steps) {
      ctx.journal.metric({
        arm: arm.name,
        seed: arm.seed,
        step: info.step,
        split: 'train',
        values: { ...info.terms, lr: info.lr },
      });
    }
  };
  const watch =
    arm.watch ??
    (arm.validation && arm.validation.size > 0 ? await validationOf(ctx, arm, arm.validation) : undefined);
  const usual = arm.watch?.metric ?? 'accuracy';
  const watched = settings.earlyStopping?.metric ?? (settings.keep === 'best' ? usual : undefined);
  try {
    const result = await train({
      engine: ctx.engine,
      objective,
      params: { ...initExtra(objective.params, model.params, arm.seed), ...params },
      source,
      batchSize: rowsPerUpdate(settings),
      microBatch: settings.batchSize,
      steps,
      optimizer: optimizerOf(settings),
      lr: scheduleOf(settings, steps),
      clip: settings.clipNorm ?? 0,
      ema: settings.ema,
      seed: `${arm.seed}/${arm.name}`,
      schedule: method.schedule && {
        init: () => method.schedule!.init(arm.config),
        next: (state, seen) => method.schedule!.next(state, seen, arm.config),
      },
      evaluation: watch && {
        every: settings.evalEvery === 'epoch' ? perEpoch : settings.evalEvery,
        run: (now) => watch.run(plain(now)),
        metric: watched,
        mode: watched === 'loss' || watched === arm.watch?.metric ? 'min' : 'max',
        patience: settings.earlyStopping?.patience,
        minDelta: settings.earlyStopping?.minDelta,
      },
      checkpoints: {
        store: fileCheckpoints(ctx.folder.checkpoints(arm.name, arm.seed)),
        every: Math.max(20, perEpoch),
        seconds: settings.checkpointEvery,
        identity,
      },
      onStep: log,
      onEvaluation: (values, step) =>
        ctx.journal.metric({ arm: arm.name, seed: arm.seed, step, split: 'validation', values }),
      stopRequested: ctx.stopRequested,
    });
    if (!result.finished) {
      throw new DecantError('interrupted', `stopped at step ${result.step} of ${steps} of ${arm.title}`, {
        fix: 'go on with: decant resume DIR',
      });
    }
    const best =
      settings.keep === 'best'
        ? await fileCheckpoints(ctx.folder.checkpoints(arm.name, arm.seed)).load('best')
        : undefined;
    task.finish();
    return {
      params: plain(best ? publishedParams(best.arrays) : result.params),
      updates: steps,
      seconds: (performance.now() - began) / 1000,
    };
  } finally {
    await watch?.dispose();
  }
}

/** The student's parameters out of a checkpoint's arrays, averaged ones where there are any. */
export function publishedParams(arrays: Readonly<Record<string, NDArray>>): Params<NDArray> {
  const part = (prefix: string): Params<NDArray> =>
    Object.fromEntries(
      Object.entries(arrays)
        .filter(([n]) => n.startsWith(prefix))
        .map(([n, a]) => [n.slice(prefix.length), a]),
    );
  return { ...part('params/'), ...part('ema/') };
}

/** Fresh values of the parameters that have none yet. */
function initMissing(specs: ParamSpecs, start: Params<NDArray> | undefined, seed: number): Params<NDArray> {
  const missing = Object.fromEntries(Object.entries(specs).filter(([n]) => !start?.[n]));
  return init({ params: missing } as AnyModel, `${seed}/init`);
}

/** Fresh values of a method's own parameters. */
function initExtra(all: ParamSpecs, student: ParamSpecs, seed: number): Params<NDArray> {
  const extra = Object.fromEntries(Object.entries(all).filter(([n]) => !student[n]));
  return Object.keys(extra).length === 0 ? {} : init({ params: extra } as AnyModel, `${seed}/extra`);
}

/** Accuracy on the validation rows that carry labels. */
async function validationOf(
  ctx: RunContext,
  arm: Arm,
  rows: Encoded,
): Promise<{ run: (p: Params<NDArray>) => Promise<Record<string, number>>; dispose: () => Promise<void> }> {
  const inference = createInference(ctx.engine, arm.model);
  return {
    run: async (params) => {
      await inference.setParams(params);
      const logits = await inferAll(inference, rows, Object.keys(arm.model.inputs));
      const labels = Int32Array.from(rows.examples, (e) => e.label ?? -1);
      return { accuracy: accuracy(argmaxRows(logits), labels), loss: meanNll(logits, labels) };
    },
    dispose: () => inference.dispose(),
  };
}

function meanNll(logits: NDArray, labels: Int32Array): number {
  const [n, classes] = logits.shape;
  const data = logits.data as Float32Array;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    let top = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) top = Math.max(top, data[i * classes + c]);
    let total = 0;
    for (let c = 0; c < classes; c++) total += Math.exp(data[i * classes + c] - top);
    sum += top + Math.log(total) - data[i * classes + Math.max(0, labels[i])];
  }
  return sum / n;
}

/** Logits of a trained model for every row. */
export async function armLogits(
  ctx: RunContext,
  model: AnyModel,
  params: Params<NDArray>,
  rows: Encoded,
): Promise<NDArray> {
  const inference: Inference = createInference(ctx.engine, model);
  try {
    await inference.setParams(params);
    return await inferAll(inference, rows, Object.keys(model.inputs));
  } finally {
    await inference.dispose();
  }
}
