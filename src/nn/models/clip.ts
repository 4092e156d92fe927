import {
  add,
  argmax,
  cast,
  causalMask,
  exp,
  matmul,
  mul,
  spec,
  sym,
  type Tensor,
  transpose,
} from '../../graph/index.ts';
import { activation } from '../layers/activation.ts';
import {
  attend,
  attentionBias,
  bothMasks,
  mergeHeads,
  paddingMask,
  splitHeads,
} from '../layers/attention.ts';
import { embedding, embeddingParams, positionRows } from '../layers/embedding.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { layerNorm, layerNormParams } from '../layers/norm.ts';
import { patchesPerSide, patchVectors, prependVector } from '../layers/patches.ts';
import { firstPlaceOf, firstToken, normalizeRows, tokenAt } from '../layers/pooling.ts';
import type { Model } from '../model.ts';
import { constantInit, normalInit, type ParamSpecs, prefixed } from '../params.ts';
import type { Scope } from '../scope.ts';

interface TowerConfig {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  hidden_act: string;
  layer_norm_eps: number;
  attention_dropout?: number;
  [key: string]: unknown;
}

export interface ClipTextConfig extends TowerConfig {
  vocab_size: number;
  max_position_embeddings: number;
  /** The token whose state stands for the text. 2 is what old files say, and means the largest id. */
  eos_token_id: number;
}

export interface ClipVisionConfig extends TowerConfig {
  image_size: number;
  patch_size: number;
  num_channels: number;
}

/** Keys of a CLIP config.json that matter here. */
export interface ClipConfig {
  text_config: Partial<ClipTextConfig>;
  vision_config: Partial<ClipVisionConfig>;
  projection_dim?: number;
  logit_scale_init_value?: number;
  [key: string]: unknown;
}

const tower = {
  hidden_size: 128,
  intermediate_size: 512,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  hidden_act: 'quick_gelu',
  layer_norm_eps: 1e-5,
};
const clipTextDefaults: ClipTextConfig = {
  ...tower,
  model_type: 'clip_text_model',
  vocab_size: 49408,
  max_position_embeddings: 77,
  eos_token_id: 49407,
};
const clipVisionDefaults: ClipVisionConfig = {
  ...tower,
  model_type: 'clip_vision_model',
  image_size: 32,
  patch_size: 4,
  num_channels: 3,
};

export interface ClipInputs extends Record<string, Tensor | undefined> {
  /** `[texts, seq]` */
  input_ids?: Tensor;
  /** `[texts, seq]` */
  attention_mask?: Tensor;
  /** `[images, channels, size, size]` */
  pixel_values?: Tensor;
}

export interface ClipOutputs extends Record<string, Tensor | undefined> {
  /** `[images, texts]` */
  logits?: Tensor;
  logits_per_image?: Tensor;
  logits_per_text?: Tensor;
  /** `[images, projection]`, of length 1 */
  image_embeds?: Tensor;
  /** `[texts, projection]`, of length 1 */
  text_embeds?: Tensor;
}

function layersParams(c: TowerConfig, std: number): ParamSpecs {
  const d = c.hidden_size;
  const dense = (i: number, o: number): ParamSpecs => linearParams(i, o, { init: normalInit(std) });
  const layer = {
    ...Object.assign(
      {},
      ...['k_proj', 'v_proj', 'q_proj', 'out_proj'].map((n) => prefixed(`self_attn.${n}`, dense(d, d))),
    ),
    ...prefixed('layer_norm1', layerNormParams(d)),
    ...prefixed('mlp.fc1', dense(d, c.intermediate_size)),
    ...prefixed('mlp.fc2', dense(c.intermediate_size, d)),
    ...prefixed('layer_norm2', layerNormParams(d)),
  };
  return Object.assign(
    {},
    ...Array.from({ length: c.num_hidden_layers }, (_, i) => prefixed(`encoder.layers.${i}`, layer)),
  );
}

function layers(s: Scope, c: TowerConfig, x: Tensor, mask?: Tensor): Tensor {
  for (let i = 0; i < c.num_hidden_layers; i++) {
    const l = s.at(`encoder.layers.${i}`);
    const a = l.at('self_attn');
    const normed = layerNorm(l.at('layer_norm1'), x, c.layer_norm_eps);
    const width = c.hidden_size / c.num_attention_heads;
    const project = (name: string): Tensor =>
      splitHeads(linear(a.at(name), normed), c.num_attention_heads, width);
    const context = attend({
      q: project('q_proj'),
      k: project('k_proj'),
      v: project('v_proj'),
      mask,
      drop: [a, c.attention_dropout ?? 0],
    });
    x = add(x, a.tap(linear(a.at('out_proj'), mergeHeads(context))));
    const m = l.at('mlp');
    const inner = activation(c.hidden_act)(
      linear(m.at('fc1'), layerNorm(l.at('layer_norm2'), x, c.layer_norm_eps)),
    );
    x = l.tap(add(x, m.tap(linear(m.at('fc2'), inner))));
  }
  return x;
}

