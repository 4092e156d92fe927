import {
  add,
  cast,
  concat,
  constant,
  cos,
  expandDims,
  gather,
  mul,
  ndarray,
  silu,
  sin,
  type Tensor,
} from '../../graph/index.ts';
import { normalInit, type ParamSpecs, prefixed } from '../params.ts';
import type { Scope } from '../scope.ts';
import { embeddingParams } from './embedding.ts';
import { linear, linearParams } from './linear.ts';

/**
 * sin and cos of t at `width / 2` frequencies 10000^(-2i / width) (Ho et al. 2020 after Vaswani et al. 2017):
 * `[batch]` to `[batch, width]`, sines first.
 */
function timeFeatures(t: Tensor, width: number): Tensor {
  const half = width / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / half));
  const angles = mul(expandDims(cast(t, 'float32'), 1), constant(ndarray(frequencies, [1, half])));
  return concat([sin(angles), cos(angles)], 1);
}

export interface TimeEmbeddingConfig {
  /** Width of the sin/cos features, even. */
  features: number;
  /** Width of the embedding. */
  width: number;
  /** Classes that generation can be conditioned on; 0: none. */
  classes: number;
}

/** `time_embedding.linear_1`, `linear_2` and, with classes, `class_embedding` (its last row stands for "no class"). */
export const timeEmbeddingParams = ({ features, width, classes }: TimeEmbeddingConfig): ParamSpecs => ({
  ...prefixed('time_embedding.linear_1', linearParams(features, width)),
  ...prefixed('time_embedding.linear_2', linearParams(width, width)),
  ...(classes > 0 ? prefixed('class_embedding', embeddingParams(classes + 1, width, normalInit(0.02))) : {}),
});

/** What conditions every block: time, and the class where there is one: `[batch, width]`. */
export function timeEmbedding(s: Scope, c: TimeEmbeddingConfig, t: Tensor, labels?: Tensor): Tensor {
  const e = s.at('time_embedding');
  const time = linear(e.at('linear_2'), silu(linear(e.at('linear_1'), timeFeatures(t, c.features))));
  const out =
    c.classes > 0 && labels ? add(time, gather(s.param('class_embedding.weight'), labels, 0)) : time;
  return e.tap(out);
}
