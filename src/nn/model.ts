import { input, type NDArray, type Shape, spec, type Tensor, type TensorType } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { closest } from '../util/suggest.ts';
import { initParams, type ParamSpecs, type Params } from './params.ts';
import { type ForwardContext, type Scope, scopeOf } from './scope.ts';

/**
 * A model is data (a config, parameter specs) and a pure function of parameters and inputs. Parameters are never
 * inside it: the same model runs on a student's, a teacher's or an averaged set of parameters.
 *
 * @typeParam I inputs, a record of tensors
 * @typeParam O outputs, a record of tensors
 */
export interface Model<
  I extends Record<string, Tensor | undefined>,
  O extends Record<string, Tensor | undefined>,
> {
  /** Architecture, as in config.json's `architectures` (`BertForSequenceClassification`) or Decant's own. */
  readonly architecture: string;
  /** The config.json contents, Hugging Face key names. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly params: ParamSpecs;
  /** Types of the inputs with symbolic dimensions, in the order of exported graphs. */
  readonly inputs: Readonly<Record<string, TensorType>>;
  forward(s: Scope, inputs: I): O;
}

// biome-ignore lint/suspicious/noExplicitAny: a model of any inputs and outputs
export type AnyModel = Model<any, any>;

/** Fresh parameters of a model. */
export const init = (model: AnyModel, seed: number | string): Params<NDArray> =>
  initParams(model.params, seed);

/** Runs the forward pass on symbolic tensors. */
export function applyModel<
  I extends Record<string, Tensor | undefined>,
  O extends Record<string, Tensor | undefined>,
>(model: Model<I, O>, params: Params<Tensor>, inputs: I, ctx: ForwardContext = {}): O {
  return model.forward(scopeOf(params, ctx), inputs);
}

/**
 * The forward pass and chosen activations, by dotted path (`bert.encoder.layer.2`, `model.layers.0.self_attn.q_proj`).
 * An unknown path is an error that lists near ones.
 */
export function applyWithTaps<
  I extends Record<string, Tensor | undefined>,
  O extends Record<string, Tensor | undefined>,
>(
  model: Model<I, O>,
  params: Params<Tensor>,
  inputs: I,
  paths: readonly string[],
  ctx: ForwardContext = {},
): { outputs: O; taps: Record<string, Tensor> } {
  const all = ctx.taps ?? new Map<string, Tensor>();
  const outputs = applyModel(model, params, inputs, { ...ctx, taps: all });
  return { outputs, taps: Object.fromEntries(paths.map((p) => [p, pickTap(all, p)])) };
}

function pickTap(all: Map<string, Tensor>, path: string): Tensor {
  const t = all.get(path);
  if (t) return t;
  const near = closest(path, [...all.keys()]);
  throw new DecantError('model', `there is no activation at '${path}'`, {
    seen: path,
    allowed: [...all.keys()].slice(0, 12).join(', ') + (all.size > 12 ? ', …' : ''),
    fix: near ? `did you mean '${near}'?` : 'list the paths with `tapPaths(model)`',
  });
}

type Traceable = Pick<AnyModel, 'params' | 'inputs' | 'forward'>;

/** Runs the forward pass on placeholders of the declared inputs, to see what it does. Nothing is executed. */
export function tracedForward(model: Traceable, ctx: ForwardContext): Record<string, Tensor | undefined> {
  const placeholder = (name: string, t: TensorType): Tensor =>
    input(name, t.shape, t.dtype === 'int64' ? 'int32' : t.dtype);
  const params = Object.entries(model.params).filter(([, p]) => p.tiedTo === undefined);
  return model.forward(
    scopeOf(Object.fromEntries(params.map(([n, p]) => [n, placeholder(n, spec(p.shape))])), ctx),
    Object.fromEntries(Object.entries(model.inputs).map(([n, t]) => [n, placeholder(n, t)])),
  );
}

/**
 * All paths that `applyWithTaps` and methods can ask for, in the order of the forward pass, with shapes
 * (`bert.encoder.layer.0` to `[batch, sequence, 256]`).
 */
export function tapShapes(model: Traceable): Map<string, Shape> {
  const taps = new Map<string, Tensor>();
  tracedForward(model, { taps });
  return new Map([...taps].map(([path, t]) => [path, t.shape]));
}

/** All tap paths of a model, in the order of the forward pass. */
export const tapPaths = (model: Traceable): string[] => [...tapShapes(model).keys()];
