import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import type { Emitter, OpDef } from '../op.ts';
import { dimProduct, normalizeAxes, normalizeAxis } from '../shape.ts';
import { apply, type Tensor, type TensorType } from '../tensor.ts';
import { div, mul, sub } from './arithmetic.ts';
import { broadcastTo, reshape } from './basic.ts';
import { cast, equal, where } from './compare.ts';
import { abs, exp, sqrt, square } from './elementwise.ts';
import { around, reducePlan } from './kernels.ts';
import { keptShape, type ReduceAttrs, reducedShape, sum } from './reduce.ts';
import { countTensor } from './sizes.ts';

type Axes = number | readonly number[];

interface Reduction {
  name: string;
  doc: string;
  onnx: string;
  fold: (x: Float64Array, base: number, offsets: Float64Array) => number;
  vjp: OpDef<ReduceAttrs>['vjp'];
  takes?: 'float' | 'ordered' | 'bool';
  /** An axis of size 0 has no result. */
  needsOne?: boolean;
  emit?: OpDef<ReduceAttrs>['emit'];
}

const emitReduce =
  (onnx: string) =>
  (e: Emitter, [x]: readonly string[], { attrs }: { attrs: ReduceAttrs }): string[] => [
    e.node(onnx, [x, e.int64(attrs.axes)], { keepdims: attrs.keepDims ? 1 : 0 }),
  ];

function reduction({
  name,
  doc,
  onnx,
  fold,
  vjp,
  takes = 'float',
  needsOne,
  emit,
}: Reduction): OpDef<ReduceAttrs> {
  return {
    name,
    doc,
    infer: ([x], attrs) => {
      const ok =
        takes === 'float' ? isFloat(x.dtype) : takes === 'bool' ? x.dtype === 'bool' : x.dtype !== 'bool';
      if (!ok) {
        throw new DecantError('shape', `not defined for ${x.dtype}`, {
          allowed: { float: 'float types', bool: 'bool', ordered: 'number types' }[takes],
        });
      }
      if (needsOne && dimProduct(attrs.axes.map((a) => x.shape[a])) === 0)
        throw new DecantError('shape', 'an axis to reduce is empty', { seen: x.shape });
      return [{ shape: reducedShape(x.shape, attrs), dtype: x.dtype }];
    },
    evaluate: ([x], { attrs }) => {
      const { bases, offsets } = reducePlan(x.shape, attrs.axes);
      const out = new Float64Array(bases.length);
      for (let i = 0; i < out.length; i++) out[i] = fold(x.data, bases[i], offsets);
      return [out];
    },
    vjp,
    emit: emit ?? emitReduce(onnx),
  };
}

/** A reduced tensor (or its cotangent) with the reduced axes back as 1. */
const kept = (t: Tensor, x: TensorType, attrs: ReduceAttrs): Tensor =>
  reshape(t, keptShape(x.shape, attrs.axes));

export const meanOp = reduction({
  name: 'mean',
  doc: 'mean over axes',
  onnx: 'ReduceMean',
  fold: (x, base, offsets) => {
    let s = 0;
    for (let i = 0; i < offsets.length; i++) s += x[base + offsets[i]];
    return s / offsets.length;
  },
  vjp: ({ inputs: [x], attrs, grads: [g] }) => [
    broadcastTo(div(kept(g!, x, attrs), countTensor(x.shape, attrs.axes, x.dtype)), x.shape),
  ],
});

