import {
  argmax,
  cast,
  div,
  equal,
  expandDims,
  matmul,
  maximum,
  mean,
  notEqual,
  oneHot,
  slice,
  sqrt,
  square,
  squeeze,
  sum,
  type Tensor,
} from '../../graph/index.ts';

/** `[batch, seq, d]` to `[batch, d]`: the state of the first token ([CLS]). */
export const firstToken = (x: Tensor): Tensor =>
  squeeze(slice(x, { starts: [0], ends: [1], axes: [1] }), [1]);

/** A padding mask as float32 0 or 1. */
export const realTokens = (mask: Tensor): Tensor => cast(notEqual(mask, 0), 'float32');

/** Mean of the real tokens: `[batch, seq, d]` and mask `[batch, seq]` to `[batch, d]`. A row of padding alone gives 0. */
export function meanPool(x: Tensor, mask?: Tensor): Tensor {
  if (!mask) return mean(x, 1);
  const real = realTokens(mask);
  // a product of [1, seq] and [seq, d] per row: no masked copy of x is made
  const total = squeeze(matmul(expandDims(real, 1), x), [1]);
  return div(total, maximum(sum(real, 1, true), 1e-9));
}

/** Vectors along the last axis divided by their length. */
export const normalizeRows = (x: Tensor, eps = 1e-12): Tensor =>
  // the root of the larger one: the gradient of a root at 0 is infinite
  div(x, sqrt(maximum(sum(square(x), -1, true), eps * eps)));

/** The state of the token at `position [batch]`: `[batch, seq, d]` to `[batch, d]`. */
export const tokenAt = (x: Tensor, position: Tensor): Tensor =>
  squeeze(matmul(expandDims(oneHot(position, x.shape[1]), 1), x), [1]);

/** First place of `id` in each row of ids `[batch, seq]`; 0 where it is absent. int32 `[batch]` */
export const firstPlaceOf = (ids: Tensor, id: number): Tensor =>
  cast(argmax(cast(equal(ids, id), 'int32'), 1), 'int32');
