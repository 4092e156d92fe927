import type { GraphData } from '../../data/graph.ts';
import type { Example } from '../../data/types.ts';
import { ndarray } from '../../graph/index.ts';
import { column } from '../../methods/columns.ts';
import type { Recipe } from '../../recipe/schema/recipe.ts';
import type { SignalColumns, TrainSettings } from '../../train/job.ts';
import { DecantError } from '../../util/errors.ts';

/** The batch size of a recipe that does not set one. */
const USUAL_BATCH = 32;

/** Training settings with one batch for all rows. Errors: `recipe` for a recipe that asks for smaller parts. */
export function wholeBatch(train: Recipe['train'], rows: number, at = 'train'): TrainSettings {
  for (const [key, value, usual] of [
    ['batchSize', train.batchSize, USUAL_BATCH],
    ['accumulate', train.accumulate, 1],
  ] as const)
    if (value !== usual && value !== rows)
      throw new DecantError('recipe', 'a graph is trained in one batch of all its nodes', {
        at: `${at}.${key}`,
        seen: value,
        fix: 'leave the setting out; an epoch is one update',
      });
  return { ...(train as unknown as TrainSettings), batchSize: Math.max(1, rows), accumulate: 1 };
}

/** The edges between the rows of a batch, in both directions, by their places in the batch. */
export function edgeColumns(graph: GraphData, nodes: readonly Example[]): SignalColumns {
  return (rows) => {
    const place = new Int32Array(graph.nodes).fill(-1);
    rows.forEach((row, i) => {
      place[nodes[row].node!] = i;
    });
    const source: number[] = [];
    const target: number[] = [];
    for (let i = 0; i < graph.edges.length; i += 2) {
      const [a, b] = [place[graph.edges[i]], place[graph.edges[i + 1]]];
      if (a < 0 || b < 0) continue;
      source.push(a, b);
      target.push(b, a);
    }
    const ints = (list: number[]) => ndarray(Int32Array.from(list), [list.length]);
    return { [column.edgeSource]: ints(source), [column.edgeTarget]: ints(target) };
  };
}

/** Columns of several makers side by side. */
export const together =
  (...makers: readonly SignalColumns[]): SignalColumns =>
  async (rows) =>
    Object.assign({}, ...(await Promise.all(makers.map((m) => m(rows)))));
