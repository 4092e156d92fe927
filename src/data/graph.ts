import { z } from 'zod';
import { DecantError } from '../util/errors.ts';
import type { Problem, ProblemKind, Source, SourceSet } from './types.ts';

/** An undirected graph whose nodes carry features and, some of them, a class. */
export interface GraphData {
  nodes: number;
  features: number;
  classes: string[];
  /** Class per node, -1 for none [nodes]. */
  labels: Int32Array;
  /** Dense node features, row-major [nodes, features]. */
  x: Float32Array;
  /** Each undirected edge once, u < v, no self loops [edges, 2]. */
  edges: Int32Array;
  split: Record<'train' | 'validation' | 'test', Int32Array>;
  /** Names of the features, where they come from a table. */
  columns?: string[];
  /** Names of the nodes. */
  ids: string[];
  /** Where each node stands: its line, or its place in a list from 1. */
  rows: { file: string; lines: Int32Array };
  /** Edges as they were read, repeated ones and loops included. */
  edgeRows: { file: string; count: number };
  /** Edges put aside, nodes without neighbours. */
  problems: Problem[];
}

const index = z.number().int().nonnegative();
const graphSchema = z.object({
  numNodes: index,
  numFeatures: index,
  numClasses: index,
  labels: z.array(z.number().int()),
  train: z.array(index),
  val: z.array(index),
  test: z.array(index),
  edges: z.array(z.tuple([index, index])),
  features: z.array(z.array(index)),
  classes: z.array(z.string()).optional(),
});

/** A graph from `graph.json`: sparse binary features (`features[i]` lists the columns that are 1), edges and splits. */
export function graphFromJson(text: string, at: string): GraphData {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DecantError('data', `not valid JSON: ${(cause as Error).message}`, { at, cause });
  }
  const parsed = graphSchema.safeParse(value);
  if (!parsed.success) throw new DecantError('data', `not a graph: ${z.prettifyError(parsed.error)}`, { at });
  const g = parsed.data;
  if (g.labels.length !== g.numNodes || g.features.length !== g.numNodes)
    throw new DecantError('data', 'labels and features need one entry per node', {
      at,
      seen: [g.labels.length, g.features.length, g.numNodes],
    });
  const x = new Float32Array(g.numNodes * g.numFeatures);
  g.features.forEach((columns, node) => {
    for (const c of columns) {
      if (c >= g.numFeatures)
        throw new DecantError('data', `node ${node} has a feature outside the range`, {
          at,
          seen: c,
          allowed: `0 to ${g.numFeatures - 1}`,
        });
      x[node * g.numFeatures + c] = 1;
    }
  });
  return finishGraph({
    nodes: g.numNodes,
    features: g.numFeatures,
    classes: g.classes ?? Array.from({ length: g.numClasses }, (_, i) => String(i)),
    labels: Int32Array.from(g.labels),
    x,
    pairs: g.edges.map((pair, i) => ({ pair, line: i + 1 })),
    ids: Array.from({ length: g.numNodes }, (_, i) => String(i)),
    rows: { file: at, lines: Int32Array.from({ length: g.numNodes }, (_, i) => i + 1) },
    edgeFile: at,
    split: {
      train: Int32Array.from(g.train),
      validation: Int32Array.from(g.val),
      test: Int32Array.from(g.test),
    },
  });
}

/** A graph before its edges are looked at. */
export interface RawGraph extends Omit<GraphData, 'edges' | 'edgeRows' | 'problems'> {
  /** Edges as they were read, with their line where they have one. */
  readonly pairs: readonly { readonly pair: readonly [number, number]; readonly line: number }[];
  readonly edgeFile: string;
}

