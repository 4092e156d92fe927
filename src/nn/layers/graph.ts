import {
  add,
  dimProduct,
  fill,
  gather,
  mul,
  reshape,
  type Shape,
  scatterElements,
  segmentSum,
  sizeTensor,
  spec,
  sym,
  type Tensor,
  type TensorType,
} from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
import { type ParamSpecs, prefixed } from '../params.ts';
import type { Scope } from '../scope.ts';
import { dropout } from './dropout.ts';
import { linear } from './linear.ts';

/** A graph and the features of its nodes, as every graph network takes them. Each undirected edge stands in both directions. */
export interface GraphInputs extends Record<string, Tensor | undefined> {
  /** Node that a message comes from, int32 `[edges]` */
  edge_source: Tensor;
  /** Node that it goes to, int32 `[edges]` */
  edge_target: Tensor;
  /** Number of neighbours without the node itself, float32 `[nodes]` */
  degree: Tensor;
  /** `[nodes, features]`; or the two below */
  features?: Tensor;
  /** Binary features: feature k is 1 at node `feature_nodes[k]`, column `feature_columns[k]`; int32 `[nonzeros]` */
  feature_nodes?: Tensor;
  feature_columns?: Tensor;
}

export interface NodeOutputs extends Record<string, Tensor | undefined> {
  /** `[nodes, classes]` */
  logits: Tensor;
  /** `[nodes, width]`: the last hidden states */
  hidden: Tensor;
}

/** What all graph networks are configured by. */
export interface GnnConfig {
  features: number;
  classes: number;
  /** Width of hidden states. */
  hidden: number;
  layers: number;
  /** Dropout of the inputs of each layer. */
  dropout: number;
  /** Another rate for the node features, the inputs of the first layer. */
  featureDropout?: number;
  /** Features come as index lists of ones. */
  sparse?: boolean;
}

export function graphInputTypes(c: Pick<GnnConfig, 'features' | 'sparse'>): Record<string, TensorType> {
  const edges = [sym('edges')];
  return {
    edge_source: spec(edges, 'int64'),
    edge_target: spec(edges, 'int64'),
    degree: spec([sym('nodes')]),
    ...(c.sparse
      ? {
          feature_nodes: spec([sym('nonzeros')], 'int64'),
          feature_columns: spec([sym('nonzeros')], 'int64'),
        }
      : { features: spec([sym('nodes'), c.features]) }),
  };
}

/** Widths between layers: of the features, of hidden states, of the classes. */
export const layerWidth = (c: GnnConfig, i: number): number =>
  i === 0 ? c.features : i === c.layers ? c.classes : c.hidden;

/** Parameters of layer after layer, under PyTorch Geometric's names `convs.0`, `convs.1` … */
export const layerParams = (layers: number, of: (i: number) => ParamSpecs): ParamSpecs =>
  Object.assign({}, ...Array.from({ length: layers }, (_, i) => prefixed(`convs.${i}`, of(i))));

/**
 * Layer after layer: each maps the rows before it (none for the first, which reads the features) to `[nodes, width]`;
 * `act` stands between layers. Hidden are the rows that the last layer reads.
 */
export function graphLayers(
  s: Scope,
  layers: number,
  act: (x: Tensor) => Tensor,
  layer: (l: Scope, x: Tensor | undefined, i: number) => Tensor,
): NodeOutputs {
  let x: Tensor | undefined;
  let hidden: Tensor | undefined;
  for (let i = 0; i < layers; i++) {
    const l = s.at(`convs.${i}`);
    const y = l.tap(layer(l, x, i));
    hidden = x ?? y;
    x = i < layers - 1 ? act(y) : y;
  }
  return { logits: x!, hidden: hidden! };
}

/** Σ over incoming edges of the source's row: `[nodes, width]` to `[nodes, width]`. */
export function aggregate(h: Tensor, { edge_source, edge_target, degree }: GraphInputs): Tensor {
  return segmentSum(gather(h, edge_source, 0), edge_target, degree.shape[0]);
}

/** A linear layer of the node features, dense or as index lists, with dropout of the features. */
export function featureLinear(s: Scope, inputs: GraphInputs, c: GnnConfig): Tensor {
  const rate = c.featureDropout ?? c.dropout;
  const { features, feature_nodes: nodes, feature_columns: columns } = inputs;
  if (features) return linear(s, dropout(s, features, rate));
  if (!nodes || !columns) {
    throw new DecantError('model', 'a graph network needs features', {
      allowed: '`features`, or `feature_nodes` and `feature_columns`',
    });
  }
  const width = s.param('weight').shape[1];
  return linear(s, fromIndexLists(s, nodes, columns, [inputs.degree.shape[0], width], rate));
}

/**
 * The matrix with ones at (node, column). Random numbers are drawn for the ones alone. A product with this matrix is
 * faster than adding up weight rows by index: onnxruntime scatters on one thread.
 */
function fromIndexLists(s: Scope, nodes: Tensor, columns: Tensor, shape: Shape, rate: number): Tensor {
  const place = add(mul(nodes, sizeTensor(shape[1], 'int32')), columns);
  const values = dropout(s, fill(columns.shape, 1), rate);
  return reshape(scatterElements(fill([dimProduct(shape)], 0), place, values, 0), shape);
}
