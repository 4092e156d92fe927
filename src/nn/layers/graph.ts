import {
  type Dim,
  expandDims,
  fill,
  gather,
  mul,
  segmentSum,
  spec,
  sym,
  type Tensor,
  type TensorType,
  transpose,
} from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
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

/** Σ over incoming edges of the source's row: `[nodes, width]` to `[nodes, width]`. */
export function aggregate(h: Tensor, { edge_source, edge_target, degree }: GraphInputs): Tensor {
  return segmentSum(gather(h, edge_source, 0), edge_target, degree.shape[0]);
}

/** The linear layer `weight [out, in]` of the node features, dense or as index lists, with dropout of the features. */
export function featureLinear(s: Scope, inputs: GraphInputs, rate: number): Tensor {
  const { features, feature_nodes: nodes, feature_columns: columns } = inputs;
  if (features) return linear(s, dropout(s, features, rate));
  if (!nodes || !columns) {
    throw new DecantError('model', 'a graph network needs features', {
      allowed: '`features`, or `feature_nodes` and `feature_columns`',
    });
  }
  return s.tap(sparseLinear(s, nodes, columns, inputs.degree.shape[0], rate));
}

/** Sums of the weight columns whose features are 1: as many additions as there are ones. */
function sparseLinear(s: Scope, nodes: Tensor, columns: Tensor, count: Dim, rate: number): Tensor {
  let rows = gather(transpose(s.param('weight'), [1, 0]), columns, 0);
  if (rate > 0 && s.ctx.train && s.ctx.nextKey)
    rows = mul(rows, expandDims(dropout(s, fill([columns.shape[0]], 1), rate), 1));
  return segmentSum(rows, nodes, count);
}