/** Every element that attains the extremum gets an equal share of the gradient. */
const extremeVjp: OpDef<ReduceAttrs>['vjp'] = ({ inputs: [x], outputs: [y], attrs, grads: [g] }) => {
  const hit = cast(equal(x, kept(y, x, attrs)), x.dtype);
  return [mul(hit, div(kept(g!, x, attrs), sum(hit, attrs.axes, true)))];
};
export const maxOp = reduction({
  name: 'max',
  doc: 'maximum over axes; ties share the gradient equally',
  onnx: 'ReduceMax',
  fold: (x, base, offsets) => {
    let m = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < offsets.length; i++) m = Math.max(m, x[base + offsets[i]]);
    return m;
  },
  vjp: extremeVjp,
  takes: 'ordered',
  needsOne: true,
});
export const minOp = reduction({
  name: 'min',
  doc: 'minimum over axes; ties share the gradient equally',
  onnx: 'ReduceMin',
  fold: (x, base, offsets) => {
    let m = Number.POSITIVE_INFINITY;
    for (let i = 0; i < offsets.length; i++) m = Math.min(m, x[base + offsets[i]]);
    return m;
  },
  vjp: extremeVjp,
  takes: 'ordered',
  needsOne: true,
});
export const prodOp = reduction({
  name: 'prod',
  doc: 'product over axes; the gradient is exact at zeros, its own gradient is not',
  onnx: 'ReduceProd',
  fold: (x, base, offsets) => {
    let p = 1;
    for (let i = 0; i < offsets.length; i++) p *= x[base + offsets[i]];
    return p;
  },
  // product of the others: y/x without zeros; with one zero, only that element has one, the product of the rest
  vjp: ({ inputs: [x], outputs: [y], attrs, grads: [g] }) => {
    const zero = equal(x, 0);
    const safe = where(zero, 1, x);
    const zeros = sum(cast(zero, x.dtype), attrs.axes, true);
    const rest = prod(safe, attrs.axes, true);
    const others = where(zero, where(equal(zeros, 1), rest, 0), div(kept(y, x, attrs), safe));
    return [mul(kept(g!, x, attrs), others)];
  },
});
export const logsumexpOp = reduction({
  name: 'logsumexp',
  doc: 'log Σ eˣ over axes; -∞ (with gradient 0) where all are -∞',
  onnx: 'ReduceLogSumExp',
  // written out: onnxruntime's ReduceLogSumExp gives -∞ for some rows that begin with -∞
  emit: (e, [x], ctx) => {
    const { axes, keepDims } = ctx.attrs;
    if (axes.some((a) => ctx.inputs[0].shape[a] === 0)) return emitReduce('ReduceLogSumExp')(e, [x], ctx);
    const list = e.int64(axes);
    const top = e.node('ReduceMax', [x, list], { keepdims: 1 });
    const shift = e.node('Where', [e.node('IsInf', [top]), e.scalar(0, ctx.inputs[0].dtype), top]);
    const total = e.node('ReduceSum', [e.node('Exp', [e.node('Sub', [x, shift])]), list], { keepdims: 1 });
    const y = e.node('Add', [e.node('Log', [total]), shift]);
    return [keepDims ? y : e.node('Squeeze', [y, list])];
  },
  fold: (x, base, offsets) => {
    let m = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < offsets.length; i++) m = Math.max(m, x[base + offsets[i]]);
    if (Math.abs(m) === Number.POSITIVE_INFINITY) return m;
    let s = 0;
    for (let i = 0; i < offsets.length; i++) s += Math.exp(x[base + offsets[i]] - m);
    return m + Math.log(s);
  },
  vjp: ({ inputs: [x], outputs: [y], attrs, grads: [g] }) => {
    const total = kept(y, x, attrs);
    const finite = where(equal(total, Number.NEGATIVE_INFINITY), 0, total);
    return [mul(kept(g!, x, attrs), exp(sub(x, finite)))];
  },
});
export const l2NormOp = reduction({
  name: 'norm',
  doc: '√Σx² over axes; the gradient at 0 is 0',
  onnx: 'ReduceL2',
  fold: (x, base, offsets) => {
    let s = 0;
    for (let i = 0; i < offsets.length; i++) s += x[base + offsets[i]] ** 2;
    return Math.sqrt(s);
  },
  vjp: ({ inputs: [x], outputs: [y], attrs, grads: [g] }) => {
    const length = kept(y, x, attrs);
    return [mul(x, div(kept(g!, x, attrs), where(equal(length, 0), 1, length)))];
  },
});

