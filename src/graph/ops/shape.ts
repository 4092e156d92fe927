import { DecantError } from '../../util/errors.ts';
import type { OpDef } from '../op.ts';
import { type Dim, dimMul, normalizeAxes, normalizeAxis, type Shape } from '../shape.ts';
import { apply, type Tensor } from '../tensor.ts';
import { broadcastTo, reshape } from './basic.ts';
import { sizeOf, strided, stridesOf } from './kernels.ts';
import { sum } from './reduce.ts';

export const transposeOp: OpDef<{ perm: readonly number[] }> = {
  name: 'transpose',
  doc: 'axes in another order',
  infer: ([x], { perm }) => {
    const sorted = [...perm].sort((a, b) => a - b);
    if (perm.length !== x.shape.length || sorted.some((a, i) => a !== i)) {
      throw new DecantError('shape', 'the order must name each axis once', {
        seen: perm,
        allowed: `a permutation of 0 to ${x.shape.length - 1}`,
      });
    }
    return [{ shape: perm.map((a) => x.shape[a]), dtype: x.dtype }];
  },
  evaluate: ([x], { attrs: { perm }, types: [t] }) => {
    const strides = stridesOf(x.shape);
    return [
      strided(
        x.data,
        t.shape,
        perm.map((a) => strides[a]),
      ),
    ];
  },
  vjp: ({ attrs: { perm }, grads: [g] }) => [
    transpose(
      g!,
      perm.map((_, i) => perm.indexOf(i)),
    ),
  ],
  emit: (e, [x], { attrs }) => [e.node('Transpose', [x], { perm: attrs.perm })],
};

/** Axes in the order `perm` (default: reversed). */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  const order = perm?.map((a) => normalizeAxis(a, x.rank)) ?? x.shape.map((_, i) => x.rank - 1 - i);
  return order.length === x.rank && order.every((a, i) => a === i)
    ? x
    : apply(transposeOp, [x], { perm: order });
}

/** Two axes exchanged. */
export function swapAxes(x: Tensor, a: number, b: number): Tensor {
  const perm = x.shape.map((_, i) => i);
  const i = normalizeAxis(a, x.rank);
  const j = normalizeAxis(b, x.rank);
  perm[i] = j;
  perm[j] = i;
  return transpose(x, perm);
}

export const expandDimsOp: OpDef<{ axes: readonly number[] }> = {
  name: 'expandDims',
  doc: 'axes of size 1 inserted',
  infer: ([x], { axes }) => [{ shape: withOnes(x.shape, axes), dtype: x.dtype }],
  evaluate: ([x]) => [x.data],
  vjp: ({ attrs, grads: [g] }) => [squeeze(g!, attrs.axes)],
  emit: (e, [x], { attrs }) => [e.node('Unsqueeze', [x, e.int64(attrs.axes)])],
};
function withOnes(shape: Shape, axes: readonly number[]): Dim[] {
  const rest = [...shape];
  return Array.from({ length: shape.length + axes.length }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!));
}

/** Axes of size 1 inserted, so that they stand at `axes` of the result. */
export function expandDims(x: Tensor, axes: number | readonly number[]): Tensor {
  const count = typeof axes === 'number' ? 1 : axes.length;
  const list = normalizeAxes(axes, x.rank + count);
  return list.length === 0 ? x : apply(expandDimsOp, [x], { axes: list });
}

export const squeezeOp: OpDef<{ axes: readonly number[] }> = {
  name: 'squeeze',
  doc: 'axes of size 1 removed',
  infer: ([x], { axes }) => {
    const bad = axes.find((a) => x.shape[a] !== 1);
    if (bad !== undefined)
      throw new DecantError('shape', `axis ${bad} has not size 1`, { seen: String(x.shape[bad]) });
    return [{ shape: x.shape.filter((_, i) => !axes.includes(i)), dtype: x.dtype }];
  },
  evaluate: ([x]) => [x.data],
  vjp: ({ attrs, grads: [g] }) => [expandDims(g!, attrs.axes)],
  emit: (e, [x], { attrs }) => [e.node('Squeeze', [x, e.int64(attrs.axes)])],
};

/** Axes of size 1 removed (default: all of size 1). */
export function squeeze(x: Tensor, axes?: number | readonly number[]): Tensor {
  const list =
    axes === undefined ? x.shape.flatMap((d, i) => (d === 1 ? [i] : [])) : normalizeAxes(axes, x.rank);
  return list.length === 0 ? x : apply(squeezeOp, [x], { axes: list });
}

