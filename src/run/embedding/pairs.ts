import type { Example } from '../../data/types.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import { column } from '../../methods/columns.ts';
import { SENTENCE } from '../../methods/ranking/embedding-kd.ts';
import type { BatchSource } from '../../train/batches.ts';
import type { BuiltEncoder } from './encoder.ts';

/** Two texts that belong together, with how alike they are where the data says so. */
export interface TextPair {
  readonly text: string;
  readonly pair: string;
  readonly score?: number;
}

export const pairsOf = (examples: readonly Example[]): TextPair[] =>
  examples.flatMap((e) =>
    e.text === undefined || e.pair === undefined
      ? []
      : [{ text: e.text, pair: e.pair, ...(e.score === undefined ? {} : { score: e.score }) }],
  );

/** Every text of the rows, once. */
export const textsIn = (examples: readonly Example[]): string[] => [
  ...new Set(examples.flatMap((e) => [e.text, e.pair].filter((t) => t !== undefined))),
];

const ones = (n: number): NDArray => ndarray(new Float32Array(n).fill(1), [n]);
const asInputs = (built: BuiltEncoder, inputs: Record<string, NDArray>): Record<string, NDArray> =>
  Object.fromEntries(
    Object.entries(inputs)
      .filter(([n]) => built.model.inputs[n])
      .map(([n, a]) => [column.input(n), a]),
  );

/** Pairs as batches for {@link contrastive}: first all texts, then their other texts. */
export function pairSource(built: BuiltEncoder, pairs: readonly TextPair[], buckets: number): BatchSource {
  const n = pairs.length;
  const encoded = built.encode([...pairs.map((p) => p.text), ...pairs.map((p) => p.pair)], buckets);
  return {
    size: n,
    lengths: pairs.map((_, i) => Math.max(encoded.lengths![i], encoded.lengths![n + i])),
    collate(rows) {
      const inputs = encoded.inputs([...rows, ...rows.map((i) => n + i)]);
      return {
        ...asInputs(built, inputs),
        'mask/examples': ones(2 * rows.length),
        'mask/labelled': ones(2 * rows.length),
      };
    },
  };
}

/** Texts with the teacher's vectors as batches. */
export function textSource(
  built: BuiltEncoder,
  texts: readonly string[],
  vectors: NDArray,
  buckets: number,
): BatchSource {
  const encoded = built.encode(texts, buckets);
  const width = vectors.shape[1];
  return {
    size: texts.length,
    lengths: encoded.lengths,
    collate(rows) {
      const data = new Float32Array(rows.length * width);
      rows.forEach((row, r) => {
        data.set((vectors.data as Float32Array).subarray(row * width, (row + 1) * width), r * width);
      });
      return {
        ...asInputs(built, encoded.inputs(rows)),
        [column.hidden(SENTENCE)]: ndarray(data, [rows.length, width]),
        'mask/examples': ones(rows.length),
        'mask/labelled': ones(rows.length),
      };
    },
  };
}