/** `[texts, hidden]`: the state of the end token after causal layers. */
function textTower(s: Scope, c: ClipTextConfig, ids: Tensor, mask: Tensor | undefined): Tensor {
  const seq = ids.shape[1];
  const e = s.at('embeddings');
  const positions = positionRows(e.param('position_embedding.weight'), seq);
  const x = e.tap(add(embedding(e.at('token_embedding'), ids), positions));
  const visible = bothMasks(causalMask(seq, seq), mask && paddingMask(mask))!;
  const out = layers(s, c, x, attentionBias(visible));
  // the norm works on each token alone, so the one that is read is taken first
  const end = c.eos_token_id === 2 ? cast(argmax(ids, 1), 'int32') : firstPlaceOf(ids, c.eos_token_id);
  return s.tap(layerNorm(s.at('final_layer_norm'), tokenAt(out, end), c.layer_norm_eps), 'pooled');
}

/** `[images, hidden]`: the state of the class token. */
function visionTower(s: Scope, c: ClipVisionConfig, pixels: Tensor): Tensor {
  const e = s.at('embeddings');
  const patches = prependVector(
    patchVectors(pixels, e.param('patch_embedding.weight')),
    e.param('class_embedding'),
  );
  const tokens = e.tap(add(patches, e.param('position_embedding.weight')));
  const x = layers(s, c, layerNorm(s.at('pre_layrnorm'), tokens, c.layer_norm_eps));
  return s.tap(layerNorm(s.at('post_layernorm'), firstToken(x), c.layer_norm_eps), 'pooled');
}

/**
 * Two towers, for images and for texts, whose outputs are compared by cosine (Radford et al. 2021), `CLIPModel`. With
 * one of the two inputs it gives that side's embeddings alone.
 */
export function clip(config: ClipConfig): Model<ClipInputs, ClipOutputs> {
  const t = { ...clipTextDefaults, ...config.text_config } as ClipTextConfig;
  const v = { ...clipVisionDefaults, ...config.vision_config } as ClipVisionConfig;
  const width = config.projection_dim ?? 128;
  const init = normalInit(0.02);
  const patches = patchesPerSide(v.image_size, v.patch_size) ** 2;
  const projection = (inputs: number): ParamSpecs =>
    linearParams(inputs, width, { bias: false, init: normalInit(inputs ** -0.5) });
  return {
    architecture: 'CLIPModel',
    config: {
      ...config,
      architectures: ['CLIPModel'],
      model_type: 'clip',
      text_config: t,
      vision_config: v,
      projection_dim: width,
    },
    params: {
      logit_scale: { shape: [], init: constantInit(config.logit_scale_init_value ?? 2.6592) },
      ...prefixed('text_model', {
        ...prefixed('embeddings.token_embedding', embeddingParams(t.vocab_size, t.hidden_size, init)),
        ...prefixed(
          'embeddings.position_embedding',
          embeddingParams(t.max_position_embeddings, t.hidden_size, init),
        ),
        ...layersParams(t, 0.02),
        ...prefixed('final_layer_norm', layerNormParams(t.hidden_size)),
      }),
      ...prefixed('vision_model', {
        'embeddings.class_embedding': { shape: [v.hidden_size], init },
        'embeddings.patch_embedding.weight': {
          shape: [v.hidden_size, v.num_channels, v.patch_size, v.patch_size],
          init,
        },
        ...prefixed('embeddings.position_embedding', embeddingParams(patches + 1, v.hidden_size, init)),
        ...prefixed('pre_layrnorm', layerNormParams(v.hidden_size)),
        ...layersParams(v, 0.02),
        ...prefixed('post_layernorm', layerNormParams(v.hidden_size)),
      }),
      ...prefixed('visual_projection', projection(v.hidden_size)),
      ...prefixed('text_projection', projection(t.hidden_size)),
    },
    inputs: {
      input_ids: spec([sym('text_batch_size'), sym('sequence_length')], 'int64'),
      pixel_values: spec([sym('image_batch_size'), v.num_channels, v.image_size, v.image_size]),
      attention_mask: spec([sym('text_batch_size'), sym('sequence_length')], 'int64'),
    },
    forward(s, { input_ids, attention_mask, pixel_values }) {
      const embed = (name: string, x: Tensor | undefined): Tensor | undefined =>
        x && normalizeRows(linear(s.at(name), x));
      const image_embeds = embed(
        'visual_projection',
        pixel_values && visionTower(s.at('vision_model'), v, pixel_values),
      );
      const text_embeds = embed(
        'text_projection',
        input_ids && textTower(s.at('text_model'), t, input_ids, attention_mask),
      );
      if (!image_embeds || !text_embeds) return { image_embeds, text_embeds };
      const scale = exp(s.param('logit_scale'));
      const logits = s.tap(mul(matmul(image_embeds, text_embeds, { transB: true }), scale), 'logits');
      const logits_per_text = transpose(logits, [1, 0]);
      return { logits, logits_per_image: logits, logits_per_text, image_embeds, text_embeds };
    },
  };
}
