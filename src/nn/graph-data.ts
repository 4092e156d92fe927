import { type NDArray, ndarray } from '../graph/ndarray.ts';
import { DecantError } from '../util/errors.ts';

/** An undirected graph: each edge once, as pairs `[edges · 2]`, and node features row by row `[nodes · features]`. */
export interface PlainGraph {
  readonly nodes: number;
  readonly features: number;
  readonly edges: ArrayLike<number>;
  readonly x: Float32Array;
}

/**
 * The inputs of a graph network: edges in both directions ordered by target, degrees, and the features, dense or (for
 * features that are 0 or 1) as index lists.
 */
export function graphInputs(g: PlainGraph, { sparse = false } = {}): Record<string, NDArray> {
  const pairs: [number, number][] = [];
  for (let i = 0; i < g.edges.length; i += 2) {
    const [a, b] = [g.edges[i], g.edges[i + 1]];
    if (!(a >= 0 && b >= 0 && a < g.nodes && b < g.nodes)) {
      throw new DecantError('data', 'an edge of an unknown node', {
        seen: [a, b],
        allowed: `0 to ${g.nodes - 1}`,
      });
    }
    pairs.push([a, b], [b, a]);
  }
  pairs.sort((p, q) => p[1] - q[1] || p[0] - q[0]);
  const degree = new Float32Array(g.nodes);
  for (const [, target] of pairs) degree[target]++;
  const ints = (list: readonly number[]): NDArray => ndarray(Int32Array.from(list), [list.length]);
  const common = {
    edge_source: ints(pairs.map((p) => p[0])),
    edge_target: ints(pairs.map((p) => p[1])),
    degree: ndarray(degree, [g.nodes]),
  };
  if (!sparse) return { ...common, features: ndarray(g.x, [g.nodes, g.features]) };
  const nodes: number[] = [];
  const columns: number[] = [];
  g.x.forEach((v, i) => {
    if (v === 0) return;
    if (v !== 1) {
      throw new DecantError('data', 'index lists are for features that are 0 or 1', {
        at: `node ${Math.floor(i / g.features)}, feature ${i % g.features}`,
        seen: v,
        fix: 'give the features as a matrix',
      });
    }
    nodes.push(Math.floor(i / g.features));
    columns.push(i % g.features);
  });
  return { ...common, feature_nodes: ints(nodes), feature_columns: ints(columns) };
}
