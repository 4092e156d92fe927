import { preferenceColumn } from '../train/policy.ts';

/** Column names of a batch: model inputs, teacher signals, masks, and anything else a method reads by name. */
export const column = {
  input: (name: string): string => `input/${name}`,
  labels: 'labels',
  teacherLogits: 'teacher/logits',
  topkIds: 'teacher/topk/ids',
  topkLogp: 'teacher/topk/logp',
  hidden: (path: string): string => `teacher/hidden/${path}`,
  score: 'teacher/score',
  /** Positions of the teacher's own tokens that predict what is learned, where its tokenizer is another: int32 `[batch, seq']`. */
  teacherAnswer: 'teacher/answer',
  teacherLogp: 'teacher/logp',
  ...preferenceColumn,
  prepared: (name: string): string => `teacher/prepared/${name}`,
  /** Ends of a graph's edges, int32 `[edges]`, both directions; node i is row i of the batch. */
  edgeSource: 'graph/source',
  edgeTarget: 'graph/target',
} as const;

/** The columns whose name begins with a prefix, without it. */
export const under = <T>(columns: Readonly<Record<string, T>>, prefix: string): Record<string, T> =>
  Object.fromEntries(
    Object.entries(columns)
      .filter(([n]) => n.startsWith(prefix))
      .map(([n, t]) => [n.slice(prefix.length), t]),
  );

/** The teacher's activations among columns, by tap path. */
export const hiddenColumns = <T>(columns: Readonly<Record<string, T>>): Record<string, T> =>
  under(columns, column.hidden(''));
