import { tanh } from '../../ops/activations.ts';
import { add, div, mul } from '../../ops/arithmetic.ts';
import { scaledDotProductAttention } from '../../ops/attention.ts';
import { reshape } from '../../ops/basic.ts';
import { cast, lessEqual, logicalAnd, where } from '../../ops/compare.ts';
import { gather } from '../../ops/indexing.ts';
import { matmul } from '../../ops/linear.ts';
import { rotary } from '../../ops/rotary.ts';
import { expandDims, repeat, transpose } from '../../ops/shape.ts';
import { arange, sizeTensor } from '../../ops/sizes.ts';
import { concat, slice } from '../../ops/slicing.ts';
import { softmax } from '../../ops/softmax.ts';
import { type Dim, dimAdd, dimDivide, dimEquals, dimMul, isSymbolic } from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import type { ImportTable, OpNode } from './node.ts';

/** `[batch, seq, heads · d]` to `[batch, heads, seq, d]`. */
function toHeads(n: OpNode, x: Tensor, heads: number): Tensor {
  const [batch, length, width] = x.shape;
  const d = dimDivide(width, heads) ?? n.fail('the width is no multiple of the heads');
  return transpose(reshape(x, [batch, length, heads, d]), [0, 2, 1, 3]);
}

function fromHeads(x: Tensor): Tensor {
  const [batch, heads, length, d] = x.shape;
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, length, dimMul(heads, d)]);
}

/** Attention of operator set 23, with an optional cache of earlier keys and values. */
function attention(n: OpNode): (Tensor | undefined)[] {
  if (n.has(6)) return n.fail('lengths without padding are not supported');
  if (n.int('left_window_size', -1) !== -1 || n.int('right_window_size', -1) !== -1) {
    return n.fail('windows of attention are not supported');
  }
  const flat = n.value(0).shape.length === 3;
  const split = (i: number, heads: string): Tensor =>
    flat ? toHeads(n, n.tensor(i), n.int(heads)) : n.tensor(i);
  const q = split(0, 'q_num_heads');
  const past = (i: number, t: Tensor): Tensor => (n.has(i) ? concat([n.tensor(i), t], 2) : t);
  const k = past(4, split(1, 'kv_num_heads'));
  const v = past(5, split(2, 'kv_num_heads'));
  const earlier = n.has(4) ? n.value(4).shape[2] : 0;
  const scale = n.hasAttr('scale') ? n.float('scale', 1) : undefined;
  const isCausal = n.int('is_causal', 0) !== 0;
  // Decant lets the last query see the last key; ONNX the query at i the keys up to i + earlier
  const aligned = !isCausal || dimEquals(k.shape[2], dimAdd(q.shape[2], earlier));
  const plain =
    aligned && !n.wants(3) && n.float('softcap', 0) === 0 && !(n.has(3) && n.value(3).dtype === 'bool');
  const [y, scores] = plain
    ? [scaledDotProductAttention(q, k, v, { mask: n.optional(3), causal: isCausal, scale })]
    : composed(n, q, k, v, isCausal ? earlier : undefined, scale);
  return [flat ? fromHeads(y) : y, k, v, scores];
}

/** The same in single steps, of which one may be an output: softmax(softcap(q·kᵀ·scale) + mask)·v. */
function composed(
  n: OpNode,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  earlier: Dim | undefined,
  scale: number | undefined,
): [Tensor, Tensor] {
  const [heads, width] = [q.shape[1], q.shape[3]];
  const groups = dimDivide(heads, k.shape[1]);
  if (typeof groups !== 'number' || isSymbolic(width)) return n.fail('heads and width need known sizes');
  const wide = (t: Tensor): Tensor => (groups === 1 ? t : repeat(t, groups, 1));
  const raw = matmul(q, wide(k), { transB: true, scale: scale ?? 1 / Math.sqrt(width) });
  const given = n.optional(3);
  let seen = given?.dtype === 'bool' ? given : undefined;
  if (earlier !== undefined) {
    const rows = add(reshape(arange(q.shape[2]), [q.shape[2], 1]), sizeTensor(earlier, 'int32'));
    const causal = lessEqual(reshape(arange(k.shape[2]), [1, k.shape[2]]), rows);
    seen = seen ? logicalAnd(seen, causal) : causal;
  }
  const cap = n.float('softcap', 0);
  const capped = cap === 0 ? raw : mul(tanh(div(raw, cap)), cap);
  const biased = given && given.dtype !== 'bool' ? add(capped, cast(given, raw.dtype)) : capped;
  const masked = seen ? where(seen, biased, -Infinity) : biased;
  // a query that sees no key gets 0
  const safe = seen ? where(seen, biased, -3e38) : biased;
  const p = seen ? where(seen, softmax(safe, -1), 0) : softmax(safe, -1);
  const mode = n.int('qk_matmul_output_mode', 0);
  return [matmul(p, wide(v)), [raw, capped, masked, p][mode] ?? raw];
}

/** RotaryEmbedding of operator set 23: the first `rotary_embedding_dim` elements of each head are turned. */
function rotaryEmbedding(n: OpNode): Tensor {
  const given = n.tensor(0);
  const flat = given.rank === 3;
  const x = flat ? toHeads(n, given, n.int('num_heads')) : given;
  const at = n.optional(3);
  const angles = (i: number): Tensor => {
    const cache = n.tensor(i);
    return expandDims(at ? gather(cache, cast(at, 'int32'), 0) : cache, 1);
  };
  const d = x.shape[3];
  const part = n.int('rotary_embedding_dim', 0);
  const pairs = n.int('interleaved', 0) ? 'interleaved' : 'half';
  const turned = part === 0 || part === d ? x : slice(x, { axes: [3], starts: [0], ends: [part] });
  const y = rotary(turned, angles(1), angles(2), { pairs });
  const whole = turned === x ? y : concat([y, slice(x, { axes: [3], starts: [part], ends: [undefined] })], 3);
  return flat ? fromHeads(whole) : whole;
}

/** Attention as single operators. */
export const attentions: ImportTable = { Attention: attention, RotaryEmbedding: rotaryEmbedding };
