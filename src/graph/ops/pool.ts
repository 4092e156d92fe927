import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import { full } from '../ndarray.ts';
import type { OpDef } from '../op.ts';
import { dimEquals, dimMul, dimProduct, type Shape, showShape } from '../shape.ts';
import { apply, type Tensor, type TensorType } from '../tensor.ts';
import { div } from './arithmetic.ts';
import { fill, reshape } from './basic.ts';
import { floatOperand } from './checks.ts';
import { emitConvToInput } from './conv-emit.ts';
import { emitScatterAdd, gatherElements } from './indexing.ts';
import { sizeOf } from './kernels.ts';
import { max, mean } from './reductions.ts';
import { resolveWindow, slidSizes, type Window, type WindowOptions, windowIndex } from './window.ts';

export interface PoolAttrs extends Window {
  readonly kernel: readonly number[];
}

function pooled(x: TensorType, a: PoolAttrs): Shape {
  if (!isFloat(x.dtype) || x.shape.length !== a.kernel.length + 2) {
    throw new DecantError('shape', 'pooling takes floats of shape [batch, channels, ...space]', {
      seen: `${x.dtype}${showShape(x.shape)}`,
      allowed: `${a.kernel.length} spatial axes`,
    });
  }
  return [...x.shape.slice(0, 2), ...slidSizes(x.shape.slice(2), a.kernel, a)];
}

/** For each plane [batch · channels] and output position: the place of the first maximum in the plane. */
function winners(x: Float64Array, shape: readonly number[], out: readonly number[], a: PoolAttrs) {
  const planes = shape[0] * shape[1];
  const index = windowIndex(shape.slice(2), a.kernel, out.slice(2), a);
  const taps = sizeOf(a.kernel);
  const positions = sizeOf(out.slice(2));
  const pixels = sizeOf(shape.slice(2));
  const best = new Int32Array(planes * positions);
  for (let plane = 0; plane < planes; plane++) {
    for (let p = 0; p < positions; p++) {
      let at = -1;
      for (let t = 0; t < taps; t++) {
        const i = index[t * positions + p];
        if (i >= 0 && (at < 0 || x[plane * pixels + i] > x[plane * pixels + at])) at = i;
      }
      best[plane * positions + p] = at;
    }
  }
  return { best, pixels, positions };
}

const onnxWindow = (a: PoolAttrs) => ({ kernel_shape: a.kernel, strides: a.strides, pads: a.pads });

export const maxPoolOp: OpDef<PoolAttrs> = {
  name: 'maxPool',
  doc: 'maximum over a sliding window',
  infer: ([x], attrs) => [{ shape: pooled(x, attrs), dtype: x.dtype }],
  evaluate: ([x], { attrs, types: [t] }) => {
    const { best, pixels, positions } = winners(x.data, x.shape, t.shape, attrs);
    const value = (at: number, i: number): number =>
      at < 0 ? Number.NEGATIVE_INFINITY : x.data[Math.floor(i / positions) * pixels + at];
    return [Float64Array.from(best, value)];
  },
  // the gradient flows to the winner only; read back by its place, so that it can be differentiated again
  vjp: ({ inputs: [x], attrs, grads: [g] }) => {
    const at = apply(maxPoolIndexOp, [x], attrs);
    return [apply(scatterPlanesOp, [g!, at], { spatial: x.shape.slice(2) })];
  },
  emit: (e, [x], { attrs }) => [e.node('MaxPool', [x], { ...onnxWindow(attrs), dilations: attrs.dilations })],
};

export const maxPoolIndexOp: OpDef<PoolAttrs> = {
  name: 'maxPoolIndex',
  doc: 'place of the first maximum of each window in its plane',
  infer: ([x], attrs) => [{ shape: pooled(x, attrs), dtype: 'int32' }],
  evaluate: ([x], { attrs, types: [t] }) => [
    Float64Array.from(winners(x.data, x.shape, t.shape, attrs).best),
  ],
  vjp: 'none',
  emit: (e, [x], { attrs, inputs: [t] }) => {
    const [, flat] = e.nodes('MaxPool', [x], 2, { ...onnxWindow(attrs), dilations: attrs.dilations });
    // ONNX counts over the whole tensor
    const inPlane = e.node('Mod', [flat, e.dim(dimProduct(t.shape.slice(2)))]);
    return [e.cast(inPlane, 'int32')];
  },
};

