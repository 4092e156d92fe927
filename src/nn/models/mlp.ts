import { abs, div, maximum, relu, reshape, spec, sum, sym, type Tensor } from '../../graph/index.ts';
import { activation } from '../layers/activation.ts';
import { dropout } from '../layers/dropout.ts';
import { linear, linearParams } from '../layers/linear.ts';
import type { Model } from '../model.ts';
import { type Initializer, normalInit, prefixed } from '../params.ts';

export interface MlpConfig {
  /** Features of an example; images are flattened. */
  inputs: number;
  /** Width of each hidden layer. */
  hidden: readonly number[];
  outputs: number;
  /** Default relu. */
  activation?: string;
  /** Dropout after each hidden layer; default 0. */
  dropout?: number;
  /** Divide each input row by the sum of its magnitudes, as bags of words are. */
  rowScale?: boolean;
}

/** He et al. 2015, fan-in: std √(2/in); right before a rectifier. */
const heInit: Initializer = (shape, rng) => normalInit(Math.sqrt(2 / shape[1]))(shape, rng);

/** A multi-layer perceptron: features `[batch, inputs]` (further axes are flattened) to logits `[batch, outputs]`. */
export function mlp(c: MlpConfig): Model<{ features: Tensor }, { logits: Tensor }> {
  const widths = [c.inputs, ...c.hidden, c.outputs];
  const act = c.activation ? activation(c.activation) : relu;
  return {
    architecture: 'Mlp',
    config: { architectures: ['Mlp'], model_type: 'mlp', ...c },
    params: Object.assign(
      {},
      ...widths.slice(1).map((w, i) => prefixed(`layers.${i}`, linearParams(widths[i], w, { init: heInit }))),
    ),
    inputs: { features: spec([sym('batch'), c.inputs]) },
    forward(s, { features }) {
      let x = features.rank > 2 ? reshape(features, [features.shape[0], c.inputs]) : features;
      if (c.rowScale) x = div(x, maximum(sum(abs(x), 1, true), 1e-12));
      for (let i = 0; i < c.hidden.length; i++) {
        x = s.tap(dropout(s, act(linear(s.at(`layers.${i}`), x)), c.dropout ?? 0), `hidden.${i}`);
      }
      return { logits: linear(s.at(`layers.${c.hidden.length}`), x) };
    },
  };
}
