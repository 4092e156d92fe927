import { add, gather, matmul, split, type Tensor } from '../../graph/index.ts';
import { activation } from '../layers/activation.ts';
import { appendPast, attend, mergeHeads, splitHeads } from '../layers/attention.ts';
import { dropout } from '../layers/dropout.ts';
import { embedding, embeddingParams, positionRows } from '../layers/embedding.ts';
import { conv1d, conv1dParams } from '../layers/linear.ts';
import { layerNorm, layerNormParams } from '../layers/norm.ts';
import { normalInit, prefixed } from '../params.ts';
import { type DecoderInputs, type DecoderOutputs, decoderFrame, decoderInputTypes } from './decoder.ts';
import type { DecoderModel } from './llama.ts';

/** Keys of a GPT-2 config.json that matter here. */
export interface Gpt2Config {
  vocab_size: number;
  n_positions: number;
  n_embd: number;
  n_layer: number;
  n_head: number;
  n_inner?: number | null;
  activation_function: string;
  layer_norm_epsilon: number;
  initializer_range: number;
  resid_pdrop: number;
  embd_pdrop: number;
  attn_pdrop: number;
  [key: string]: unknown;
}

export const gpt2Defaults: Gpt2Config = {
  model_type: 'gpt2',
  vocab_size: 50257,
  n_positions: 1024,
  n_embd: 256,
  n_layer: 4,
  n_head: 4,
  n_inner: null,
  activation_function: 'gelu_new',
  layer_norm_epsilon: 1e-5,
  initializer_range: 0.02,
  resid_pdrop: 0.1,
  embd_pdrop: 0.1,
  attn_pdrop: 0.1,
};

/** GPT-2 (Radford et al. 2019) with the output layer tied to the embeddings (`GPT2LMHeadModel`). */
export function gpt2(config: Partial<Gpt2Config>): DecoderModel {
  const c = { ...gpt2Defaults, ...config } as Gpt2Config;
  const d = c.n_embd;
  const inner = c.n_inner ?? 4 * d;
  const init = normalInit(c.initializer_range);
  // residual projections start smaller with depth, as in the paper (section 2.3)
  const residual = normalInit(c.initializer_range / Math.sqrt(2 * c.n_layer));
  const layer = {
    ...prefixed('ln_1', layerNormParams(d)),
    ...prefixed('attn.c_attn', conv1dParams(d, 3 * d, init)),
    ...prefixed('attn.c_proj', conv1dParams(d, d, residual)),
    ...prefixed('ln_2', layerNormParams(d)),
    ...prefixed('mlp.c_fc', conv1dParams(d, inner, init)),
    ...prefixed('mlp.c_proj', conv1dParams(inner, d, residual)),
  };
  const shape = { layers: c.n_layer, kvHeads: c.n_head, headWidth: d / c.n_head };
  return {
    architecture: 'GPT2LMHeadModel',
    config: { architectures: ['GPT2LMHeadModel'], ...c },
    shape,
    vocab: c.vocab_size,
    maxLength: c.n_positions,
    params: {
      ...prefixed('transformer.wte', embeddingParams(c.vocab_size, d, init)),
      ...prefixed('transformer.wpe', embeddingParams(c.n_positions, d, init)),
      ...Object.assign(
        {},
        ...Array.from({ length: c.n_layer }, (_, i) => prefixed(`transformer.h.${i}`, layer)),
      ),
      ...prefixed('transformer.ln_f', layerNormParams(d)),
      'lm_head.weight': { shape: [c.vocab_size, d], init, tiedTo: 'transformer.wte.weight' },
    },
    inputs: decoderInputTypes(shape, false),
    forward(s, inputs: DecoderInputs): DecoderOutputs {
      const t = s.at('transformer');
      const { mask, past } = decoderFrame(inputs);
      const places = inputs.position_ids
        ? gather(t.param('wpe.weight'), inputs.position_ids, 0)
        : positionRows(t.param('wpe.weight'), inputs.input_ids.shape[1], past);
      const words = embedding(t.at('wte'), inputs.input_ids);
      let x = t.tap(dropout(t, add(words, places), c.embd_pdrop), 'embeddings');
      const present = [];
      for (let i = 0; i < c.n_layer; i++) {
        const l = t.at(`h.${i}`);
        const a = l.at('attn');
        const parts = split(
          conv1d(a.at('c_attn'), layerNorm(l.at('ln_1'), x, c.layer_norm_epsilon)),
          [d, d, d],
          2,
        );
        const [q, k, v] = parts.map((p) => splitHeads(p, c.n_head, shape.headWidth));
        const key = appendPast(inputs.past?.[i].key, k);
        const value = appendPast(inputs.past?.[i].value, v);
        present.push({ key, value });
        const attended = conv1d(
          a.at('c_proj'),
          mergeHeads(attend({ q, k: key, v: value, mask, drop: [a, c.attn_pdrop] })),
        );
        x = add(x, a.tap(dropout(a, attended, c.resid_pdrop)));
        const m = l.at('mlp');
        const h = activation(c.activation_function)(
          conv1d(m.at('c_fc'), layerNorm(l.at('ln_2'), x, c.layer_norm_epsilon)),
        );
        x = l.tap(add(x, m.tap(dropout(m, conv1d(m.at('c_proj'), h), c.resid_pdrop))));
      }
      const hidden = layerNorm(t.at('ln_f'), x, c.layer_norm_epsilon);
      const head: Tensor = s.has('lm_head.weight') ? s.param('lm_head.weight') : t.param('wte.weight');
      return { logits: s.tap(matmul(hidden, head, { transB: true }), 'lm_head'), hidden, present };
    },
  };
}
