import type { GraphData } from '../../data/graph.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';

/** Neighbours of every node: those of node i stand at `start[i]` to `start[i + 1]` of `list`. */
export interface Adjacency {
  readonly start: Int32Array;
  readonly list: Int32Array;
}

export function adjacencyOf({ nodes, edges }: Pick<GraphData, 'nodes' | 'edges'>): Adjacency {
  const start = new Int32Array(nodes + 1);
  for (const node of edges) start[node + 1]++;
  for (let i = 0; i < nodes; i++) start[i + 1] += start[i];
  const next = start.slice(0, nodes);
  const list = new Int32Array(edges.length);
  for (let i = 0; i < edges.length; i += 2) {
    const [a, b] = [edges[i], edges[i + 1]];
    list[next[a]++] = b;
    list[next[b]++] = a;
  }
  return { start, list };
}

/**
 * What a graph network of so many layers must read to answer for some nodes: everything within that many edges. Its
 * outputs at the nodes asked for, the first rows, are those on the whole graph: degrees are those of the whole graph, and
 * only nodes nearer than the last hop, whose neighbours are all there, receive messages.
 *
 * @param x features of the whole graph, row by row
 */
export function neighbourhood(
  { start, list }: Adjacency,
  features: number,
  x: Float32Array,
  asked: readonly number[],
  layers: number,
): Record<string, NDArray> {
  const place = new Map<number, number>();
  for (const node of asked) if (!place.has(node)) place.set(node, place.size);
  const source: number[] = [];
  const target: number[] = [];
  let ring = [...place.keys()];
  for (let hop = 0; hop < layers; hop++) {
    const next: number[] = [];
    for (const node of ring)
      for (let i = start[node]; i < start[node + 1]; i++) {
        let at = place.get(list[i]);
        if (at === undefined) {
          at = place.size;
          place.set(list[i], at);
          next.push(list[i]);
        }
        source.push(at);
        target.push(place.get(node)!);
      }
    ring = next;
  }
  const nodes = [...place.keys()];
  const rows = new Float32Array(nodes.length * features);
  nodes.forEach((node, i) => {
    rows.set(x.subarray(node * features, (node + 1) * features), i * features);
  });
  const ints = (a: number[]): NDArray => ndarray(Int32Array.from(a), [a.length]);
  return {
    edge_source: ints(source),
    edge_target: ints(target),
    degree: ndarray(
      Float32Array.from(nodes, (node) => start[node + 1] - start[node]),
      [nodes.length],
    ),
    features: ndarray(rows, [nodes.length, features]),
  };
}
