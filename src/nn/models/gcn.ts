import { add, expandDims, mul, relu, rsqrt, type Tensor } from '../../graph/index.ts';
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
  const width = (i: number): number => (i === 0 ? c.features : i === c.layers ? c.classes : c.hidden);
  const layer = (i: number): ParamSpecs => ({
    ...prefixed('lin', linearParams(width(i), width(i + 1), { bias: false, init: glorotInit })),
    bias: { shape: [width(i + 1)], init: zerosInit },
  });
  return {
    architecture: 'Gcn',
    config: { architectures: ['Gcn'], model_type: 'gcn', ...c },
    params: Object.assign(
      {},
      ...Array.from({ length: c.layers }, (_, i) => prefixed(`convs.${i}`, layer(i))),
    ),
    inputs: graphInputTypes(c),
    forward(s, inputs) {
      const scale = expandDims(rsqrt(add(inputs.degree, 1)), 1);
      let x: Tensor | undefined;
      let hidden: Tensor | undefined;
      for (let i = 0; i < c.layers; i++) {
        const l = s.at(`convs.${i}`);
        const lin = l.at('lin');
        const h = mul(
          x ? linear(lin, dropout(l, x, c.dropout)) : featureLinear(lin, inputs, c.dropout),
          scale,
        );
        const y = l.tap(add(mul(add(aggregate(h, inputs), h), scale), l.param('bias')));
        hidden = x ?? y;
        x = i < c.layers - 1 ? relu(y) : y;
      }
      return { logits: x!, hidden: hidden! };
    },
  };
}
