import {
  add,
  div,
  elu,
  exp,
  expandDims,
  gather,
  leakyRelu,
  max,
  mean,
  mul,
  reshape,
  segmentSum,
  stopGradient,
  sub,
  sum,
  type Tensor,
} from '../../graph/index.ts';
import { dropout } from '../layers/dropout.ts';
import {
  featureLinear,
  type GnnConfig,
  type GraphInputs,
  graphInputTypes,
  graphLayers,
  layerParams,
  type NodeOutputs,
} from '../layers/graph.ts';
import { linear, linearParams } from '../layers/linear.ts';
import type { Model } from '../model.ts';
import { glorotInit, type ParamSpecs, prefixed, zerosInit } from '../params.ts';
import type { Scope } from '../scope.ts';

export interface GatConfig extends GnnConfig {
  /** Attention heads of hidden layers; their outputs of width `hidden` each stand side by side. */
  heads: number;
  /** Heads of the last layer, which are averaged. */
  outputHeads: number;
}

/** The paper's settings for Cora (section 3.3). */
export const gatDefaults = { hidden: 8, heads: 8, outputHeads: 1, layers: 2, dropout: 0.6 };

const SLOPE = 0.2;

/**
 * Graph attention (Veličković et al. 2018, eq. 1-6) over each node and its neighbours, ELU between layers. Parameter
 * names of PyTorch Geometric (`lin`, `att_src`, `att_dst [1, heads, width]`, `bias`).
 */
export function gat(
  config: Partial<GatConfig> & Pick<GatConfig, 'features' | 'classes'>,
): Model<GraphInputs, NodeOutputs> {
  const c: GatConfig = { ...gatDefaults, ...config };
  const last = c.layers - 1;
  const heads = (i: number): number => (i === last ? c.outputHeads : c.heads);
  const width = (i: number): number => (i === last ? c.classes : c.hidden);
  const layer = (i: number): ParamSpecs => {
    const inputs = i === 0 ? c.features : c.heads * c.hidden;
    const attention = { shape: [1, heads(i), width(i)], init: glorotInit };
    return {
      ...prefixed('lin', linearParams(inputs, heads(i) * width(i), { bias: false, init: glorotInit })),
      att_src: attention,
      att_dst: attention,
      bias: { shape: [i === last ? c.classes : c.heads * c.hidden], init: zerosInit },
    };
  };
  return {
    architecture: 'Gat',
    config: { architectures: ['Gat'], model_type: 'gat', ...c },
    params: layerParams(c.layers, layer),
    inputs: graphInputTypes(c),
    forward: (s, inputs) =>
      graphLayers(s, c.layers, elu, (l, x, i) => {
        const lin = l.at('lin');
        const h = x ? linear(lin, dropout(l, x, c.dropout)) : featureLinear(lin, inputs, c);
        const nodes = h.shape[0];
        const y = attendNeighbours(l, reshape(h, [nodes, heads(i), width(i)]), inputs, c.dropout);
        const joined = i === last ? mean(y, 1) : reshape(y, [nodes, heads(i) * width(i)]);
        return add(joined, l.param('bias'));
      }),
  };
}

/** softmax over {i} ∪ N(i) of LeakyReLU(a_dst·h_i + a_src·h_j), and the sum of h_j by it: `[nodes, heads, width]`. */
function attendNeighbours(s: Scope, h: Tensor, graph: GraphInputs, rate: number): Tensor {
  const { edge_source: source, edge_target: target } = graph;
  const nodes = h.shape[0];
  const score = (name: string): Tensor => sum(mul(h, s.param(name)), 2);
  const from = score('att_src');
  const to = score('att_dst');
  const act = (x: Tensor): Tensor => leakyRelu(x, SLOPE);
  // LeakyReLU grows with its argument: no score of node i exceeds this one, so no exponential overflows
  const bound = stopGradient(act(add(to, max(from, 0, true))));
  const edges = exp(sub(act(add(gather(from, source), gather(to, target))), gather(bound, target)));
  const self = exp(sub(act(add(from, to)), bound));
  const total = add(segmentSum(edges, target, nodes), self);
  const weigh = (w: Tensor, rows: Tensor): Tensor => mul(rows, expandDims(dropout(s, w, rate), 2));
  const messages = weigh(edges, gather(h, source));
  return div(add(segmentSum(messages, target, nodes), weigh(self, h)), expandDims(total, 2));
}
