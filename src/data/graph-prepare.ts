import { DecantError } from '../util/errors.ts';
import { createRng } from '../util/rng.ts';
import { createClassList } from './classes.ts';
import { heldSet } from './example-set.ts';
import type { GraphData } from './graph.ts';
import type { PreparedData, PrepareOptions, SplitName } from './prepare.ts';
import { createProblemLog, type ProblemLog } from './problems.ts';
import { createSplitTally, type DataReport } from './report.ts';
import { openGraph } from './sources/structured.ts';
import type { DataSpec } from './spec.ts';
import type { Example } from './types.ts';

/** How the features of nodes are brought to one scale. */
export type NodeScale = 'standardize' | 'rows' | 'none';

/** A graph with what training may see of it. */
export interface PreparedGraph {
  readonly whole: GraphData;
  /** Nodes of `whole` that training sees, in its order; all of them, unless test nodes are hidden. */
  readonly observed: Int32Array;
  readonly scale: NodeScale;
}

/**
 * Reads the graph of a recipe: its nodes as examples by split; all observed nodes but the training ones
 * are `unlabeled` too, since a graph network answers for them. Errors: `data`, `recipe`.
 */
export async function prepareGraph(spec: DataSpec, options: PrepareOptions): Promise<PreparedData> {
  const started = performance.now();
  refuse(spec);
  const whole = withClasses(
    await openGraph(spec.train.source as string, {
      baseDir: options.baseDir,
      dataRoot: options.dataRoot,
      acceptChanged: spec.acceptChanged,
      options: spec.options,
    }),
    spec,
  );
  checkUsable(whole);
  const log = createProblemLog(options.onProblem);
  for (const p of whole.problems) log.add(p);
  const { train, validation, test } = whole.split;
  const share = spec.graph?.inductive ?? 0;
  const hidden = share > 0 ? drawn(test, share, spec.seed) : undefined;
  const away = new Set(hidden ?? []);
  const observed = Int32Array.from({ length: whole.nodes }, (_, i) => i).filter((i) => !away.has(i));
  const measured = hidden ?? test;
  const apart = new Set(train);
  const keep = keptColumns(spec);
  const parts: Partial<Record<SplitName, Example[]>> & { train: Example[] } = {
    train: examples(whole, train, keep),
    validation: examples(whole, validation, keep),
    test: examples(whole, measured, keep),
    unlabeled: examples(
      whole,
      observed.filter((i) => !apart.has(i)),
      keep,
    ).map((e) => ({ ...e, label: -1 })),
  };
  const splits = Object.fromEntries(
    Object.entries(parts)
      .filter(([, items]) => items.length > 0)
      .map(([name, items]) => [name, heldSet(items)]),
  );
  return {
    task: options.task,
    form: 'graph',
    classes: whole.classes,
    splits: splits as PreparedData['splits'],
    report: report(whole, parts, log, started),
    graph: { whole, observed, scale: spec.graph?.features ?? usualScale(whole) },
  };
}

/** Features that are 0 or 1 are words of a text: rows are divided by their sums. Others are standardized by column. */
const usualScale = (g: GraphData): NodeScale =>
  g.x.every((v) => v === 0 || v === 1) ? 'rows' : 'standardize';

/** Settings that rows of a table have and a graph has not. */
function refuse(spec: DataSpec): void {
  const wrong: [string, boolean][] = [
    ['data.train', typeof spec.train.source !== 'string' || spec.train.source.includes('#')],
    ['data.train.limit', spec.train.limit !== undefined],
    ['data.validation', spec.validation !== undefined],
    ['data.test', spec.test !== undefined],
    ['data.unlabeled', spec.unlabeled !== undefined],
    ['data.teacher', spec.teacher !== undefined],
    ['data.columns', Object.keys(spec.columns).length > 0],
    ['data.balance', spec.balance !== 'none'],
  ];
  const found = wrong.filter(([, is]) => is).map(([key]) => key);
  if (found.length > 0)
    throw new DecantError('recipe', 'a graph is one source that brings its own split', {
      at: found.join(', '),
      allowed: 'data.train: a folder with nodes.csv and edges.csv, dataset:NAME or builtin:NAME',
      fix: 'mark nodes as train, validation or test in a column split of nodes.csv',
    });
}