/** bool reductions run on int32: not every execution provider reduces bool. */
const emitBool =
  (onnx: string): OpDef<ReduceAttrs>['emit'] =>
  (e, [x], ctx) => [e.cast(emitReduce(onnx)(e, [e.cast(x, 'int32')], ctx)[0], 'bool')];
export const anyOp = reduction({
  name: 'any',
  doc: 'whether one holds, over axes',
  onnx: 'ReduceMax',
  fold: (x, base, offsets) => {
    for (let i = 0; i < offsets.length; i++) if (x[base + offsets[i]] !== 0) return 1;
    return 0;
  },
  vjp: 'none',
  takes: 'bool',
  needsOne: true,
  emit: emitBool('ReduceMax'),
});
export const allOp = reduction({
  name: 'all',
  doc: 'whether all hold, over axes',
  onnx: 'ReduceMin',
  fold: (x, base, offsets) => {
    for (let i = 0; i < offsets.length; i++) if (x[base + offsets[i]] === 0) return 0;
    return 1;
  },
  vjp: 'none',
  takes: 'bool',
  needsOne: true,
  emit: emitBool('ReduceMin'),
});

function reduce(op: OpDef<ReduceAttrs>, whenNoAxes: (x: Tensor) => Tensor = (x) => x) {
  return (x: Tensor, axes?: Axes, keepDims = false): Tensor => {
    const list = normalizeAxes(axes, x.rank);
    return list.length === 0 ? whenNoAxes(x) : apply(op, [x], { axes: list, keepDims });
  };
}

/** Mean over `axes` (default: all). */
export const mean = reduce(meanOp);
/** Maximum over `axes` (default: all). */
export const max = reduce(maxOp);
/** Minimum over `axes` (default: all). */
export const min = reduce(minOp);
/** Product over `axes` (default: all). */
export const prod = reduce(prodOp);
/** log Σ eˣ over `axes` (default: all), stable; -∞ where every element is -∞. */
export const logsumexp = reduce(logsumexpOp);
/** Euclidean norm √Σx² over `axes` (default: all); gradient 0 at 0. */
export const norm = reduce(l2NormOp, abs);
/** Whether one of the bools holds, over `axes` (default: all). */
export const any = reduce(anyOp);
/** Whether all of the bools hold, over `axes` (default: all). */
export const all = reduce(allOp);

export interface VarianceOptions {
  /** The divisor is n - correction: 0 (default) for the population, 1 for a sample. */
  correction?: number;
  keepDims?: boolean;
}

/** Mean squared deviation over `axes` (default: all). */
export function variance(
  x: Tensor,
  axes?: Axes,
  { correction = 0, keepDims = false }: VarianceOptions = {},
): Tensor {
  const centred = square(sub(x, mean(x, axes, true)));
  if (correction === 0) return mean(centred, axes, keepDims);
  return div(sum(centred, axes, keepDims), degrees(x, axes, correction));
}

/** Standard deviation over `axes` (default: all); gradient 0 where it is 0. */
export function std(
  x: Tensor,
  axes?: Axes,
  { correction = 0, keepDims = false }: VarianceOptions = {},
): Tensor {
  const length = norm(sub(x, mean(x, axes, true)), axes, keepDims);
  return div(length, sqrt(degrees(x, axes, correction)));
}

const degrees = (x: Tensor, axes: Axes | undefined, correction: number): Tensor =>
  sub(countTensor(x.shape, normalizeAxes(axes, x.rank), x.dtype), correction);

