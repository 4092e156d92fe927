import {
  add,
  cast,
  constant,
  cos,
  expandDims,
  matmul,
  mul,
  ndarray,
  rotary,
  sin,
  type Tensor,
  type TensorType,
} from '../../graph/index.ts';
import { activation } from '../layers/activation.ts';
import { appendPast, attend, mergeHeads, splitHeads } from '../layers/attention.ts';
import { embedding, embeddingParams } from '../layers/embedding.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { rmsNorm, rmsNormParams } from '../layers/norm.ts';
import { type RopeConfig, ropeFrequencies } from '../layers/rope.ts';
import { normalInit, type ParamSpecs, prefixed } from '../params.ts';
import type { Scope } from '../scope.ts';
import {
  type DecoderInputs,
  type DecoderOutputs,
  type DecoderShape,
  decoderFrame,
  decoderInputTypes,
} from './decoder.ts';

/** Keys of the config.json of Llama, SmolLM2, Qwen2/2.5 and Qwen3 that matter here. */
export interface LlamaConfig extends RopeConfig {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads?: number;
  head_dim?: number;
  hidden_act: string;
  max_position_embeddings: number;
  rms_norm_eps: number;
  initializer_range: number;
  tie_word_embeddings: boolean;
  attention_bias?: boolean;
  mlp_bias?: boolean;
  /** Dropout of attention weights. */
  attention_dropout?: number;
  [key: string]: unknown;
}

export const llamaDefaults: LlamaConfig = {
  model_type: 'llama',
  vocab_size: 32000,
  hidden_size: 256,
  intermediate_size: 704,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  hidden_act: 'silu',
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  initializer_range: 0.02,
  tie_word_embeddings: false,
};

/** A decoder language model: logits, hidden states and a key-value cache. */
export interface DecoderModel {
  readonly architecture: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly params: ParamSpecs;
  readonly inputs: Readonly<Record<string, TensorType>>;
  readonly shape: DecoderShape;
  readonly vocab: number;
  readonly maxLength: number;
  forward(s: Scope, inputs: DecoderInputs): DecoderOutputs;
}

/** What sets the families apart; everything else is one model. */
interface Family {
  architecture: string;
  qkvBias: boolean;
  qkNorm: boolean;
}

const FAMILIES: Record<string, Family> = {
  llama: { architecture: 'LlamaForCausalLM', qkvBias: false, qkNorm: false },
  qwen2: { architecture: 'Qwen2ForCausalLM', qkvBias: true, qkNorm: false },
  qwen3: { architecture: 'Qwen3ForCausalLM', qkvBias: false, qkNorm: true },
};