export const tileOp: OpDef<{ reps: readonly number[] }> = {
  name: 'tile',
  doc: 'x repeated as a whole, `reps` times along each axis',
  infer: ([x], { reps }) => {
    if (reps.length !== x.shape.length || reps.some((r) => !Number.isInteger(r) || r < 0))
      throw new DecantError('shape', 'one count per axis', {
        seen: reps,
        allowed: `${x.shape.length} integers ≥ 0`,
      });
    return [{ shape: x.shape.map((d, i) => dimMul(d, reps[i])), dtype: x.dtype }];
  },
  evaluate: ([x], { attrs: { reps } }) => {
    const strides = stridesOf(x.shape);
    return [
      strided(
        x.data,
        x.shape.flatMap((d, i) => [reps[i], d]),
        strides.flatMap((s) => [0, s]),
      ),
    ];
  },
  vjp: ({ inputs: [x], attrs: { reps }, grads: [g] }) => [
    sum(
      reshape(
        g!,
        x.shape.flatMap((d, i) => [reps[i], d]),
      ),
      x.shape.map((_, i) => 2 * i),
    ),
  ],
  emit: (e, [x], { attrs }) => [e.node('Tile', [x, e.int64(attrs.reps)])],
};

/** x repeated as a whole along each axis (`reps` counts, aligned to the last axes when there are fewer). */
export function tile(x: Tensor, reps: readonly number[]): Tensor {
  const rank = Math.max(x.rank, reps.length);
  const wide = expandDims(
    x,
    Array.from({ length: rank - x.rank }, (_, i) => i),
  );
  const full = [...Array<number>(rank - reps.length).fill(1), ...reps];
  return full.every((r) => r === 1) ? wide : apply(tileOp, [wide], { reps: full });
}

/** Each element repeated `times` times along `axis`: [a, b] becomes [a, a, b, b]. */
export function repeat(x: Tensor, times: number, axis = 0): Tensor {
  const a = normalizeAxis(axis, x.rank);
  const wide = expandDims(x, a + 1);
  const stretched = broadcastTo(
    wide,
    wide.shape.map((d, i) => (i === a + 1 ? times : d)),
  );
  return reshape(
    stretched,
    x.shape.map((d, i) => (i === a ? dimMul(d, times) : d)),
  );
}

function triangle(name: string, doc: string, upper: boolean): OpDef<{ k: number }> {
  const op: OpDef<{ k: number }> = {
    name,
    doc,
    infer: ([x]) => {
      if (x.shape.length < 2)
        throw new DecantError('shape', 'needs matrices', { seen: `rank ${x.shape.length}` });
      return [{ shape: x.shape, dtype: x.dtype }];
    },
    evaluate: ([x], { attrs: { k } }) => {
      const [rows, columns] = x.shape.slice(-2);
      const out = new Float64Array(x.data.length);
      const count = sizeOf(x.shape.slice(0, -2)) * rows;
      for (let r = 0; r < count; r++) {
        const row = r % rows;
        for (let c = 0; c < columns; c++)
          if (upper ? c - row >= k : c - row <= k) out[r * columns + c] = x.data[r * columns + c];
      }
      return [out];
    },
    vjp: ({ attrs, grads: [g] }) => [apply(op, [g!], attrs)],
    emit: (e, [x], { attrs, inputs: [{ dtype }] }) => {
      // onnxruntime's Trilu lacks the 8-bit and unsigned types
      const through = dtype === 'uint8' || dtype === 'uint32' ? 'int64' : dtype;
      const y = e.node('Trilu', [through === dtype ? x : e.cast(x, through), e.scalar(attrs.k, 'int64')], {
        upper: upper ? 1 : 0,
      });
      return [through === dtype ? y : e.cast(y, dtype)];
    },
  };
  return op;
}
export const trilOp = triangle('tril', 'lower triangle of matrices: zero above diagonal k', false);
export const triuOp = triangle('triu', 'upper triangle of matrices: zero below diagonal k', true);

/** `[..., rows, columns]` with everything above diagonal `k` set to 0. */
export const tril = (x: Tensor, k = 0): Tensor => apply(trilOp, [x], { k });
/** `[..., rows, columns]` with everything below diagonal `k` set to 0. */
export const triu = (x: Tensor, k = 0): Tensor => apply(triuOp, [x], { k });

export { pad } from './padding.ts';
export { concat, flip, slice, split, stack } from './slicing.ts';
