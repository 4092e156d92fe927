import type { NDArray, Tensor } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import { type AnyModel, tracedForward } from './model.ts';
import type { Params } from './params.ts';
import { type Scope, scopeOf } from './scope.ts';

/** Name of the output that {@link withEmbedding} adds. */
export const EMBEDDING = 'embedding';

/** The linear layer that gives a classifier its scores. */
export interface OutputLayer {
  /** Its path: `classifier`, `layers.2`, `fc`. */
  readonly path: string;
  /** `[classes, width]` */
  readonly weights: NDArray;
  /** `[classes]` */
  readonly bias?: NDArray;
}

/** Runs the forward pass and finds the linear layer that made the logits, with what it was given. */
function watched(
  model: Pick<AnyModel, 'forward'>,
  s: Scope,
  inputs: Record<string, Tensor>,
): { outputs: Record<string, Tensor>; layer?: { path: string; x: Tensor } } {
  const seen = new Map<Tensor, { path: string; x: Tensor }>();
  const adapt: NonNullable<Scope['ctx']['adapt']> = (path, x, y, params) => {
    const out = s.ctx.adapt ? s.ctx.adapt(path, x, y, params) : y;
    seen.set(out, { path, x });
    return out;
  };
  const outputs = model.forward(scopeOf(s.params, { ...s.ctx, adapt }, s.path), inputs) as Record<
    string,
    Tensor
  >;
  return { outputs, layer: seen.get(outputs.logits) };
}

/** Whether the scores of a model come out of a linear layer, so that it has an embedding. */
export function outputPath(model: Pick<AnyModel, 'params' | 'inputs' | 'forward'>): string | undefined {
  let path: string | undefined;
  const forward: AnyModel['forward'] = (s, inputs) => {
    const { outputs, layer } = watched(model, s, inputs);
    path = layer?.path;
    return outputs;
  };
  tracedForward({ ...model, forward }, {});
  return path;
}

/**
 * The model with one more output, `embedding` `[batch, width]`: what its last linear layer is given. Errors: `model` when
 * its scores come out of anything else.
 */
export function withEmbedding<M extends Pick<AnyModel, 'forward'>>(model: M): M {
  return {
    ...model,
    forward(s: Scope, inputs: Record<string, Tensor>) {
      const { outputs, layer } = watched(model, s, inputs);
      if (!layer) throw noLayer();
      return { ...outputs, [EMBEDDING]: layer.x };
    },
  };
}

/** The model with a tap `embedding`, what its last linear layer is given, if its scores come out of one. */
export function tappingEmbedding<M extends Pick<AnyModel, 'forward'>>(model: M): M {
  return {
    ...model,
    forward(s: Scope, inputs: Record<string, Tensor>) {
      const { outputs, layer } = watched(model, s, inputs);
      if (layer) s.ctx.taps?.set(EMBEDDING, layer.x);
      return outputs;
    },
  };
}

/** Weights of the last linear layer: logits = weights · embedding + bias. */
export function outputLayer(
  model: Pick<AnyModel, 'params' | 'inputs' | 'forward'>,
  params: Params<NDArray>,
): OutputLayer {
  const path = outputPath(model);
  const weights = path === undefined ? undefined : params[`${path}.weight`];
  if (path === undefined || !weights) throw noLayer();
  return { path, weights, bias: params[`${path}.bias`] };
}

const noLayer = (): DecantError =>
  new DecantError('model', 'the scores of the model do not come out of a linear layer', {
    fix: 'choose a method that does without the embeddings of the teacher',
  });
