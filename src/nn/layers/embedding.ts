import { type Dim, dimAdd, gather, slice, type Tensor } from '../../graph/index.ts';
import { DecantError } from '../../util/errors.ts';
import { type Initializer, normalInit, type ParamSpecs } from '../params.ts';
import type { Scope } from '../scope.ts';

/** Parameters of an embedding table: `weight [rows, width]`. */
export const embeddingParams = (
  rows: number,
  width: number,
  init: Initializer = normalInit(1),
): ParamSpecs => ({
  weight: { shape: [rows, width], init },
});

/** Rows of the table: ids `[...]` (integers) to `[..., width]`. */
export const embedding = (s: Scope, ids: Tensor): Tensor => s.tap(gather(s.param('weight'), ids, 0));

/**
 * Rows start .. start + seq - 1 of a position table `[positions, width]`. A slice: its gradient is a padding, where a
 * look-up by ids would scatter.
 */
export function positionRows(table: Tensor, seq: Dim, start: Dim = 0): Tensor {
  const end = dimAdd(start, seq);
  const rows = table.shape[0];
  if (typeof end === 'number' && typeof rows === 'number' && end > rows) {
    throw new DecantError('model', 'the text is longer than the model has positions', {
      seen: end,
      allowed: `at most ${rows}`,
      fix: 'cut the inputs (maxLength), or use a model with more positions',
    });
  }
  return slice(table, { starts: [start], ends: [end], axes: [0] });
}
