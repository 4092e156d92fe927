import { scaledDotProductAttention } from '../../ops/attention.ts';
import { reshape } from '../../ops/basic.ts';
import { cast } from '../../ops/compare.ts';
import { gather } from '../../ops/indexing.ts';
import { rotary } from '../../ops/rotary.ts';
import { expandDims, transpose } from '../../ops/shape.ts';
import { concat, slice } from '../../ops/slicing.ts';
import { dimDivide, dimMul } from '../../shape.ts';
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
  if (n.float('softcap', 0) !== 0) return n.fail('softcap is not supported');
  if (n.wants(3)) return n.fail('the scores as an output are not supported');
  const flat = n.value(0).shape.length === 3;
  const split = (i: number, heads: string): Tensor =>
    flat ? toHeads(n, n.tensor(i), n.int(heads)) : n.tensor(i);
  const q = split(0, 'q_num_heads');
  const past = (i: number, t: Tensor): Tensor => (n.has(i) ? concat([n.tensor(i), t], 2) : t);
  const k = past(4, split(1, 'kv_num_heads'));
  const v = past(5, split(2, 'kv_num_heads'));
  const y = scaledDotProductAttention(q, k, v, {
    mask: n.optional(3),
    causal: n.int('is_causal', 0) !== 0,
    scale: n.hasAttr('scale') ? n.float('scale', 1) : undefined,
  });
  return [flat ? fromHeads(y) : y, k, v];
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