/** Adds each value to its place in an empty plane. Windows may overlap. */
export const scatterPlanesOp: OpDef<{ spatial: Shape }> = {
  name: 'maxUnpool',
  doc: 'values added at their places in planes of zeros: the adjoint of reading them there',
  infer: ([g], { spatial }) => [
    { shape: [...floatOperand(g).shape.slice(0, 2), ...spatial], dtype: g.dtype },
  ],
  evaluate: ([g, at], { types: [t] }) => {
    const out = new Float64Array(sizeOf(t.shape));
    const positions = sizeOf(g.shape.slice(2));
    const pixels = sizeOf(t.shape.slice(2));
    for (let i = 0; i < g.data.length; i++)
      if (at.data[i] >= 0) out[Math.floor(i / positions) * pixels + at.data[i]] += g.data[i];
    return [out];
  },
  vjp: ({ inputs: [g, at], attrs: { spatial }, grads: [z] }) => {
    const lead = g.shape.slice(0, 2);
    const planes = reshape(z!, [...lead, dimProduct(spatial)]);
    const places = reshape(at, [...lead, dimProduct(at.shape.slice(2))]);
    return [reshape(gatherElements(planes, places, 2), g.shape), undefined];
  },
  emit: (e, [g, at], { inputs: [t], outputs: [out] }) => {
    const flat = (shape: Shape): Shape => [...shape.slice(0, 2), dimProduct(shape.slice(2))];
    const line = (x: string): string =>
      e.node('Reshape', [x, e.reshapeTarget(flat(t.shape))], { allowzero: 1 });
    const empty = e.node('Expand', [e.scalar(0, t.dtype), e.shape(flat(out.shape))]);
    const filled = emitScatterAdd(e, [empty, line(at), line(g)], 2, t.dtype);
    return [e.node('Reshape', [filled, e.reshapeTarget(out.shape)], { allowzero: 1 })];
  },
};

export const avgPoolOp: OpDef<PoolAttrs> = {
  name: 'avgPool',
  doc: 'mean over a sliding window, padding counted as zeros',
  infer: ([x], attrs) => [{ shape: pooled(x, attrs), dtype: x.dtype }],
  evaluate: ([x], { attrs, types: [t] }) => {
    const index = windowIndex(x.shape.slice(2), attrs.kernel, t.shape.slice(2), attrs);
    const [taps, positions, pixels] = [attrs.kernel, t.shape.slice(2), x.shape.slice(2)].map(sizeOf);
    const out = new Float64Array(sizeOf(t.shape));
    for (let i = 0; i < out.length; i++) {
      const p = i % positions;
      const plane = ((i - p) / positions) * pixels;
      for (let k = 0; k < taps; k++) {
        const at = index[k * positions + p];
        if (at >= 0) out[i] += x.data[plane + at] / taps;
      }
    }
    return [out];
  },
  vjp: ({ inputs: [x], attrs, grads: [g] }) => [
    apply(avgPoolBackOp, [g!], { ...attrs, spatial: x.shape.slice(2) }),
  ],
  emit: (e, [x], { attrs }) => [
    e.node('AveragePool', [x], {
      ...onnxWindow(attrs),
      count_include_pad: 1,
    }),
  ],
};

