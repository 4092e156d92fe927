import {
  add,
  arange,
  concat,
  type Dim,
  dimMul,
  expandDims,
  lift,
  logicalAnd,
  notEqual,
  reshape,
  scaledDotProductAttention,
  size,
  type Tensor,
  transpose,
  where,
} from '../../graph/index.ts';
import type { Scope } from '../scope.ts';
import { dropout } from './dropout.ts';

/** `[batch, seq, heads · width]` to `[batch, heads, seq, width]`. */
export function splitHeads(x: Tensor, heads: number, width: number): Tensor {
  return transpose(reshape(x, [x.shape[0], x.shape[1], heads, width]), [0, 2, 1, 3]);
}

/** `[batch, heads, seq, width]` to `[batch, seq, heads · width]`. */
export function mergeHeads(x: Tensor): Tensor {
  const [batch, heads, seq, width] = x.shape;
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, seq, dimMul(heads, width)]);
}

/** A padding mask `[batch, keys]` (1 = real token) as `[batch, 1, 1, keys]` bool. */
export function paddingMask(mask: Tensor): Tensor {
  const real = mask.dtype === 'bool' ? mask : notEqual(mask, 0);
  return expandDims(real, [1, 2]);
}

/** Score of a hidden key. Finite, so that a query that sees nothing attends to all alike instead of giving NaN. */
const HIDDEN = -1e9;

/**
 * What is added to attention scores: 0 where `visible`, -1e9 elsewhere. Made once per forward pass: each layer then
 * has one addition, and nothing to do in the backward pass.
 */
export const attentionBias = (visible: Tensor): Tensor => where(visible, lift(0), lift(HIDDEN));

/** The bias of a padding mask `[batch, keys]`; undefined without one. */
export const paddingBias = (mask: Tensor | undefined): Tensor | undefined =>
  mask && attentionBias(paddingMask(mask));

/** Positions past .. past + seq - 1 as int32 `[seq]`. */
export const queryPositions = (seq: Dim, past: Dim): Tensor =>
  past === 0 ? arange(seq) : add(arange(seq), size(past));

export interface AttentionInput {
  /** `[batch, heads, seq, width]` */
  q: Tensor;
  /** `[batch, kvHeads, keys, width]`; heads must be a multiple of kvHeads (grouped-query attention). */
  k: Tensor;
  v: Tensor;
  /** Broadcastable to `[batch, heads, seq, keys]`: float (added to the scores) or bool (true is seen). */
  mask?: Tensor;
  scale?: number;
  /** Dropout of the attention weights in training: where it draws its keys, and its rate. */
  drop?: readonly [scope: Scope, rate: number];
}

/** softmax(q kᵀ · scale + mask) v: `[batch, heads, seq, width]` (Vaswani et al. 2017, eq. 1). */
export const attend = ({ q, k, v, mask, scale, drop }: AttentionInput): Tensor =>
  scaledDotProductAttention(q, k, v, {
    mask,
    scale,
    weights: drop && ((w) => dropout(drop[0], w, drop[1])),
  });

/** Both masks at once; either may be missing. */
export const bothMasks = (a: Tensor | undefined, b: Tensor | undefined): Tensor | undefined =>
  a && b ? logicalAnd(a, b) : (a ?? b);

/** Keys (or values) of earlier tokens followed by the new ones, along the sequence axis 2. */
export const appendPast = (past: Tensor | undefined, now: Tensor): Tensor =>
  past ? concat([past, now], 2) : now;
