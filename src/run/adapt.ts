import { castArray, type NDArray } from '../graph/index.ts';
import { type LoraModel, linearLayers, mergeLora, withLora } from '../nn/lora.ts';
import type { AnyModel } from '../nn/model.ts';
import type { Params } from '../nn/params.ts';

/** The `student.lora` section. */
export interface LoraSettings {
  readonly rank: number;
  readonly alpha: number;
  readonly targets?: readonly string[] | 'all';
}

/** Layers between the body of a classifier and its scores, which pretrained bodies come without. */
const HEAD = /^(pre_)?classifier$/;

/**
 * The model with adapters on a frozen base. A classifier's head is trained as a whole beside them, since it is fresh
 * more often than not; a decoder's output layer is part of the base.
 */
export function adaptedModel(model: AnyModel, { rank, alpha, targets }: LoraSettings): LoraModel<AnyModel> {
  return withLora(model, { rank, alpha, targets, train: headModules(model) });
}

function headModules(model: AnyModel): string[] {
  if (/CausalLM|LMHeadModel/.test(model.architecture)) return [];
  const last = linearLayers(model).at(-1)?.path;
  const named = Object.keys(model.params)
    .map((n) => n.split('.')[0])
    .filter((n) => HEAD.test(n));
  return [...new Set([...(last ? [last] : []), ...named])];
}

/** Trained parameters as those of the model itself: float32 whatever the engine, adapters merged into the base. */
export function plainParams(
  model: AnyModel,
  lora: LoraSettings | undefined,
  trained: Params<NDArray>,
): Params<NDArray> {
  const params = Object.fromEntries(
    Object.entries(trained).map(([n, a]) => [n, a.dtype === 'float64' ? castArray(a, 'float32') : a]),
  );
  return lora ? mergeLora(adaptedModel(model, lora), params) : params;
}
