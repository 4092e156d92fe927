import { z } from 'zod';
import { DecantError } from '../util/errors.ts';
import { classNamesFrom } from './classes.ts';
import { isProblem, type RawRow, type Source, type SourceSet } from './types.ts';

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
  return finish({
    nodes: g.numNodes,
    features: g.numFeatures,
    classes: g.classes ?? Array.from({ length: g.numClasses }, (_, i) => String(i)),
    labels: Int32Array.from(g.labels),
    x,
    pairs: g.edges,
    split: {
      train: Int32Array.from(g.train),
      validation: Int32Array.from(g.val),
      test: Int32Array.from(g.test),
    },
    at,
  });
}

/**
 * A graph from two tables: nodes (`id`, `label`, optional `split`, all other columns numeric features) and edges
 * (`source`, `target`). Nodes without a split are spread 60/20/20 by position among the labelled ones.
 */
export async function graphFromTables(nodes: Source, edges: Source): Promise<GraphData> {
  const rows: RawRow[] = [];
  for await (const row of rowsOf(nodes)) rows.push(row);
  if (rows.length === 0) throw new DecantError('data', 'a graph needs nodes', { at: nodes.label });
  const special = ['id', 'label', 'split'];
  const columns = Object.keys(rows[0].values).filter((c) => !special.includes(c));
  for (const wanted of ['id', 'label'])
    if (!(wanted in rows[0].values))
      throw new DecantError('data', `no column ${wanted}`, {
        at: nodes.label,
        seen: Object.keys(rows[0].values),
        allowed: 'id, label, split, features',
      });
  const names = classNamesFrom(rows.map((r) => String(r.values.label ?? '')).filter((l) => l !== ''));
  const ids = new Map(rows.map((r, i) => [String(r.values.id), i]));
  if (ids.size !== rows.length)
    throw new DecantError('data', 'two nodes have the same id', { at: nodes.label });
  const x = new Float32Array(rows.length * columns.length);
  const labels = new Int32Array(rows.length);
  const split: Record<string, number[]> = { train: [], validation: [], test: [] };
  let labelled = 0;
  rows.forEach((row, i) => {
    columns.forEach((c, j) => {
      const n = Number(row.values[c]);
      if (!Number.isFinite(n))
        throw new DecantError('data', `${c} is not a number`, {
          at: `${row.file}:${row.line}`,
          seen: row.values[c],
        });
      x[i * columns.length + j] = n;
    });
    const label = String(row.values.label ?? '');
    labels[i] = label === '' ? -1 : names.indexOf(label);
    if (labels[i] < 0) return;
    const fold = labelled++ % 5;
    const named =
      row.values.split === undefined || row.values.split === '' ? undefined : String(row.values.split);
    const into = named ?? (fold < 3 ? 'train' : fold === 3 ? 'validation' : 'test');
    if (into !== 'none' && !split[into])
      throw new DecantError('data', 'unknown split', {
        at: `${row.file}:${row.line}`,
        seen: into,
        allowed: 'train, validation, test, none',
      });
    split[into]?.push(i);
  });
  const pairs: [number, number][] = [];
  for await (const row of rowsOf(edges)) {
    const ends = [row.values.source, row.values.target].map((id) => ids.get(String(id)));
    if (ends[0] === undefined || ends[1] === undefined)
      throw new DecantError('data', 'an edge of an unknown node', {
        at: `${row.file}:${row.line}`,
        seen: row.values,
        allowed: 'columns source and target with ids of the nodes',
      });
    pairs.push([ends[0], ends[1]]);
  }
  const typed = {
    train: Int32Array.from(split.train),
    validation: Int32Array.from(split.validation),
    test: Int32Array.from(split.test),
  };
  return finish({
    nodes: rows.length,
    features: columns.length,
    classes: names,
    labels,
    x,
    pairs,
    split: typed,
    at: edges.label,
  });
}

async function* rowsOf(source: Source): AsyncGenerator<RawRow> {
  for await (const batch of source.batches())
    for (const item of batch) {
      if (isProblem(item))
        throw new DecantError('data', item.problem.message, {
          at: `${item.problem.file}:${item.problem.line}`,
        });
      yield item;
    }
}

function finish(
  g: Omit<GraphData, 'edges'> & { pairs: readonly (readonly [number, number])[]; at: string },
): GraphData {
  const { pairs, at, ...rest } = g;
  const seen = new Set<number>();
  const edges: number[] = [];
  for (const [a, b] of pairs) {
    if (a >= g.nodes || b >= g.nodes)
      throw new DecantError('data', 'an edge of an unknown node', {
        at,
        seen: [a, b],
        allowed: `0 to ${g.nodes - 1}`,
      });
    const [u, v] = a < b ? [a, b] : [b, a];
    const key = u * g.nodes + v;
    if (u === v || seen.has(key)) continue;
    seen.add(key);
    edges.push(u, v);
  }
  return { ...rest, edges: Int32Array.from(edges) };
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
