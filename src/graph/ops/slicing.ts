import { DecantError } from '../../util/errors.ts';
import type { OpDef } from '../op.ts';
import {
  type Dim,
  dimAdd,
  dimEquals,
  dimFloorDiv,
  dimKey,
  dimMul,
  dimSub,
  isSymbolic,
  normalizeAxes,
  normalizeAxis,
  type Shape,
  showShape,
} from '../shape.ts';
import { apply, applyAll, type Tensor } from '../tensor.ts';
import { reshape, zerosOf } from './basic.ts';
import { around, sizeOf, strided, stridesOf } from './kernels.ts';
import { pad } from './padding.ts';
import { expandDims } from './shape.ts';

interface SliceAttrs {
  axes: readonly number[];
  /** First index, counted from the front. */
  starts: readonly Dim[];
  /** Number of elements taken. */
  counts: readonly Dim[];
  /** Positive steps. */
  steps: readonly number[];
}

const endOf = ({ starts, counts, steps }: SliceAttrs, i: number): Dim =>
  dimAdd(starts[i], dimAdd(dimMul(dimSub(counts[i], 1), steps[i]), 1));

export const sliceOp: OpDef<SliceAttrs> = {
  name: 'slice',
  doc: 'every step-th element from start to end along some axes',
  infer: ([x], { axes, counts }) => [
    {
      shape: x.shape.map((d, a) => (axes.includes(a) ? counts[axes.indexOf(a)] : d)),
      dtype: x.dtype,
    },
  ],
  evaluate: ([x], { attrs: { axes, starts, steps }, types: [t], dim }) => {
    const strides = stridesOf(x.shape);
    let offset = 0;
    const own = [...strides];
    axes.forEach((a, i) => {
      const last = dim(starts[i]) + (t.shape[a] - 1) * steps[i];
      if (t.shape[a] < 0 || dim(starts[i]) < 0 || (t.shape[a] > 0 && last >= x.shape[a])) {
        throw new DecantError('shape', `the bounds of axis ${a} lie outside of it`, {
          seen: `from ${dim(starts[i])}, ${t.shape[a]} elements`,
          allowed: `0 to ${x.shape[a]}`,
        });
      }
      offset += dim(starts[i]) * strides[a];
      own[a] *= steps[i];
    });
    return [strided(x.data, t.shape, own, offset)];
  },
  vjp: ({ inputs: [x], attrs, grads: [g] }) => {
    const before: Dim[] = x.shape.map(() => 0);
    const after: Dim[] = x.shape.map(() => 0);
    let spread = g!;
    attrs.axes.forEach((a, i) => {
      spread = dilate(spread, a, attrs.steps[i]);
      before[a] = attrs.starts[i];
      after[a] = dimSub(dimSub(x.shape[a], attrs.starts[i]), spread.shape[a]);
    });
    // a stepped axis was dilated to a multiple of the step, which may reach past the end
    const cut = after.flatMap((d, a) => (typeof d === 'number' && d < 0 ? [a] : []));
    if (cut.length > 0) {
      spread = slice(spread, {
        axes: cut,
        starts: cut.map(() => 0),
        ends: cut.map((a) => dimAdd(spread.shape[a], after[a])),
      });
      for (const a of cut) after[a] = 0;
    }
    return [
      pad(
        spread,
        before.map((b, a) => [b, after[a]]),
      ),
    ];
  },
  emit: (e, [x], { attrs }) => [
    e.node('Slice', [
      x,
      e.shape(attrs.starts),
      e.shape(attrs.axes.map((_, i) => (attrs.counts[i] === 0 ? attrs.starts[i] : endOf(attrs, i)))),
      e.int64(attrs.axes),
      e.int64(attrs.steps),
    ]),
  ],
};

/** Zeros after each element of an axis, so that elements stand `step` apart; the last one has none after it. */
function dilate(x: Tensor, axis: number, step: number): Tensor {
  if (step === 1) return x;
  const wide = pad(
    expandDims(x, axis + 1),
    Array.from({ length: x.rank + 1 }, (_, a): [Dim, Dim] => [0, a === axis + 1 ? step - 1 : 0]),
  );
  const flat = reshape(
    wide,
    x.shape.map((d, a) => (a === axis ? dimMul(d, step) : d)),
  );
  const n = x.shape[axis];
  if (n === 0) return flat;
  return slice(flat, { axes: [axis], starts: [0], ends: [dimSub(flat.shape[axis], step - 1)] });
}

