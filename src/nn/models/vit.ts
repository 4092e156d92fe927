import { add, spec, sym, type Tensor } from '../../graph/index.ts';
import { activation } from '../layers/activation.ts';
import { attend, mergeHeads, splitHeads } from '../layers/attention.ts';
import { dropout } from '../layers/dropout.ts';
import { linear, linearParams } from '../layers/linear.ts';
import { layerNorm, layerNormParams } from '../layers/norm.ts';
import { patchesPerSide, patchVectors, prependVector } from '../layers/patches.ts';
import { firstToken } from '../layers/pooling.ts';
import type { Model } from '../model.ts';
import { normalInit, type ParamSpecs, prefixed, zerosInit } from '../params.ts';
import type { Scope } from '../scope.ts';
import type { ImageInputs, ImageOutputs } from './resnet.ts';

/** Keys of a ViT config.json that matter here (DeiT without its distillation token has the same). */
export interface VitConfig {
  image_size: number;
  patch_size: number;
  num_channels: number;
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  intermediate_size: number;
  hidden_act: string;
  layer_norm_eps: number;
  initializer_range: number;
  hidden_dropout_prob: number;
  attention_probs_dropout_prob: number;
  qkv_bias: boolean;
  [key: string]: unknown;
}

/** Defaults of Hugging Face's ViTConfig, with a small size for small images. */
export const vitDefaults: VitConfig = {
  model_type: 'vit',
  image_size: 32,
  patch_size: 4,
  num_channels: 3,
  hidden_size: 128,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  intermediate_size: 512,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-12,
  initializer_range: 0.02,
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
  qkv_bias: true,
};

function vitParams(c: VitConfig): ParamSpecs {
  const init = normalInit(c.initializer_range);
  const d = c.hidden_size;
  const positions = patchesPerSide(c.image_size, c.patch_size) ** 2 + 1;
  const qkv = linearParams(d, d, { init, bias: c.qkv_bias });
  const layer = {
    ...prefixed('attention.attention.query', qkv),
    ...prefixed('attention.attention.key', qkv),
    ...prefixed('attention.attention.value', qkv),
    ...prefixed('attention.output.dense', linearParams(d, d, { init })),
    ...prefixed('intermediate.dense', linearParams(d, c.intermediate_size, { init })),
    ...prefixed('output.dense', linearParams(c.intermediate_size, d, { init })),
    ...prefixed('layernorm_before', layerNormParams(d)),
    ...prefixed('layernorm_after', layerNormParams(d)),
  };
  return {
    'embeddings.cls_token': { shape: [1, 1, d], init },
    'embeddings.position_embeddings': { shape: [1, positions, d], init },
    'embeddings.patch_embeddings.projection.weight': {
      shape: [d, c.num_channels, c.patch_size, c.patch_size],
      init,
    },
    'embeddings.patch_embeddings.projection.bias': { shape: [d], init: zerosInit },
    ...Object.assign(
      {},
      ...Array.from({ length: c.num_hidden_layers }, (_, i) => prefixed(`encoder.layer.${i}`, layer)),
    ),
    ...prefixed('layernorm', layerNormParams(d)),
  };
}

function vitLayer(s: Scope, c: VitConfig, x: Tensor): Tensor {
  const heads = c.num_attention_heads;
  const self = s.at('attention.attention');
  const normed = layerNorm(s.at('layernorm_before'), x, c.layer_norm_eps);
  const project = (name: string): Tensor =>
    splitHeads(linear(self.at(name), normed), heads, c.hidden_size / heads);
  const context = self.tap(
    mergeHeads(
      attend({
        q: project('query'),
        k: project('key'),
        v: project('value'),
        drop: [self, c.attention_probs_dropout_prob],
      }),
    ),
  );
  const out = s.at('attention.output');
  const attended = add(
    s.at('attention').tap(dropout(out, linear(out.at('dense'), context), c.hidden_dropout_prob)),
    x,
  );
  const h = layerNorm(s.at('layernorm_after'), attended, c.layer_norm_eps);
  const inner = s.at('intermediate').tap(activation(c.hidden_act)(linear(s.at('intermediate.dense'), h)));
  const mlp = dropout(s.at('output'), linear(s.at('output.dense'), inner), c.hidden_dropout_prob);
  return s.tap(add(mlp, attended));
}

/** A vision transformer on patches of the image (Dosovitskiy et al. 2021), `ViTForImageClassification`. */
export function vit(config: Partial<VitConfig>, labels: number): Model<ImageInputs, ImageOutputs> {
  const c = { ...vitDefaults, ...config } as VitConfig;
  const init = normalInit(c.initializer_range);
  return {
    architecture: 'ViTForImageClassification',
    config: { architectures: ['ViTForImageClassification'], ...c, num_labels: labels },
    params: {
      ...prefixed('vit', vitParams(c)),
      ...prefixed('classifier', linearParams(c.hidden_size, labels, { init })),
    },
    inputs: { pixel_values: spec([sym('batch_size'), c.num_channels, c.image_size, c.image_size]) },
    forward(s, { pixel_values }) {
      const v = s.at('vit');
      const e = v.at('embeddings');
      const projection = e.at('patch_embeddings.projection');
      const patches = patchVectors(pixel_values, projection.param('weight'), projection.param('bias'));
      const tokens = add(prependVector(patches, e.param('cls_token')), e.param('position_embeddings'));
      let x = e.tap(dropout(e, tokens, c.hidden_dropout_prob));
      for (let i = 0; i < c.num_hidden_layers; i++) x = vitLayer(v.at(`encoder.layer.${i}`), c, x);
      // the norm works on each token alone, and only the first is read
      const pooled = layerNorm(v.at('layernorm'), firstToken(x), c.layer_norm_eps);
      return { logits: linear(s.at('classifier'), pooled), pooled };
    },
  };
}
