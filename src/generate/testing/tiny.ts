import * as ort from 'onnxruntime-node';
import { decoderOnnx } from '../../export/decoder.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import { init } from '../../nn/model.ts';
import { gpt2 } from '../../nn/models/gpt2.ts';
import { type DecoderModel, llama } from '../../nn/models/llama.ts';
import type { Params } from '../../nn/params.ts';

import { type DecoderSession, openDecoderSession } from '../session.ts';

export const VOCAB = 40;

export const tinyGpt2 = (vocab = VOCAB): DecoderModel =>
  gpt2({ vocab_size: vocab, n_positions: 64, n_embd: 32, n_layer: 2, n_head: 4 });

export const tinyLlama = (): DecoderModel =>
  llama({
    vocab_size: VOCAB,
    hidden_size: 32,
    intermediate_size: 48,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 64,
  });

/** Random weights, large enough that the distributions are far from flat. */
export function sharpParams(model: DecoderModel, seed: number | string): Params<NDArray> {
  const params = init(model as never, seed);
  return Object.fromEntries(
    Object.entries(params).map(([name, a]) =>
      a.shape.length === 2
        ? [
            name,
            ndarray(
              (a.data as Float32Array).map((x) => 6 * x),
              a.shape,
            ),
          ]
        : [name, a],
    ),
  );
}

export const openTiny = (
  model: DecoderModel,
  options: { hidden?: boolean; seed?: number } = {},
): Promise<DecoderSession> =>
  openDecoderSession(
    ort as never,
    decoderOnnx({ model, params: sharpParams(model, options.seed ?? 1), hidden: options.hidden }),
    { threads: 1, contextLength: model.maxLength },
  );
