import { DecantError } from '../util/errors.ts';
import { classNamesFrom } from './classes.ts';
import { finishGraph, type GraphData } from './graph.ts';
import { isProblem, type Problem, type RawRow, type Source } from './types.ts';

const SPLITS = ['train', 'validation', 'test'] as const;
const SPECIAL = ['id', 'label', 'split'];

/**
 * A graph from two tables: nodes (`id`, `label`, optional `split`, all other columns numeric features) and edges
 * (`source`, `target`). Without a split column labelled nodes are spread 60/20/20 by position. Edges from a node to
 * itself and repeated ones are put aside, nodes without neighbours are noted. Errors: `data`, with file and line.
 */
export async function graphFromTables(nodes: Source, edges: Source): Promise<GraphData> {
  const rows: RawRow[] = [];
  for await (const row of rowsOf(nodes)) rows.push(row);
  if (rows.length === 0) throw new DecantError('data', 'a graph needs nodes', { at: nodes.label });
  need(rows[0], ['id', 'label'], 'id, label, split, and numeric features');
  const columns = Object.keys(rows[0].values).filter((c) => !SPECIAL.includes(c));
  if (columns.length === 0)
    throw new DecantError('data', 'the nodes have no features, and a student sees nothing else', {
      at: `${rows[0].file}:1`,
      seen: Object.keys(rows[0].values),
      fix: 'add numeric columns to the table of nodes',
    });
  const names = classNamesFrom(rows.map((r) => String(r.values.label ?? '')).filter((l) => l !== ''));
  const ids = idsOf(rows);
  const x = new Float32Array(rows.length * columns.length);
  const labels = new Int32Array(rows.length);
  const split: Record<string, number[]> = { train: [], validation: [], test: [] };
  let labelled = 0;
  rows.forEach((row, i) => {
    columns.forEach((c, j) => {
      x[i * columns.length + j] = feature(row, c);
    });
    const label = String(row.values.label ?? '');
    labels[i] = label === '' ? -1 : names.indexOf(label);
    if (labels[i] < 0) return;
    const fold = labelled++ % 5;
    const named = String(row.values.split ?? '') || (fold < 3 ? 'train' : fold === 3 ? 'validation' : 'test');
    if (named !== 'none' && !split[named])
      throw new DecantError('data', 'unknown split', {
        at: `${row.file}:${row.line}`,
        seen: named,
        allowed: `${SPLITS.join(', ')}, none`,
      });
    split[named]?.push(i);
  });
  const ends: { pair: [number, number]; line: number }[] = [];
  for await (const row of rowsOf(edges)) {
    if (ends.length === 0) need(row, ['source', 'target'], 'source, target');
    ends.push({ pair: [endOf(row, 'source', ids), endOf(row, 'target', ids)], line: row.line });
  }
  return finishGraph({
    nodes: rows.length,
    features: columns.length,
    columns,
    classes: names,
    labels,
    x,
    split: {
      train: Int32Array.from(split.train),
      validation: Int32Array.from(split.validation),
      test: Int32Array.from(split.test),
    },
    ids: [...ids.keys()],
    rows: { file: nodes.label, lines: Int32Array.from(rows, (r) => r.line) },
    pairs: ends,
    edgeFile: edges.label,
  });
}

function need(row: RawRow, wanted: readonly string[], allowed: string): void {
  for (const c of wanted)
    if (!(c in row.values))
      throw new DecantError('data', `no column ${c}`, {
        at: `${row.file}:1`,
        seen: Object.keys(row.values),
        allowed,
      });
}

function idsOf(rows: readonly RawRow[]): Map<string, number> {
  const ids = new Map<string, number>();
  rows.forEach((row, i) => {
    const id = String(row.values.id ?? '');
    const at = `${row.file}:${row.line}`;
    if (id === '') throw new DecantError('data', 'a node without an id', { at });
    const first = ids.get(id);
    if (first !== undefined)
      throw new DecantError('data', 'two nodes have the same id', {
        at,
        seen: `${id}, also in line ${rows[first].line}`,
      });
    ids.set(id, i);
  });
  return ids;
}

function feature(row: RawRow, column: string): number {
  const value = row.values[column];
  const missing = value === undefined || value === null || String(value).trim() === '';
  const n = Number(value);
  if (missing || !Number.isFinite(n))
    throw new DecantError(
      'data',
      missing ? `the feature ${column} is missing` : `${column} is not a number`,
      {
        at: `${row.file}:${row.line}`,
        seen: missing ? undefined : value,
        fix: missing
          ? 'every node needs all features: fill the gap, for example with the mean of the column'
          : 'columns other than id, label and split are features: remove those that are not numbers',
      },
    );
  return n;
}

function endOf(row: RawRow, end: 'source' | 'target', ids: ReadonlyMap<string, number>): number {
  const index = ids.get(String(row.values[end]));
  if (index !== undefined) return index;
  throw new DecantError('data', `an edge of an unknown node: ${end}`, {
    at: `${row.file}:${row.line}`,
    seen: row.values[end],
    allowed: 'an id of the table of nodes',
  });
}

async function* rowsOf(source: Source): AsyncGenerator<RawRow> {
  for await (const batch of source.batches())
    for (const item of batch) {
      if (isProblem(item)) throw asError(item.problem);
      yield item;
    }
}

const asError = ({ message, file, line }: Problem): DecantError =>
  new DecantError('data', message, { at: `${file}:${line}` });
