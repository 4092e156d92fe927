import { gather, type Tensor } from '../../graph/index.ts';
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
