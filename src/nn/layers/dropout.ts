import { dropout as dropoutOp, type Tensor } from '../../graph/index.ts';
import type { Scope } from '../scope.ts';

/** Inverted dropout with probability `rate`; off outside training, at rate 0, and when the context has no keys. */
export function dropout(s: Scope, x: Tensor, rate: number): Tensor {
  if (!s.ctx.train || rate === 0 || !s.ctx.nextKey) return x;
  return dropoutOp(x, rate, s.ctx.nextKey());
}
