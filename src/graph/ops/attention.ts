import { DecantError } from '../../util/errors.ts';
import type { DType } from '../dtype.ts';
import { array } from '../ndarray.ts';
import { type Dim, dimDivide, dimMul, dimSub, isSymbolic, showShape } from '../shape.ts';
import { constant, type Tensor } from '../tensor.ts';
import { add, mul, sub } from './arithmetic.ts';
import { reshape } from './basic.ts';
import { cast, lessEqual, logicalAnd } from './compare.ts';
import { matmul } from './linear.ts';
import { arange, sizeTensor } from './sizes.ts';
import { softmax } from './softmax.ts';

/** Score of a hidden position. Finite, so that a row with nothing to see becomes uniform instead of NaN. */
const floorOf = (dtype: DType): number => (dtype === 'float16' ? -6e4 : -1e9);

/**
 * Which keys a query sees, `[queries, keys]` bool. The last query sees the last key, so that `keys - queries` past
 * positions are visible to all.
 */
export function causalMask(queries: Dim, keys: Dim): Tensor {
  if (!isSymbolic(queries) && !isSymbolic(keys)) {
    const seen = (i: number): boolean => i % keys <= Math.floor(i / keys) + keys - queries;
    return constant(
      array(
        Array.from({ length: queries * keys }, (_, i) => seen(i)),
        'bool',
        [queries, keys],
      ),
    );
  }
  const rows = add(reshape(arange(queries), [queries, 1]), sizeTensor(dimSub(keys, queries), 'int32'));
  return lessEqual(reshape(arange(keys), [1, keys]), rows);
}

/** 0 where 1, the floor where 0. */
const hiddenFloor = (keep: Tensor): Tensor => mul(sub(1, keep), floorOf(keep.dtype));

export interface AttentionOptions {
  /** Broadcasts against `[..., heads, queries, keys]`: bool (true is seen) or float (added to the scores). */
  mask?: Tensor;
  /** Factor of the scores; default 1/√d. */
  scale?: number;
  /** Hide later keys; earlier ones of a longer key sequence (a cache) stay visible. */
  causal?: boolean;
  /** What becomes of the attention weights `[..., heads, queries, keys]` before they weigh the values: dropout. */
  weights?: (weights: Tensor) => Tensor;
}

/**
 * softmax(q·kᵀ·scale + mask)·v (Vaswani et al., 2017, eq. 1): q `[..., heads, queries, d]`, k and v
 * `[..., kvHeads, keys, d]`; kvHeads divides heads (grouped queries). A query that sees no key attends to all alike.
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const d = q.shape[q.rank - 1];
  if (isSymbolic(d) || q.rank < 2 || k.rank !== q.rank || v.rank !== q.rank) {
    throw new DecantError(
      'shape',
      'scaledDotProductAttention: q, k and v must have one rank and a known width',
      {
        seen: [q, k, v].map((t) => showShape(t.shape)).join(', '),
        allowed: '[..., heads, length, d]',
      },
    );
  }
  const { scale = 1 / Math.sqrt(d), mask, causal = false } = options;
  const [queries, keys] = [q.shape[q.rank - 2], k.shape[k.rank - 2]];
  const scoresShape = [...q.shape.slice(0, -1), keys];
  // grouped queries: the heads that share a key become rows of one product, so nothing is repeated
  const folded = groupRows(q, k);
  let scores = reshape(matmul(folded, k, { transB: true, scale }), scoresShape);
  if (mask && mask.dtype !== 'bool') scores = add(scores, mask);
  const visible = mask?.dtype === 'bool' ? mask : undefined;
  const past = causal ? causalMask(queries, keys) : undefined;
  // products and sums, not Where, which onnxruntime runs on one thread. With the causal mask alone every query sees a
  // key and the floor can be added, which costs nothing backwards; else hidden scores become the floor exactly
  if (past && !visible) scores = add(scores, hiddenFloor(cast(past, q.dtype)));
  else if (visible) {
    const keep = cast(past ? logicalAnd(visible, past) : visible, q.dtype);
    scores = add(mul(scores, keep), hiddenFloor(keep));
  }
  const weights = (options.weights ?? ((w) => w))(softmax(scores));
  const rows = [...folded.shape.slice(0, -1), keys];
  return reshape(matmul(reshape(weights, rows), v), [...q.shape.slice(0, -1), v.shape[v.rank - 1]]);
}

/** q `[..., heads, queries, d]` as `[..., kvHeads, heads/kvHeads · queries, d]`. */
function groupRows(q: Tensor, k: Tensor): Tensor {
  if (q.rank < 3) return q;
  const [heads, shared] = [q.shape[q.rank - 3], k.shape[k.rank - 3]];
  const repeats = dimDivide(heads, shared);
  if (repeats === undefined) {
    throw new DecantError(
      'shape',
      'scaledDotProductAttention: the heads are not a multiple of the key heads',
      {
        seen: `${showShape(q.shape)} and ${showShape(k.shape)}`,
      },
    );
  }
  if (repeats === 1) return q;
  return reshape(q, [
    ...q.shape.slice(0, -3),
    shared,
    dimMul(repeats, q.shape[q.rank - 2]),
    q.shape[q.rank - 1],
  ]);
}