export const avgPoolBackOp: OpDef<PoolAttrs & { spatial: Shape }> = {
  name: 'avgUnpool',
  doc: 'each value spread evenly over its window: the adjoint of avgPool',
  infer: ([g], { spatial }) => [
    { shape: [...floatOperand(g).shape.slice(0, 2), ...spatial], dtype: g.dtype },
  ],
  evaluate: ([g], { attrs, types: [t] }) => {
    const index = windowIndex(t.shape.slice(2), attrs.kernel, g.shape.slice(2), attrs);
    const [taps, positions, pixels] = [attrs.kernel, g.shape.slice(2), t.shape.slice(2)].map(sizeOf);
    const out = new Float64Array(sizeOf(t.shape));
    for (let i = 0; i < g.data.length; i++) {
      const p = i % positions;
      const plane = ((i - p) / positions) * pixels;
      for (let k = 0; k < taps; k++) {
        const at = index[k * positions + p];
        if (at >= 0) out[plane + at] += g.data[i] / taps;
      }
    }
    return [out];
  },
  vjp: ({ attrs: { kernel, strides, pads, dilations }, grads: [z] }) => [
    apply(avgPoolOp, [z!], { kernel, strides, pads, dilations }),
  ],
  emit: (e, [g], { attrs, inputs: [t], outputs: [out] }) => {
    const { kernel, strides, pads, spatial } = attrs;
    const share = 1 / sizeOf(kernel);
    const tiled = spatial.every(
      (d, i) => kernel[i] === strides[i] && dimEquals(d, dimMul(t.shape[i + 2], strides[i])),
    );
    if (tiled && pads.every((p) => p === 0)) {
      // windows tile the plane: repeat each value
      const lead = t.shape.slice(0, 2);
      const narrow = [...lead, ...t.shape.slice(2).flatMap((d) => [d, 1])];
      const wide = [...lead, ...t.shape.slice(2).flatMap((d, i) => [d, kernel[i]])];
      const scaled = e.node('Mul', [g, e.scalar(share, t.dtype)]);
      const split = e.node('Reshape', [scaled, e.reshapeTarget(narrow)], { allowzero: 1 });
      const repeated = e.node('Expand', [split, e.shape(wide)]);
      return [e.node('Reshape', [repeated, e.reshapeTarget(out.shape)], { allowzero: 1 })];
    }
    // a transposed convolution of single planes with a constant kernel
    const planes = dimProduct(t.shape.slice(0, 2));
    const asPlanes = (s: Shape): Shape => [planes, 1, ...s.slice(2)];
    const kernelShape = [1, 1, ...kernel];
    const x = e.node('Reshape', [g, e.reshapeTarget(asPlanes(t.shape))], { allowzero: 1 });
    const y = emitConvToInput(e, [x, e.constant(full(kernelShape, share, t.dtype))], {
      attrs: { ...attrs, groups: 1 },
      inputs: [
        { shape: asPlanes(t.shape), dtype: t.dtype },
        { shape: kernelShape, dtype: t.dtype },
      ],
      outputs: [{ shape: asPlanes(out.shape), dtype: t.dtype }],
    });
    return [e.node('Reshape', [y, e.reshapeTarget(out.shape)], { allowzero: 1 })];
  },
};

function poolAttrs(x: Tensor, kernel: number | readonly number[], options: WindowOptions): PoolAttrs {
  const rank = x.rank - 2;
  const size = typeof kernel === 'number' ? Array<number>(Math.max(rank, 0)).fill(kernel) : [...kernel];
  const window = resolveWindow(size.length, options, size);
  if (window.pads.some((p, i) => p >= size[i % size.length] * window.dilations[i % size.length])) {
    throw new DecantError('shape', 'pads of a pooling window must be smaller than the window', {
      seen: `pads [${window.pads}], window [${size}]`,
    });
  }
  return { ...window, kernel: size };
}

/** Maximum over windows of `[batch, channels, ...space]`; strides default to the window's size. */
export const maxPool = (x: Tensor, kernel: number | readonly number[], options: WindowOptions = {}): Tensor =>
  apply(maxPoolOp, [x], poolAttrs(x, kernel, options));

export interface AvgPoolOptions extends Omit<WindowOptions, 'dilations'> {
  /** Count the padding as zeros (PyTorch's default) or leave it out of the mean; default true. */
  countPadding?: boolean;
}

/** Mean over windows of `[batch, channels, ...space]`; strides default to the window's size. */
export function avgPool(x: Tensor, kernel: number | readonly number[], options: AvgPoolOptions = {}): Tensor {
  const { countPadding = true, ...window } = options;
  const attrs = poolAttrs(x, kernel, window);
  const y = apply(avgPoolOp, [x], attrs);
  if (countPadding || attrs.pads.every((p) => p === 0)) return y;
  // the mean of ones is the share of each window that is not padding
  return div(y, apply(avgPoolOp, [fill([1, 1, ...x.shape.slice(2)], 1, x.dtype)], attrs));
}

const spatialAxes = (x: Tensor): number[] => x.shape.slice(2).map((_, i) => i + 2);
/** Mean over all of space: `[batch, channels, ...]` → `[batch, channels]`, or with sizes 1 if `keepDims`. */
export const globalAvgPool = (x: Tensor, keepDims = false): Tensor => mean(x, spatialAxes(x), keepDims);
/** Maximum over all of space: `[batch, channels, ...]` → `[batch, channels]`, or with sizes 1 if `keepDims`. */
export const globalMaxPool = (x: Tensor, keepDims = false): Tensor => max(x, spatialAxes(x), keepDims);
