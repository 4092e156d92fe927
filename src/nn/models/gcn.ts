import { add, expandDims, mul, relu, rsqrt } from '../../graph/index.ts';
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

/** The paper's settings for Cora; PyTorch Geometric's parameter names. */
export const gcnDefaults = { hidden: 16, layers: 2, dropout: 0.5 };

/**
 * Graph convolution D̃^-½ Ã D̃^-½ X W, Ã = A + 1 (Kipf & Welling 2017, eq. 2), rectified between layers. The adjacency is
 * never built: rows are scaled before and after the sum over neighbours.
 */
export function gcn(
  config: Partial<GnnConfig> & Pick<GnnConfig, 'features' | 'classes'>,
): Model<GraphInputs, NodeOutputs> {
  const c: GnnConfig = { ...gcnDefaults, ...config };
  return {
    architecture: 'Gcn',
    config: { architectures: ['Gcn'], model_type: 'gcn', ...c },
    params: layerParams(c.layers, (i) => {
      const [from, to] = [layerWidth(c, i), layerWidth(c, i + 1)];
      return {
        ...prefixed('lin', linearParams(from, to, { bias: false, init: glorotInit })),
        bias: { shape: [to], init: zerosInit },
      };
    }),
    inputs: graphInputTypes(c),
    forward(s, inputs) {
      const scale = expandDims(rsqrt(add(inputs.degree, 1)), 1);
      return graphLayers(s, c.layers, relu, (l, x) => {
        const lin = l.at('lin');
        const rows = x ? linear(lin, dropout(l, x, c.dropout)) : featureLinear(lin, inputs, c);
        const h = mul(rows, scale);
        return add(mul(add(aggregate(h, inputs), h), scale), l.param('bias'));
      });
    },
  };
}