function checkUsable(g: GraphData): void {
  const at = g.rows.file;
  if (g.edges.length === 0)
    throw new DecantError('data', 'the graph has no edges', {
      at: g.edgeRows.file,
      fix: 'classify its nodes as rows of numbers: task classify',
    });
  for (const name of ['train', 'test'] as const)
    if (g.split[name].length === 0)
      throw new DecantError('data', `no labelled node is in the split ${name}`, {
        at,
        fix: 'mark some in the column split, or leave the column out',
      });
  if (g.classes.length < 2)
    throw new DecantError('data', 'classification needs at least two classes', { at, seen: g.classes });
}

/** The recipe's class list, when it has one, in place of the graph's own. */
function withClasses(g: GraphData, spec: DataSpec): GraphData {
  if (!spec.classes) return g;
  const list = createClassList(spec.classes);
  const labels = g.labels.map((label, node) => {
    if (label < 0) return -1;
    const index = list.indexOf(g.classes[label]);
    if (index !== undefined) return index;
    throw new DecantError('data', 'a label outside the list of classes', {
      at: `${g.rows.file}:${g.rows.lines[node]}`,
      seen: g.classes[label],
      allowed: list.names.join(', '),
    });
  });
  return { ...g, labels, classes: [...list.names] };
}

const drawn = (nodes: Int32Array, share: number, seed: number): Int32Array =>
  Int32Array.from(
    createRng(`${seed}/inductive`)
      .shuffle([...nodes])
      .slice(0, Math.max(1, Math.round(share * nodes.length))),
  ).sort();

/** Columns to carry along for reports: a graph has its ids and labels. */
function keptColumns({ keep }: DataSpec): string[] {
  const wrong = keep.filter((c) => c !== 'id' && c !== 'label');
  if (wrong.length > 0)
    throw new DecantError('recipe', 'of a graph only ids and labels can be carried along', {
      at: 'data.keep',
      seen: wrong.join(', '),
      allowed: 'id, label',
    });
  return keep;
}

const examples = (g: GraphData, nodes: Int32Array, keep: readonly string[]): Example[] =>
  Array.from(nodes, (node) => ({
    file: g.rows.file,
    line: g.rows.lines[node],
    node,
    features: g.x.subarray(node * g.features, (node + 1) * g.features),
    label: g.labels[node],
    ...(keep.length > 0
      ? {
          meta: Object.fromEntries(
            keep.map((c) => [c, c === 'id' ? g.ids[node] : (g.classes[g.labels[node]] ?? '')]),
          ),
        }
      : {}),
  }));

function report(
  g: GraphData,
  parts: Partial<Record<SplitName, Example[]>>,
  log: ProblemLog,
  started: number,
): DataReport {
  const splits: DataReport['splits'] = {};
  for (const [name, items] of Object.entries(parts)) {
    if (items.length === 0) continue;
    const tally = createSplitTally(g.rows.file, g.classes);
    for (const e of items) tally.add(e);
    splits[name] = tally.finish(items.length, log, name);
  }
  const edges = log.counts('edges');
  splits.edges = {
    source: g.edgeRows.file,
    rows: g.edgeRows.count,
    kept: g.edges.length / 2,
    moved: 0,
    problems: edges,
  };
  return {
    task: 'node-classify',
    form: 'graph',
    columns: { features: `${g.features} columns`, label: 'label' },
    classes: g.classes,
    splits,
    samples: log.samples(),
    streaming: false,
    seconds: (performance.now() - started) / 1000,
  };
}