export interface SliceSpec {
  /** First index per axis; negative ones count from the end. */
  starts: readonly Dim[];
  /** One past the last index per axis; negative ones count from the end; beyond the end is cut. */
  ends: readonly (Dim | undefined)[];
  /** Default: the first axes, as many as there are starts. */
  axes?: readonly number[];
  /** Default 1; may be negative (then `ends` is exclusive downwards and undefined means through the first element). */
  steps?: readonly number[];
}

/** A rectangular part of x, in NumPy's terms. On a symbolic axis the bounds must lie inside it. */
export function slice(x: Tensor, { starts, ends, axes, steps }: SliceSpec): Tensor {
  const list = (axes ?? starts.map((_, i) => i)).map((a) => normalizeAxis(a, x.rank));
  if (ends.length !== starts.length || list.length !== starts.length || new Set(list).size !== list.length) {
    throw new DecantError('shape', 'slice needs one start, one end and one distinct axis each', {
      seen: `${starts.length} starts, ${ends.length} ends, axes [${list}]`,
    });
  }
  const flips: number[] = [];
  const attrs = { axes: [] as number[], starts: [] as Dim[], counts: [] as Dim[], steps: [] as number[] };
  list.forEach((axis, i) => {
    const size = x.shape[axis];
    const step = steps?.[i] ?? 1;
    if (!Number.isInteger(step) || step === 0)
      throw new DecantError('shape', 'slice steps are integers other than 0', { seen: step });
    let start = fromEnd(starts[i], size);
    let count: Dim;
    if (step > 0) {
      start = clampTo(start, 0, size);
      const end = clampTo(ends[i] === undefined ? size : fromEnd(ends[i], size), 0, size);
      count = countBetween(start, end, step);
    } else {
      start = clampTo(start, -1, dimSub(size, 1));
      const end = clampTo(ends[i] === undefined ? -1 : fromEnd(ends[i], size), -1, dimSub(size, 1));
      count = countBetween(end, start, -step);
      if (count !== 0) {
        start = dimAdd(start, dimMul(dimSub(count, 1), step));
        flips.push(axis);
      } else start = 0;
    }
    if (dimEquals(count, size) && Math.abs(step) === 1) return;
    attrs.axes.push(axis);
    attrs.starts.push(start);
    attrs.counts.push(count);
    attrs.steps.push(Math.abs(step));
  });
  const part = attrs.axes.length === 0 ? x : apply(sliceOp, [x], attrs);
  return flip(part, flips);
}

const fromEnd = (i: Dim, size: Dim): Dim => (typeof i === 'number' && i < 0 ? dimAdd(size, i) : i);
function clampTo(i: Dim, low: number, high: Dim): Dim {
  if (isSymbolic(i)) return i;
  if (i === Number.POSITIVE_INFINITY) return high;
  const d = Math.max(i, low);
  return isSymbolic(high) ? d : Math.min(d, high);
}
function countBetween(from: Dim, to: Dim, step: number): Dim {
  const span = dimSub(to, from);
  if (typeof span === 'number') return Math.max(0, Math.ceil(span / step));
  return dimFloorDiv(dimAdd(span, step - 1), step);
}

export const flipOp: OpDef<{ axes: readonly number[] }> = {
  name: 'flip',
  doc: 'axes reversed',
  infer: ([x]) => [{ shape: x.shape, dtype: x.dtype }],
  evaluate: ([x], { attrs: { axes } }) => {
    const strides = stridesOf(x.shape);
    const offset = axes.reduce((s, a) => s + (x.shape[a] - 1) * strides[a], 0);
    return [
      strided(
        x.data,
        x.shape,
        strides.map((s, a) => (axes.includes(a) ? -s : s)),
        offset,
      ),
    ];
  },
  vjp: ({ attrs, grads: [g] }) => [flip(g!, attrs.axes)],
  emit: (e, [x], { attrs: { axes } }) => [
    e.node('Slice', [
      x,
      e.int64(axes.map(() => -1)),
      e.int64(axes.map(() => -(2 ** 53))),
      e.int64(axes),
      e.int64(axes.map(() => -1)),
    ]),
  ],
};

/** x reversed along `axes` (default: all). */
export function flip(x: Tensor, axes?: number | readonly number[]): Tensor {
  const list = normalizeAxes(axes, x.rank);
  return list.length === 0 ? x : apply(flipOp, [x], { axes: list });
}

