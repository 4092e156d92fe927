import { DecantError } from '../../util/errors.ts';
import type { OpDef } from '../op.ts';
import { type Dim, dimAdd, dimSub } from '../shape.ts';
import { apply, type Tensor } from '../tensor.ts';
import { add } from './arithmetic.ts';
import { sizeOf, stridesOf } from './kernels.ts';
import { sum } from './reduce.ts';
import { flip, slice } from './slicing.ts';

export type PadMode = 'constant' | 'reflect' | 'edge';
type Pads = readonly (readonly [before: Dim, after: Dim])[];

export const padOp: OpDef<{ pads: Pads; mode: PadMode; value: number }> = {
  name: 'pad',
  doc: 'elements added around x: a constant, the mirrored inside, or the edge repeated',
  infer: ([x], { pads, mode }) => {
    if (pads.length !== x.shape.length) {
      throw new DecantError('shape', 'pad needs a pair [before, after] for each axis', {
        seen: `${pads.length} pairs`,
        allowed: `${x.shape.length}`,
      });
    }
    const shape = x.shape.map((d, a) => {
      for (const p of pads[a]) {
        if (typeof p !== 'number') continue;
        if (!Number.isInteger(p) || p < 0)
          throw new DecantError('shape', 'pad sizes are integers from 0; use slice to cut', { seen: p });
        if (
          mode !== 'constant' &&
          typeof d === 'number' &&
          p > (mode === 'reflect' ? d - 1 : d === 0 ? 0 : p)
        ) {
          throw new DecantError('shape', `axis ${a} is too short to ${mode}`, {
            seen: d,
            allowed: `more than ${p}`,
          });
        }
      }
      return dimAdd(d, dimAdd(pads[a][0], pads[a][1]));
    });
    return [{ shape, dtype: x.dtype }];
  },
  evaluate: ([x], { attrs: { pads, mode, value }, types: [t], dim }) => {
    const out = new Float64Array(sizeOf(t.shape)).fill(mode === 'constant' ? value : 0);
    const rank = x.shape.length;
    const strides = stridesOf(x.shape);
    // per axis: source offset of each output index, or -1 where the constant stands
    const sources = t.shape.map((size, a) => {
      const before = dim(pads[a][0]);
      const n = x.shape[a];
      return Array.from({ length: size }, (_, i) => {
        const k = i - before;
        if (k >= 0 && k < n) return k * strides[a];
        if (mode === 'constant') return -1;
        if (mode === 'edge') return Math.min(Math.max(k, 0), n - 1) * strides[a];
        return (k < 0 ? -k : 2 * (n - 1) - k) * strides[a];
      });
    });
    const walk = (axis: number, from: number, to: number, size: number): void => {
      const inner = size / t.shape[axis];
      for (let i = 0; i < t.shape[axis]; i++) {
        const s = sources[axis][i];
        if (s < 0) continue;
        if (axis === rank - 1) out[to + i] = x.data[from + s];
        else walk(axis + 1, from + s, to + i * inner, inner);
      }
    };
    if (rank === 0) out.set(x.data);
    else if (out.length > 0) walk(0, 0, 0, out.length);
    return [out];
  },
  vjp: ({ inputs: [x], attrs: { pads, mode }, grads: [g] }) => {
    let y = g!;
    pads.forEach(([before, after], a) => {
      const n = x.shape[a];
      const part = (start: Dim, size: Dim): Tensor =>
        slice(y, { axes: [a], starts: [start], ends: [dimAdd(start, size)] });
      let inside = part(before, n);
      if (mode !== 'constant') {
        const place = (t: Tensor, at: Dim): Tensor =>
          pad(
            t,
            t.shape.map((d, axis): [Dim, Dim] => (axis === a ? [at, dimSub(dimSub(n, at), d)] : [0, 0])),
          );
        const left = before === 0 ? undefined : part(0, before);
        const right = after === 0 ? undefined : part(dimAdd(before, n), after);
        if (mode === 'edge') {
          if (left) inside = add(inside, place(sum(left, a, true), 0));
          if (right) inside = add(inside, place(sum(right, a, true), dimSub(n, 1)));
        } else {
          if (left) inside = add(inside, place(flip(left, a), 1));
          if (right) inside = add(inside, place(flip(right, a), dimSub(dimSub(n, 1), after)));
        }
      }
      y = inside;
    });
    return [y];
  },
  emit: (e, [x], { attrs: { pads, mode, value }, inputs: [{ dtype }] }) => [
    e.node(
      'Pad',
      [
        x,
        e.shape([...pads.map((p) => p[0]), ...pads.map((p) => p[1])]),
        ...(mode === 'constant' && value !== 0 ? [e.scalar(value, dtype)] : []),
      ],
      { mode },
    ),
  ],
};

/**
 * Elements added around x. `pads` holds a pair [before, after] for each axis.
 *
 * @param mode 'constant' (`value`, default 0), 'reflect' (mirrored without the edge itself) or 'edge' (repeated)
 */
export function pad(
  x: Tensor,
  pads: Pads,
  { mode = 'constant', value = 0 }: { mode?: PadMode; value?: number } = {},
): Tensor {
  const nothing = pads.length === x.rank && pads.every(([b, a]) => b === 0 && a === 0);
  return nothing ? x : apply(padOp, [x], { pads, mode, value });
}
