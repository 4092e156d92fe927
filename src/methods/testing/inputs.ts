import { type NDArray, ndarray } from '../../graph/index.ts';
import { createRng, type Rng } from '../../util/rng.ts';
import type { Method } from '../method.ts';
import { column } from '../objective.ts';

/** Sizes of the random problem a method is checked on. */
export const SIZES = { rows: 5, tokens: 3, classes: 4, features: 6 } as const;

export type Columns = Record<string, NDArray>;

const normals = (rng: Rng, shape: readonly number[], scale = 1): NDArray =>
  ndarray(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * rng.normal()),
    shape,
  );

/** A task whose batch is one whole graph: rows are nodes, and edges stand beside them. */
export const isGraph = (task: string): boolean => task === 'node-classify';

/** A path through the rows and one longer edge, in both directions; the last row has no neighbour. */
const EDGES = [
  [0, 1],
  [1, 2],
  [2, 3],
  [0, 3],
] as const;

/** A method that scores every token, rather than one class per example. */
export const isLanguage = (task: string): boolean => task === 'generate';

/**
 * Random columns of a batch for a task, with every signal a method asks for: labels (one row without), masks, teacher
 * signals. The student's logits come apart, as they are computed in training.
 */
export function randomColumns(
  method: Method,
  task: string,
  seed: string,
): { columns: Columns; logits: NDArray } {
  const rng = createRng(`check/${method.slug}/${task}/${seed}`);
  const { rows, tokens, classes } = SIZES;
  const places = isLanguage(task) ? [rows, tokens] : [rows];
  const count = places.reduce((a, b) => a * b, 1);
  // a list of candidates has its labelled one in the first place
  const labels = Int32Array.from({ length: count }, () => (task === 'rank' ? 0 : rng.int(classes)));
  const partly = method.needs.labels === 'required' ? labels : labels.map((l, i) => (i === 1 ? -100 : l));
  const kept = Float32Array.from({ length: count }, (_, i) => (isLanguage(task) && i % 4 === 3 ? 0 : 1));
  const columns: Columns = {
    labels: ndarray(partly, places),
    'mask/examples': ndarray(new Float32Array(rows).fill(1), [rows]),
    'mask/labelled': ndarray(
      Float32Array.from({ length: rows }, (_, i) => (partly[i] < 0 ? 0 : 1)),
      [rows],
    ),
    ...(isLanguage(task) ? { 'mask/tokens': ndarray(kept, places) } : {}),
    ...(isGraph(task) ? edgeColumns() : {}),
  };
  const signals = method.needs.signals[0] ?? [];
  if (signals.includes('logits')) columns[column.teacherLogits] = normals(rng, [...places, classes], 2);
  if (signals.includes('score'))
    columns[column.score] = normals(rng, task === 'rank' ? [rows, classes] : [rows]);
  return { columns, logits: normals(rng, [...places, classes], 1.5) };
}

function edgeColumns(): Columns {
  const ints = (ids: number[]): NDArray => ndarray(Int32Array.from(ids), [ids.length]);
  return {
    [column.edgeSource]: ints(EDGES.flatMap(([a, b]) => [a, b])),
    [column.edgeTarget]: ints(EDGES.flatMap(([a, b]) => [b, a])),
  };
}
