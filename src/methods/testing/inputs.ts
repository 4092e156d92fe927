import { type NDArray, ndarray } from '../../graph/index.ts';
import { createRng, type Rng } from '../../util/rng.ts';
import { column } from '../columns.ts';
import type { Method } from '../method.ts';
import { preparedColumns } from './prepared.ts';

/** Sizes of the random problem a method is checked on. */
export const SIZES = { rows: 5, tokens: 3, classes: 4, features: 6, responses: 3, hidden: 12 } as const;

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

/** A method that scores several responses to a prompt. */
export const isPreference = (task: string): boolean => task === 'prefer';

/** The axes of labels and logits before the classes. */
export function placesOf(task: string): number[] {
  const { rows, tokens, responses } = SIZES;
  return isPreference(task) ? [rows, responses, tokens] : isLanguage(task) ? [rows, tokens] : [rows];
}

/**
 * Random columns of a batch for a task, with every signal a method asks for: labels (one row without), masks, teacher
 * signals. The student's logits come apart, as they are computed in training.
 */
export async function randomColumns(
  method: Method,
  task: string,
  seed: string,
): Promise<{ columns: Columns; logits: NDArray }> {
  const rng = createRng(`check/${method.slug}/${task}/${seed}`);
  const { rows, classes } = SIZES;
  const places = placesOf(task);
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
  if (isPreference(task)) {
    const logits = normals(rng, [...places, classes], 1.5);
    return { columns: { ...columns, ...preferenceColumns(rng, method, columns.labels) }, logits };
  }
  const signals = method.needs.signals[0] ?? [];
  if (signals.includes('logits')) columns[column.teacherLogits] = normals(rng, [...places, classes], 2);
  if (signals.includes('score'))
    columns[column.score] = normals(rng, task === 'rank' ? [rows, classes] : [rows]);
  if (method.prepare) Object.assign(columns, await preparedColumns(method, rows, classes, seed));
  else Object.assign(columns, hiddenColumns(rng, method, rows));
  const outputs = classes * (method.subclasses?.(method.config.parse({})) ?? 1);
  return { columns, logits: normals(rng, [...places, outputs], 1.5) };
}

/** The teacher's activations, where a method reads them itself. */
const hiddenColumns = (rng: Rng, method: Method, rows: number): Columns =>
  Object.fromEntries(
    (method.teacherHidden?.(method.config.parse({})) ?? []).map((path) => [
      column.hidden(path),
      normals(rng, [rows, SIZES.hidden]),
    ]),
  );

function edgeColumns(): Columns {
  const ints = (ids: number[]): NDArray => ndarray(Int32Array.from(ids), [ids.length]);
  return {
    [column.edgeSource]: ints(EDGES.flat()),
    [column.edgeTarget]: ints(EDGES.flatMap(([a, b]) => [b, a])),
  };
}

/** Responses with scores, a reference and a teacher; one list is a response shorter, some tokens are prompt. */
function preferenceColumns(rng: Rng, method: Method, labels: NDArray): Columns {
  const { rows, responses } = SIZES;
  const tokens = Int32Array.from(labels.data as Int32Array, (l, i) => (i % 7 === 3 || l < 0 ? -100 : l));
  const there = Float32Array.from({ length: rows * responses }, (_, i) => (i === responses - 1 ? 0 : 1));
  const per = tokens.length / there.length;
  const sums = [rows, responses];
  return {
    [column.input('response')]: ndarray(tokens, labels.shape),
    [column.scores]: normals(rng, sums),
    [column.present]: ndarray(there, sums),
    [column.reference]: normals(rng, sums, 3),
    [column.referenceTokens]: normals(rng, labels.shape),
    [column.teacherLogp]: normals(rng, sums, 3),
    ...(method.responses?.(method.config.parse({})).mismatched
      ? { [column.mismatchedReference]: normals(rng, [rows], 3) }
      : {}),
    'mask/tokens': ndarray(
      Float32Array.from(tokens, (t, i) => (t < 0 ? 0 : there[Math.floor(i / per)])),
      labels.shape,
    ),
  };
}
