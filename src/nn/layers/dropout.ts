import { dropout as dropoutOp, type Tensor } from '../../graph/index.ts';
import type { Scope } from '../scope.ts';

/**
 * Inverted dropout with probability `rate`, or the context's own rate; off outside training, at rate 0, and when the
 * context has no keys.
 */
export function dropout(s: Scope, x: Tensor, rate: number): Tensor {
  const p = s.ctx.dropout ?? rate;
  if (!s.ctx.train || p === 0 || !s.ctx.nextKey) return x;
  return dropoutOp(x, p, s.ctx.nextKey());
}