export const concatOp: OpDef<{ axis: number }> = {
  name: 'concat',
  doc: 'tensors joined along an axis',
  infer: (xs, { axis }) => {
    const [first] = xs;
    for (const x of xs) {
      const fits =
        x.shape.length === first.shape.length &&
        x.shape.every((d, a) => a === axis || dimEquals(d, first.shape[a]));
      if (!fits || x.dtype !== first.dtype) {
        throw new DecantError('shape', `all must agree in dtype and in every axis but ${axis}`, {
          seen: `${first.dtype}${showShape(first.shape)} and ${x.dtype}${showShape(x.shape)}`,
        });
      }
    }
    const size = xs.reduce<Dim>((n, x) => dimAdd(n, x.shape[axis]), 0);
    return [{ shape: first.shape.map((d, a) => (a === axis ? size : d)), dtype: first.dtype }];
  },
  evaluate: (xs, { attrs: { axis }, types: [t] }) => {
    const out = new Float64Array(sizeOf(t.shape));
    const [outer] = around(t.shape, axis);
    const row = out.length / Math.max(outer, 1);
    let at = 0;
    for (const x of xs) {
      const own = x.data.length / Math.max(outer, 1);
      for (let o = 0; o < outer; o++) out.set(x.data.subarray(o * own, (o + 1) * own), o * row + at);
      at += own;
    }
    return [out];
  },
  vjp: ({ inputs, attrs: { axis }, grads: [g], needs }) => {
    let at: Dim = 0;
    return inputs.map((x, i) => {
      const start = at;
      at = dimAdd(at, x.shape[axis]);
      return needs(i) ? slice(g!, { axes: [axis], starts: [start], ends: [at] }) : undefined;
    });
  },
  emit: (e, inputs, { attrs }) => [e.node('Concat', inputs, { axis: attrs.axis })],
};

/** Tensors joined along `axis`; they agree in every other axis. */
export function concat(list: readonly Tensor[], axis = 0): Tensor {
  if (list.length === 0) throw new DecantError('shape', 'concat needs at least one tensor');
  return list.length === 1 ? list[0] : apply(concatOp, list, { axis: normalizeAxis(axis, list[0].rank) });
}

/** Tensors of one shape joined along a new axis. */
export function stack(list: readonly Tensor[], axis = 0): Tensor {
  if (list.length === 0) throw new DecantError('shape', 'stack needs at least one tensor');
  const a = normalizeAxis(axis, list[0].rank + 1);
  return concat(
    list.map((x) => expandDims(x, a)),
    a,
  );
}

export const splitOp: OpDef<{ axis: number; sizes: readonly Dim[] }> = {
  name: 'split',
  doc: 'a tensor cut along an axis into pieces of given sizes',
  infer: ([x], { axis, sizes }) =>
    sizes.map((size) => ({ shape: x.shape.map((d, i) => (i === axis ? size : d)), dtype: x.dtype })),
  evaluate: ([x], { attrs: { axis }, types }) => {
    const [outer] = around(x.shape, axis);
    const row = x.data.length / Math.max(outer, 1);
    let at = 0;
    return types.map((t) => {
      const out = new Float64Array(sizeOf(t.shape));
      const own = out.length / Math.max(outer, 1);
      for (let o = 0; o < outer; o++) out.set(x.data.subarray(o * row + at, o * row + at + own), o * own);
      at += own;
      return out;
    });
  },
  // one concatenation, instead of padding each piece's gradient and adding them
  vjp: ({ outputs, attrs: { axis }, grads }) => [
    concat(
      outputs.map((y, i) => grads[i] ?? zerosOf(y)),
      axis,
    ),
  ],
  emit: (e, [x], { attrs: { axis, sizes } }) => e.nodes('Split', [x, e.shape(sizes)], sizes.length, { axis }),
};

/** x cut along `axis` into pieces of the given sizes, or (a number) into that many equal pieces. */
export function split(x: Tensor, sizes: number | readonly Dim[], axis = 0): Tensor[] {
  const a = normalizeAxis(axis, x.rank);
  const list = typeof sizes === 'number' ? equalSizes(x.shape, a, sizes) : sizes;
  const total = list.reduce<Dim>(dimAdd, 0);
  if (!dimEquals(total, x.shape[a])) {
    throw new DecantError('shape', `the sizes do not add up to axis ${a} of ${showShape(x.shape)}`, {
      seen: `[${list.map(dimKey).join(', ')}]`,
      allowed: `a sum of ${dimKey(x.shape[a])}`,
    });
  }
  return list.length === 1 ? [x] : applyAll(splitOp, [x], { axis: a, sizes: list });
}

function equalSizes(shape: Shape, axis: number, pieces: number): Dim[] {
  const size = dimFloorDiv(shape[axis], pieces);
  return Array<Dim>(pieces).fill(size);
}
