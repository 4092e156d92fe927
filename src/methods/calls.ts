import {
  add,
  mul,
  type NDArray,
  normal,
  type Shape,
  stopGradient,
  type Tensor,
  uniform,
} from '../graph/index.ts';
import type { DiffusionSetting } from '../losses/diffusion/setting.ts';
import type { AnyModel } from '../nn/model.ts';
import { type ParamSpecs, type Params, prefixed } from '../nn/params.ts';
import { type ForwardContext, scopeOf } from '../nn/scope.ts';
import { type Objective, TEACHER } from '../train/objective.ts';
import { masksOf } from '../train/step-graph.ts';
import { DecantError } from '../util/errors.ts';
import type { Method } from './method.ts';

/** Where the averaged copy of the student lives among the parameters. */
export const AVERAGE = '@average';

/** A model as a function of named tensors, inside the graph of the step. */
export type CallableModel = (inputs: Record<string, Tensor>) => Readonly<Record<string, Tensor>>;

/** Models that a loss calls as often as it needs. Only the student's weights are trained. */
export interface LossModels {
  readonly student: CallableModel;
  /** Frozen weights. Gradients do flow back to its inputs: put stopGradient around what should be constant. */
  readonly teacher?: CallableModel;
  /** The student with averaged weights, θ⁻ ← μ θ⁻ + (1 - μ) θ before every step; constant. */
  readonly average?: CallableModel;
}

/** Fresh random numbers, another draw with each call: functions of seed, step and position. */
export interface RandomNumbers {
  normal(shape: Shape): Tensor;
  /** In [low, high). */
  uniform(shape: Shape, low?: number, high?: number): Tensor;
}

/** What drawing samples needs inside a graph. */
export interface DrawInput {
  readonly student: CallableModel;
  /** Standard normal, `[batch, ...]` */
  readonly noise: Tensor;
  readonly diffusion: DiffusionSetting;
  /** int32 `[batch]` */
  readonly labels?: Tensor;
}

/** A method whose loss calls models itself, rather than being given the outputs of one forward pass. */
export interface ModelCalls<C> {
  /** What the loss calls beside the student. */
  readonly uses: readonly ('teacher' | 'average')[];
  /** 'none': the student's training reads no row of the data, and a run gives it none. */
  readonly data: 'rows' | 'none';
  /** μ of the averaged weights. */
  readonly decay?: (config: C) => number;
  /** Whether the student starts from the teacher's weights, where both have the same parameters; default fresh. */
  readonly start?: (config: C) => 'teacher' | 'fresh';
  /** Configs of trainings done one after the other: each student is the next one's teacher and start. */
  readonly rounds?: (config: C) => readonly C[];
  /** How the trained student turns noise into samples; exported as one graph. */
  draw(input: DrawInput, config: C): Tensor;
  /** Calls of the network per sample. */
  evaluations(config: C): number;
}

/** What surrounds a method that calls models. */
export interface CallContext {
  /** The teacher's model; its weights are the parameters under {@link TEACHER}. */
  readonly teacher?: Pick<AnyModel, 'params' | 'forward'>;
  readonly diffusion?: DiffusionSetting;
}

const frozen = (path: string, specs: ParamSpecs): ParamSpecs =>
  Object.fromEntries(Object.entries(prefixed(path, specs)).map(([n, s]) => [n, { ...s, buffer: true }]));

/** Weights under a prefix, to start a step graph with. */
export const underPrefix = (path: string, params: Params<NDArray>): Params<NDArray> =>
  Object.fromEntries(Object.entries(params).map(([n, a]) => [`${path}.${n}`, a]));

/** The parameters that training such a method starts from. */
export const callParams = (
  method: Pick<Method, 'calls'>,
  student: Params<NDArray>,
  teacher?: Params<NDArray>,
): Params<NDArray> => ({
  ...student,
  ...(teacher && method.calls?.uses.includes('teacher') ? underPrefix(TEACHER, teacher) : {}),
  ...(method.calls?.uses.includes('average') ? underPrefix(AVERAGE, student) : {}),
});

/** Student and method as the loop's objective, for methods that call models. Errors: `internal` without a teacher. */
export function callingObjective<C>(
  model: Pick<AnyModel, 'params' | 'forward'>,
  method: Method<C>,
  config: C,
  { teacher, diffusion }: CallContext = {},
): Objective {
  const calls = method.calls!;
  const taught = calls.uses.includes('teacher');
  const averaged = calls.uses.includes('average');
  if (taught && !teacher)
    throw new DecantError('internal', `the method '${method.slug}' calls a teacher and was given none`);
  return {
    params: {
      ...model.params,
      ...(taught ? frozen(TEACHER, teacher!.params) : {}),
      ...(averaged ? frozen(AVERAGE, model.params) : {}),
    },
    scalars: Object.keys(method.schedule?.init(config) ?? {}),
    terms(params, batch, ctx) {
      const forward: ForwardContext = { train: ctx.train, nextKey: ctx.nextKey, updates: ctx.updates };
      const call =
        (m: Pick<AnyModel, 'forward'>, own: Params<Tensor>, c: ForwardContext, path = ''): CallableModel =>
        (inputs) =>
          m.forward(scopeOf(own, c, path), inputs) as Record<string, Tensor>;
      const average: Params<Tensor> = {};
      if (averaged) {
        const mu = calls.decay!(config);
        for (const name of Object.keys(model.params)) {
          const at = `${AVERAGE}.${name}`;
          const next = add(mul(params[at], mu), mul(stopGradient(params[name]), 1 - mu));
          average[at] = next;
          // parts of an accumulated batch share one average, which moves once
          if (ctx.updating) ctx.updates.set(at, next);
        }
      }
      const masks = masksOf(batch);
      const nothing = (path: string): never => {
        throw new DecantError('internal', `the method '${method.slug}' calls its models itself`, {
          seen: path,
        });
      };
      const terms = method.loss(
        {
          student: {},
          tap: nothing,
          teacher: {},
          labels: batch.labels,
          masks: { examples: masks.examples!, labelled: masks.labelled ?? masks.examples! },
          columns: batch,
          scalars: ctx.scalars,
          extra: scopeOf(params, forward, '@method'),
          models: {
            student: call(model, params, forward),
            ...(taught ? { teacher: call(teacher!, params, {}, TEACHER) } : {}),
            ...(averaged ? { average: call(model, average, {}, AVERAGE) } : {}),
          },
          random: randomOf(ctx.nextKey),
          diffusion,
        },
        config,
      );
      return { terms, masks };
    },
  };
}

/** Random numbers out of the keys of a step. Errors: `internal` where a step has none. */
function randomOf(nextKey: (() => Tensor) | undefined): RandomNumbers {
  const key = (): Tensor => {
    if (!nextKey) throw new DecantError('internal', 'random numbers are drawn in training only');
    return nextKey();
  };
  return {
    normal: (shape) => normal(key(), shape),
    uniform: (shape, low = 0, high = 1) => uniform(key(), shape, { low, high }),
  };
}
