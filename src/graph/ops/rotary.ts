import { DecantError } from '../../util/errors.ts';
import type { OpDef } from '../op.ts';
import { isSymbolic, showShape } from '../shape.ts';
import { apply, type Tensor } from '../tensor.ts';
import { add, mul } from './arithmetic.ts';
import { broadcastTo, reshape } from './basic.ts';
import { floatOperand } from './checks.ts';

/** How the last axis is paired: `half`: i with i + d/2 (GPT-NeoX, Llama); `interleaved`: 2i with 2i + 1 (RoFormer). */
export type RotaryPairs = 'half' | 'interleaved';

export const rotatePairsOp: OpDef<{ pairs: RotaryPairs }> = {
  name: 'rotatePairs',
  doc: 'each pair (a, b) of the last axis becomes (-b, a)',
  infer: ([x]) => {
    const d = x.shape[x.shape.length - 1];
    if (d === undefined || isSymbolic(d) || d % 2 !== 0) {
      throw new DecantError('shape', 'the last axis must be even', { seen: showShape(x.shape) });
    }
    return [{ shape: x.shape, dtype: floatOperand(x).dtype }];
  },
  evaluate: ([x], { attrs: { pairs } }) => {
    const d = x.shape[x.shape.length - 1];
    const out = new Float64Array(x.data.length);
    for (let row = 0; row < out.length; row += d) {
      for (let i = 0; i < d / 2; i++) {
        const a = row + (pairs === 'half' ? i : 2 * i);
        const b = row + (pairs === 'half' ? i + d / 2 : 2 * i + 1);
        out[a] = -x.data[b];
        out[b] = x.data[a];
      }
    }
    return [out];
  },
  // a quarter turn: its transpose is its inverse is its negative
  vjp: ({ attrs, grads: [g] }) => [mul(apply(rotatePairsOp, [g!], attrs), -1)],
  emit: (e, [x], { attrs: { pairs }, inputs: [t] }) => {
    const rank = t.shape.length;
    const d = t.shape[rank - 1] as number;
    const lead = t.shape.slice(0, -1);
    const source =
      pairs === 'half' ? x : e.node('Reshape', [x, e.reshapeTarget([...lead, d / 2, 2])], { allowzero: 1 });
    const axis = pairs === 'half' ? rank - 1 : rank;
    const [a, b] = e.nodes('Split', [source], 2, { axis, num_outputs: 2 });
    const y = e.node('Concat', [e.node('Neg', [b]), a], { axis });
    return [pairs === 'half' ? y : e.node('Reshape', [y, e.reshapeTarget(t.shape)], { allowzero: 1 })];
  },
};

/** `[..., d/2]` → `[..., d]`, each value at both places of its pair. */
function atBoth(t: Tensor, pairs: RotaryPairs): Tensor {
  const lead = t.shape.slice(0, -1);
  const half = t.shape[t.rank - 1] as number;
  const [narrow, wide] =
    pairs === 'half'
      ? [
          [1, half],
          [2, half],
        ]
      : [
          [half, 1],
          [half, 2],
        ];
  return reshape(broadcastTo(reshape(t, [...lead, ...narrow]), [...lead, ...wide]), [...lead, 2 * half]);
}

/**
 * Rotary position embedding (Su et al., 2021, eq. 34): turns each pair of x `[..., seq, d]` by its angle. `cos` and
 * `sin` are `[..., seq, d/2]` and broadcast against x, or `[..., seq, d]` with both places filled, as Hugging Face
 * models hold them.
 */
export function rotary(
  x: Tensor,
  cos: Tensor,
  sin: Tensor,
  { pairs = 'half' }: { pairs?: RotaryPairs } = {},
): Tensor {
  const d = x.shape[x.rank - 1] as number;
  const full = (t: Tensor): Tensor => {
    const size = t.shape[t.rank - 1];
    if (size === d) return t;
    if (2 * (size as number) !== d) {
      throw new DecantError('shape', 'rotary: the angles do not fit', {
        seen: `${showShape(t.shape)} for ${showShape(x.shape)}`,
        allowed: `[..., ${d / 2}] or [..., ${d}]`,
      });
    }
    return atBoth(t, pairs);
  };
  return add(mul(x, full(cos)), mul(apply(rotatePairsOp, [x], { pairs }), full(sin)));
}