interface ArgAttrs {
  axis: number;
  keepDims: boolean;
}
function argExtreme(
  name: string,
  doc: string,
  onnx: string,
  better: (a: number, b: number) => boolean,
): OpDef<ArgAttrs> {
  return {
    name,
    doc,
    infer: ([x], { axis, keepDims }) => {
      if (x.dtype === 'bool' || x.dtype === 'uint32')
        throw new DecantError('shape', `not defined for ${x.dtype}`, { fix: "cast(x, 'int32') first" });
      if (x.shape.length === 0) throw new DecantError('shape', 'needs an axis', { seen: x.shape });
      if (x.shape[axis] === 0) throw new DecantError('shape', 'the axis is empty', { seen: x.shape });
      return [{ shape: reducedShape(x.shape, { axes: [axis], keepDims }), dtype: 'int32' }];
    },
    evaluate: ([x], { attrs }) => {
      const [outer, n, inner] = around(x.shape, attrs.axis);
      const out = new Float64Array(outer * inner);
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) {
          let best = o * n * inner + i;
          let at = 0;
          for (let k = 1; k < n; k++) {
            const j = (o * n + k) * inner + i;
            if (better(x.data[j], x.data[best])) {
              best = j;
              at = k;
            }
          }
          out[o * inner + i] = at;
        }
      }
      return [out];
    },
    vjp: 'none',
    emit: (e, [x], { attrs }) => [
      e.cast(e.node(onnx, [x], { axis: attrs.axis, keepdims: attrs.keepDims ? 1 : 0 }), 'int32'),
    ],
  };
}
export const argmaxOp = argExtreme('argmax', 'index of the (first) maximum', 'ArgMax', (a, b) => a > b);
export const argminOp = argExtreme('argmin', 'index of the (first) minimum', 'ArgMin', (a, b) => a < b);

/** Index of the maximum along `axis` (the first at ties); int32. */
export const argmax = (x: Tensor, axis = -1, keepDims = false): Tensor =>
  apply(argmaxOp, [x], { axis: normalizeAxis(axis, x.rank), keepDims });
/** Index of the minimum along `axis` (the first at ties); int32. */
export const argmin = (x: Tensor, axis = -1, keepDims = false): Tensor =>
  apply(argminOp, [x], { axis: normalizeAxis(axis, x.rank), keepDims });

interface CumsumAttrs {
  axis: number;
  exclusive: boolean;
  reverse: boolean;
}
export const cumsumOp: OpDef<CumsumAttrs> = {
  name: 'cumsum',
  doc: 'running sum along an axis, inclusive or exclusive, forwards or backwards',
  infer: ([x]) => {
    if (x.dtype === 'bool' || x.dtype === 'uint8' || x.dtype === 'uint32')
      throw new DecantError('shape', `not defined for ${x.dtype}`, { fix: "cast(x, 'int32') first" });
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  evaluate: ([x], { attrs: { axis, exclusive, reverse } }) => {
    const [outer, n, inner] = around(x.shape, axis);
    const out = new Float64Array(x.data.length);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        let s = 0;
        for (let k = 0; k < n; k++) {
          const at = (o * n + (reverse ? n - 1 - k : k)) * inner + i;
          const next = s + x.data[at];
          out[at] = exclusive ? s : next;
          s = next;
        }
      }
    }
    return [out];
  },
  vjp: ({ attrs, grads: [g] }) => [apply(cumsumOp, [g!], { ...attrs, reverse: !attrs.reverse })],
  emit: (e, [x], { attrs: { axis, exclusive, reverse } }) => [
    e.node('CumSum', [x, e.scalar(axis, 'int64')], {
      exclusive: exclusive ? 1 : 0,
      reverse: reverse ? 1 : 0,
    }),
  ],
};

/** Running sum along `axis`; `exclusive` leaves the element itself out, `reverse` runs from the end. */
export const cumsum = (
  x: Tensor,
  axis = -1,
  { exclusive = false, reverse = false }: { exclusive?: boolean; reverse?: boolean } = {},
): Tensor => apply(cumsumOp, [x], { axis: normalizeAxis(axis, x.rank), exclusive, reverse });
