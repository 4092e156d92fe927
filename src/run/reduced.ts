import { createTokenizer, type Tokenizer } from '../data/tokenizer/tokenizer.ts';
import { trimTokenizer } from '../data/tokenizer/trim.ts';
import type { NDArray } from '../graph/index.ts';
import { layersFrom, trimVocabulary } from '../nn/layers-from.ts';
import type { AnyModel } from '../nn/model.ts';
import type { DecoderModel } from '../nn/models/llama.ts';
import type { Params } from '../nn/params.ts';

/** What a student keeps of the model that it starts from. */
export interface Reduction {
  /** Every k-th layer, or the numbers of the layers. */
  layers?: { every: number } | readonly number[];
  /** Only the tokens that the rows use. */
  trimVocabulary?: boolean;
}

interface Started<M> {
  readonly model: M;
  readonly start: Params<NDArray>;
}

/** The model with the layers that were chosen of it; as it is without a choice. */
export function withLayers<M extends AnyModel | DecoderModel>(
  { model, start }: Started<M>,
  layers: Reduction['layers'],
): Started<M> {
  if (!layers) return { model, start };
  const student = layersFrom(model, start, 'length' in layers ? { layers } : layers);
  return { model: student.model as M, start: student.params };
}

/** Model and tokenizer without the tokens that none of the texts needs: these are encoded as before. */
export function withVocabularyOf<M extends AnyModel | DecoderModel>(
  { model, start }: Started<M>,
  tokenizer: Tokenizer,
  texts: readonly string[],
): Started<M> & { tokenizer: Tokenizer } {
  const trimmed = trimTokenizer(tokenizer.files, { texts });
  const smaller = trimVocabulary(model, start, trimmed.kept);
  return {
    model: smaller.model as M,
    start: smaller.params,
    tokenizer: createTokenizer(trimmed.tokenizer, trimmed.tokenizerConfig),
  };
}
