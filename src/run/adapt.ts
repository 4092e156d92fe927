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

/** Modules above the body, which pretrained bodies come without. */
const HEAD = /(^|\.)((pre_)?classifier|projection)$/;
/** Models whose last linear layer belongs to the body: decoders, sentence encoders, denoisers. */
const ALL_BODY = /CausalLM|LMHeadModel|SentenceEncoder|DualEncoder|Diffusion|UNet/;

/**
 * The model with adapters on a frozen base. What stands above the body (a classifier's head, a projection, the layer that
 * scores) is trained as a whole beside them, since it is fresh more often than not.
 */
export function adaptedModel(model: AnyModel, { rank, alpha, targets }: LoraSettings): LoraModel<AnyModel> {
  return withLora(model, { rank, alpha, targets, train: headModules(model) });
}

function headModules(model: AnyModel): string[] {
  const last = ALL_BODY.test(model.architecture) ? undefined : linearLayers(model).at(-1)?.path;
  const named = Object.keys(model.params)
    .map((n) => n.slice(0, n.lastIndexOf('.')))
    .filter((n) => HEAD.test(n));
  return [...new Set([...(last ? [last] : []), ...named])];
}

/** Parameters that training through adapters leaves as they are: one copy of them serves all students of a base. */
export function untouchedParams(model: AnyModel, lora: LoraSettings): string[] {
  const adapted = adaptedModel(model, lora);
  const updated = new Set(adapted.lora.layers.map((l) => `${l.path}.weight`));
  return Object.keys(model.params).filter((n) => adapted.params[n].buffer && !updated.has(n));
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
