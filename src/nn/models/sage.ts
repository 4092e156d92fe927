import { add, div, expandDims, maximum, relu, type Tensor } from '../../graph/index.ts';
import { dropout } from '../layers/dropout.ts';
import {
  aggregate,
  featureLinear,
  type GnnConfig,
  type GraphInputs,
  graphInputTypes,
  type NodeOutputs,
} from '../layers/graph.ts';
import { linear, linearParams } from '../layers/linear.ts';
import type { Model } from '../model.ts';
import { glorotInit, type ParamSpecs, prefixed, zerosInit } from '../params.ts';
import type { Scope } from '../scope.ts';

export const sageDefaults = { hidden: 64, layers: 2, dropout: 0.5 };

/**
 * GraphSAGE with the mean aggregator on the whole graph (Hamilton et al. 2017, section 3.3): a layer is
 * W_l · mean of the neighbours + b + W_r · the node itself. Parameter names of PyTorch Geometric (`lin_l`, `lin_r`).
 */
export function graphSage(
  config: Partial<GnnConfig> & Pick<GnnConfig, 'features' | 'classes'>,
): Model<GraphInputs, NodeOutputs> {
  const c: GnnConfig = { ...sageDefaults, ...config };
  const width = (i: number): number => (i === 0 ? c.features : i === c.layers ? c.classes : c.hidden);
  const layer = (i: number): ParamSpecs => ({
    ...prefixed('lin_l', linearParams(width(i), width(i + 1), { bias: false, init: glorotInit })),
    'lin_l.bias': { shape: [width(i + 1)], init: zerosInit },
    ...prefixed('lin_r', linearParams(width(i), width(i + 1), { bias: false, init: glorotInit })),
  });
  return {
    architecture: 'GraphSage',
    config: { architectures: ['GraphSage'], model_type: 'graphsage', ...c },
    params: Object.assign(
      {},
      ...Array.from({ length: c.layers }, (_, i) => prefixed(`convs.${i}`, layer(i))),
    ),
    inputs: graphInputTypes(c),
    forward(s, inputs) {
      const neighbours = expandDims(maximum(inputs.degree, 1), 1);
      let x: Tensor | undefined;
      let hidden: Tensor | undefined;
      for (let i = 0; i < c.layers; i++) {
        const l = s.at(`convs.${i}`);
        // the mean is linear, so it is taken of the narrower rows behind W_l; the bias comes after it
        const plain = withoutBias(l.at('lin_l'));
        const rows = x && dropout(l, x, c.dropout);
        const of = (m: Scope): Tensor => (rows ? linear(m, rows) : featureLinear(m, inputs, c.dropout));
        const mean = div(aggregate(of(plain), inputs), neighbours);
        const y = l.tap(add(add(mean, l.param('lin_l.bias')), of(l.at('lin_r'))));
        hidden = x ?? y;
        x = i < c.layers - 1 ? relu(y) : y;
      }
      return { logits: x!, hidden: hidden! };
    },
  };
}

const withoutBias = (s: Scope): Scope => ({ ...s, has: (name) => name !== 'bias' && s.has(name) });