/** Each undirected edge once; what was put aside and which nodes have no neighbour. Errors: `data` for unknown nodes. */
export function finishGraph({ pairs, edgeFile, ...graph }: RawGraph): GraphData {
  const seen = new Set<number>();
  const edges: number[] = [];
  const problems: Problem[] = [];
  const degree = new Int32Array(graph.nodes);
  for (const { pair, line } of pairs) {
    const [a, b] = pair;
    if (a >= graph.nodes || b >= graph.nodes)
      throw new DecantError('data', 'an edge of an unknown node', {
        at: edgeFile,
        seen: pair,
        allowed: `0 to ${graph.nodes - 1}`,
      });
    const [u, v] = a < b ? [a, b] : [b, a];
    const key = u * graph.nodes + v;
    const ends = `${graph.ids[a]} and ${graph.ids[b]}`;
    const aside = (kind: ProblemKind, message: string) =>
      problems.push({ kind, file: edgeFile, line, message, split: 'edges' });
    if (u === v) aside('self-edge', `from ${graph.ids[u]} to itself`);
    else if (seen.has(key)) aside('double-edge', `${ends} once more`);
    else {
      seen.add(key);
      edges.push(u, v);
      degree[u]++;
      degree[v]++;
    }
  }
  const { file, lines } = graph.rows;
  degree.forEach((d, node) => {
    if (d > 0) return;
    const message = `${graph.ids[node]} has no neighbour`;
    problems.push({ kind: 'isolated', file, line: lines[node], message, split: 'edges', kept: true });
  });
  return {
    ...graph,
    edges: Int32Array.from(edges),
    edgeRows: { file: edgeFile, count: pairs.length },
    problems,
  };
}

/** The part of a graph on some nodes: they are numbered anew in the order given, edges to others are cut. */
export function subgraph(g: GraphData, nodes: Int32Array): GraphData {
  const place = new Int32Array(g.nodes).fill(-1);
  nodes.forEach((node, i) => {
    place[node] = i;
  });
  const x = new Float32Array(nodes.length * g.features);
  nodes.forEach((node, i) => {
    x.set(g.x.subarray(node * g.features, (node + 1) * g.features), i * g.features);
  });
  const edges: number[] = [];
  for (let i = 0; i < g.edges.length; i += 2) {
    const [a, b] = [place[g.edges[i]], place[g.edges[i + 1]]];
    if (a >= 0 && b >= 0) edges.push(Math.min(a, b), Math.max(a, b));
  }
  const part = (list: Int32Array): Int32Array => list.map((n) => place[n]).filter((n) => n >= 0);
  return {
    ...g,
    nodes: nodes.length,
    labels: Int32Array.from(nodes, (n) => g.labels[n]),
    x,
    edges: Int32Array.from(edges),
    split: {
      train: part(g.split.train),
      validation: part(g.split.validation),
      test: part(g.split.test),
    },
    ids: Array.from(nodes, (n) => g.ids[n]),
    rows: { ...g.rows, lines: Int32Array.from(nodes, (n) => g.rows.lines[n]) },
  };
}

/** Share of edges between nodes of one class, over edges whose ends both carry a label; undefined without any. */
export function homophily(g: Pick<GraphData, 'edges' | 'labels'>): number | undefined {
  let [same, all] = [0, 0];
  for (let i = 0; i < g.edges.length; i += 2) {
    const [a, b] = [g.labels[g.edges[i]], g.labels[g.edges[i + 1]]];
    if (a < 0 || b < 0) continue;
    all++;
    if (a === b) same++;
  }
  return all === 0 ? undefined : same / all;
}

/** A graph's nodes as plain rows (features and label), one split each: what a student sees that knows no edges. */
export function graphSet(label: string, load: () => Promise<GraphData>, classes?: string[]): SourceSet {
  const part = (split: keyof GraphData['split']): Source => ({
    label: `${label}#${split}`,
    async *batches() {
      const g = await load();
      yield Array.from(g.split[split], (node) => ({
        file: label,
        line: node + 1,
        values: {
          features: g.x.subarray(node * g.features, (node + 1) * g.features),
          label: g.classes[g.labels[node]] ?? '',
        },
      }));
    },
  });
  return {
    label,
    splits: { train: part('train'), validation: part('validation'), test: part('test') },
    columns: { features: 'features', label: 'label' },
    classes,
  };
}
