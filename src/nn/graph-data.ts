import { constant, type NDArray, ndarray } from '../graph/index.ts';
import { DecantError } from '../util/errors.ts';
import type { AnyModel } from './model.ts';

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

/**
 * The model on one fixed set of inputs, which become constants of its graphs: they go to the engine once, not at every
 * step. A whole graph is such an input.
 */
export function withInputs<M extends Pick<AnyModel, 'inputs' | 'forward'>>(
  model: M,
  inputs: Readonly<Record<string, NDArray>>,
): M {
  const known = Object.entries(inputs).filter(([name]) => model.inputs[name]);
  return {
    ...model,
    inputs: Object.fromEntries(Object.entries(model.inputs).filter(([name]) => !inputs[name])),
    forward: (s, rest) =>
      model.forward(s, { ...rest, ...Object.fromEntries(known.map(([name, a]) => [name, constant(a)])) }),
  };
}

/**
 * Rows divided by the sum of their magnitudes (rows of zeros stay), as citation graphs are usually read; a copy.
 *
 * @param x `[nodes · features]`, row by row
 */
export function normalizedRows(x: Float32Array, features: number): Float32Array {
  const out = x.slice();
  for (let from = 0; from < out.length; from += features) {
    let sum = 0;
    for (let i = from; i < from + features; i++) sum += Math.abs(out[i]);
    if (sum > 0) for (let i = from; i < from + features; i++) out[i] /= sum;
  }
  return out;
}
