import { ndarray, type Tensor } from '../../graph/index.ts';
import { classLogits } from '../../losses/subclasses.ts';
import { takeRows } from '../../losses/testing/evaluate.ts';
import { createRng } from '../../util/rng.ts';
import { column, under } from '../columns.ts';
import type { Method } from '../method.ts';
import { type Columns, SIZES } from './inputs.ts';

/** Rows that a method prepares from, of which a batch has the first few. */
const ROWS = 120;

/** What a method's `prepare` makes of random signals, as columns of a batch of `rows` rows. */
export async function preparedColumns(
  method: Method,
  rows: number,
  classes: number,
  seed: string,
): Promise<Columns> {
  const config = method.config.parse({});
  const rng = createRng(`prepared/${seed}`);
  const normals = (shape: number[]) =>
    ndarray(
      Float32Array.from({ length: shape[0] * shape[1] }, () => 2 * rng.normal()),
      shape,
    );
  const logits = normals([ROWS, classes]);
  const { columns = {} } = await method.prepare!(config, {
    logits,
    hidden: Object.fromEntries(
      (method.teacherHidden?.(config) ?? []).map((p) => [p, normals([ROWS, SIZES.hidden])]),
    ),
    outputLayer: { weights: normals([classes, SIZES.hidden]) },
    labels: Int32Array.from({ length: ROWS }, (_, i) => i % classes),
    classes,
  });
  const first = Array.from({ length: rows }, (_, i) => i);
  return {
    [column.teacherLogits]: takeRows(logits, first),
    ...Object.fromEntries(Object.entries(columns).map(([n, a]) => [column.prepared(n), takeRows(a, first)])),
  };
}

/** Outputs of a student with one or several outputs per class. */
export const foldedOutputs = (outputs: Tensor, classes: number): Record<string, Tensor> =>
  outputs.shape.at(-1) === classes
    ? { logits: outputs }
    : { logits: classLogits(outputs, classes), subclasses: outputs };

/** The prepared columns of a batch, by the method's names. */
export const preparedOf = (batch: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
  under(batch, column.prepared(''));