/** Llama (Touvron et al. 2023) and its relatives by `model_type`: llama (also SmolLM2), qwen2 (also 2.5), qwen3. */
export function llama(config: Partial<LlamaConfig>): DecoderModel {
  const c = { ...llamaDefaults, ...config } as LlamaConfig;
  const family = FAMILIES[String(c.model_type)] ?? FAMILIES.llama;
  const d = c.hidden_size;
  const heads = c.num_attention_heads;
  const kvHeads = c.num_key_value_heads ?? heads;
  const width = c.head_dim ?? d / heads;
  const init = normalInit(c.initializer_range);
  const qkvBias = family.qkvBias || (c.attention_bias ?? false);
  const dense = (i: number, o: number, bias: boolean): ParamSpecs => linearParams(i, o, { bias, init });
  const layer: ParamSpecs = {
    ...prefixed('input_layernorm', rmsNormParams(d)),
    ...prefixed('self_attn.q_proj', dense(d, heads * width, qkvBias)),
    ...prefixed('self_attn.k_proj', dense(d, kvHeads * width, qkvBias)),
    ...prefixed('self_attn.v_proj', dense(d, kvHeads * width, qkvBias)),
    ...prefixed('self_attn.o_proj', dense(heads * width, d, c.attention_bias ?? false)),
    ...(family.qkNorm
      ? {
          ...prefixed('self_attn.q_norm', rmsNormParams(width)),
          ...prefixed('self_attn.k_norm', rmsNormParams(width)),
        }
      : {}),
    ...prefixed('post_attention_layernorm', rmsNormParams(d)),
    ...prefixed('mlp.gate_proj', dense(d, c.intermediate_size, c.mlp_bias ?? false)),
    ...prefixed('mlp.up_proj', dense(d, c.intermediate_size, c.mlp_bias ?? false)),
    ...prefixed('mlp.down_proj', dense(c.intermediate_size, d, c.mlp_bias ?? false)),
  };
  const shape = { layers: c.num_hidden_layers, kvHeads, headWidth: width };
  const frequencies = ropeFrequencies(c, width);
  return {
    architecture: family.architecture,
    config: { architectures: [family.architecture], ...c },
    shape,
    vocab: c.vocab_size,
    maxLength: c.max_position_embeddings,
    params: {
      ...prefixed('model.embed_tokens', embeddingParams(c.vocab_size, d, init)),
      ...Object.assign(
        {},
        ...Array.from({ length: c.num_hidden_layers }, (_, i) => prefixed(`model.layers.${i}`, layer)),
      ),
      ...prefixed('model.norm', rmsNormParams(d)),
      'lm_head.weight': {
        shape: [c.vocab_size, d],
        init,
        ...(c.tie_word_embeddings ? { tiedTo: 'model.embed_tokens.weight' } : {}),
      },
    },
    inputs: decoderInputTypes(shape, false),
    forward(s: Scope, inputs: DecoderInputs): DecoderOutputs {
      const m = s.at('model');
      const { positions, mask } = decoderFrame(inputs);
      const { cosine, sine } = ropeTables(positions, frequencies.inverse, frequencies.scale);
      let x = embedding(m.at('embed_tokens'), inputs.input_ids);
      const present = [];
      for (let i = 0; i < c.num_hidden_layers; i++) {
        const l = m.at(`layers.${i}`);
        const a = l.at('self_attn');
        const normed = rmsNorm(l.at('input_layernorm'), x, c.rms_norm_eps);
        const project = (name: string, n: number): Tensor => splitHeads(linear(a.at(name), normed), n, width);
        let q = project('q_proj', heads);
        let k = project('k_proj', kvHeads);
        if (family.qkNorm) {
          q = rmsNorm(a.at('q_norm'), q, c.rms_norm_eps);
          k = rmsNorm(a.at('k_norm'), k, c.rms_norm_eps);
        }
        q = rotary(q, cosine, sine);
        k = rotary(k, cosine, sine);
        const key = appendPast(inputs.past?.[i].key, k);
        const value = appendPast(inputs.past?.[i].value, project('v_proj', kvHeads));
        present.push({ key, value });
        x = add(
          x,
          a.tap(
            linear(
              a.at('o_proj'),
              mergeHeads(attend({ q, k: key, v: value, mask, drop: [a, c.attention_dropout ?? 0] })),
            ),
          ),
        );
        const p = l.at('mlp');
        const h = rmsNorm(l.at('post_attention_layernorm'), x, c.rms_norm_eps);
        const gated = mul(activation(c.hidden_act)(linear(p.at('gate_proj'), h)), linear(p.at('up_proj'), h));
        x = l.tap(add(x, p.tap(linear(p.at('down_proj'), gated))));
      }
      const hidden = rmsNorm(m.at('norm'), x, c.rms_norm_eps);
      const head = s.has('lm_head.weight') ? s.param('lm_head.weight') : m.param('embed_tokens.weight');
      return { logits: s.tap(matmul(hidden, head, { transB: true }), 'lm_head'), hidden, present };
    },
  };
}

/** cos and sin of position × frequency with both places of a pair filled, for `rotary`: `[batch or 1, 1, seq, width]`. */
function ropeTables(
  positions: Tensor,
  inverse: Float32Array,
  scale: number,
): { cosine: Tensor; sine: Tensor } {
  const p = cast(positions.rank === 1 ? expandDims(positions, 0) : positions, 'float32');
  const both = Float32Array.of(...inverse, ...inverse);
  const angles = mul(expandDims(p, 2), constant(ndarray(both, [1, 1, both.length])));
  const scaled = (x: Tensor): Tensor => expandDims(scale === 1 ? x : mul(x, scale), 1);
  return { cosine: scaled(cos(angles)), sine: scaled(sin(angles)) };
}
