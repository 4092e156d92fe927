import { add, div, expandDims, maximum, relu, type Tensor } from '../../graph/index.ts';
import { dropout } from '../layers/dropout.ts';
import {
  aggregate,
  featureLinear,
  type GnnConfig,
  type GraphInputs,
  graphInputTypes,
  graphLayers,
  layerParams,
  layerWidth,
  type NodeOutputs,
} from '../layers/graph.ts';
import { linear, linearParams } from '../layers/linear.ts';
import type { Model } from '../model.ts';
import { glorotInit, prefixed, zerosInit } from '../params.ts';
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
  return {
    architecture: 'GraphSage',
    config: { architectures: ['GraphSage'], model_type: 'graphsage', ...c },
    params: layerParams(c.layers, (i) => {
      const [from, to] = [layerWidth(c, i), layerWidth(c, i + 1)];
      const weights = linearParams(from, to, { bias: false, init: glorotInit });
      return {
        ...prefixed('lin_l', weights),
        'lin_l.bias': { shape: [to], init: zerosInit },
        ...prefixed('lin_r', weights),
      };
    }),
    inputs: graphInputTypes(c),
    forward(s, inputs) {
      const neighbours = expandDims(maximum(inputs.degree, 1), 1);
      return graphLayers(s, c.layers, relu, (l, x) => {
        const rows = x && dropout(l, x, c.dropout);
        const of = (m: Scope): Tensor => (rows ? linear(m, rows) : featureLinear(m, inputs, c));
        // the mean is linear, so it is taken of the narrower rows behind W_l; the bias comes after it
        const mean = div(aggregate(of(withoutBias(l.at('lin_l'))), inputs), neighbours);
        return add(add(mean, l.param('lin_l.bias')), of(l.at('lin_r')));
      });
    },
  };
}

const withoutBias = (s: Scope): Scope => ({ ...s, has: (name) => name !== 'bias' && s.has(name) });
