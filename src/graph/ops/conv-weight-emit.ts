import type { DType } from '../dtype.ts';
import { cast, zeros } from '../ndarray.ts';
import type { EmitContext, Emitter } from '../op.ts';
import { isSymbolic, dimMul as mulDim, type Shape } from '../shape.ts';
import type { ToWeightAttrs } from './conv.ts';
import { range } from './conv-emit.ts';
import { sizeOf } from './kernels.ts';
import { slidSizes } from './window.ts';

// The kernel gradient dw[o, c, k] = Σ g[n, o, p] · x[n, c, p + k] as matrix products over positions. Measurements and
// the ways that lost are in docs/decisions (convolution gradients).

/** Sizes of a convolution of known spatial sizes over one or two axes; one axis is a row of height 1. */
interface Plane {
  dtype: DType;
  n: Shape[number];
  /** channels in and out, per group */
  c: number;
  o: number;
  groups: number;
  x: readonly [number, number];
  out: readonly [number, number];
  kernel: readonly [number, number];
  strides: readonly [number, number];
  dilations: readonly [number, number];
  /** top, left, bottom, right */
  pads: readonly [number, number, number, number];
}

function planeOf({ attrs, inputs: [x, g] }: EmitContext<ToWeightAttrs>): Plane | undefined {
  const spatial = [...x.shape.slice(2)];
  const rank = spatial.length;
  if (rank > 2 || spatial.some(isSymbolic)) return undefined;
  const two = (v: readonly number[], missing: number): [number, number] =>
    rank === 2 ? [v[0], v[1]] : [missing, v[0]];
  const out = slidSizes(spatial, attrs.kernel, attrs) as number[];
  const [top, left] = two(attrs.pads.slice(0, rank), 0);
  const [bottom, right] = two(attrs.pads.slice(rank), 0);
  return {
    dtype: x.dtype,
    n: x.shape[0],
    c: (x.shape[1] as number) / attrs.groups,
    o: (g.shape[1] as number) / attrs.groups,
    groups: attrs.groups,
    x: two(spatial as number[], 1),
    out: two(out, 1),
    kernel: two(attrs.kernel, 1),
    strides: two(attrs.strides, 1),
    dilations: two(attrs.dilations, 1),
    pads: [top, left, bottom, right],
  };
}

export function emitConvToWeight(
  e: Emitter,
  inputs: readonly string[],
  ctx: EmitContext<ToWeightAttrs>,
): string {
  const plane = planeOf(ctx);
  if (!plane) return emitExchanged(e, inputs, ctx);
  const [x, g] = inputs;
  const shifted = plane.strides.every((s) => s === 1) && sizeOf(plane.kernel) > 1;
  const w = shifted ? emitShifted(e, x, g, plane) : emitPatches(e, x, g, plane);
  const { o, c, groups } = plane;
  return e.node('Reshape', [w, e.int64([groups * o, c, ...ctx.attrs.kernel])]);
}

const reshape = (e: Emitter, x: string, shape: Shape): string =>
  e.node('Reshape', [x, e.reshapeTarget(shape)], { allowzero: 1 });
const concat = (e: Emitter, xs: string[], axis: number): string =>
  xs.length === 1 ? xs[0] : e.node('Concat', xs, { axis });
const pad = (e: Emitter, x: string, pads: number[]): string =>
  pads.every((p) => p === 0) ? x : e.node('Pad', [x, e.int64(pads)]);

/** a · bᵀ of each matrix of a batch. */
function timesTransposed(e: Emitter, a: string, b: string, rank: number): string {
  if (!e.standardOnly) return e.node('FusedMatMul', [a, b], { transB: 1 }, 'com.microsoft');
  const perm = range(rank);
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  return e.node('MatMul', [a, e.node('Transpose', [b], { perm })]);
}

/**
 * Stride 1: x moved by each column of the kernel, g by each row, both in rows of the output's width; then every pair
 * of moves is one block of a product [o · kh, rows · width] × [c · kw, rows · width]ᵀ. Copies kw + kh times, not kw · kh.
 */
function emitShifted(e: Emitter, x: string, g: string, p: Plane): string {
  const { n, c, o, groups } = p;
  const [kh, kw] = p.kernel;
  const width = p.out[1];
  const rows = p.x[0] + p.pads[0] + p.pads[2];
  // few positions, many channels: a product per sample would be larger than what it is made of, so multiply once
  if (groups === 1 && kh * o * kw * c > 2 * (c + o) * p.out[0] * width)
    return emitSingleProduct(e, x, g, p, rows);
  const lead: Shape = groups === 1 ? [n] : [n, groups];
  // the moves are depthwise convolutions with one tap each: onnxruntime runs them on all threads, unlike Pad
  const columns = emitMoves(e, reshape(e, x, [n, groups * c, ...p.x]), groups * c, [1, kw], p, p.pads);
  const [top, bottom] = [(kh - 1) * p.dilations[0], (kh - 1) * p.dilations[0]];
  const moves = emitMoves(e, reshape(e, g, [n, groups * o, ...p.out]), groups * o, [kh, 1], p, [
    top,
    0,
    bottom,
    0,
  ]);
  const a = reshape(e, moves, [...lead, o * kh, rows * width]);
  const b = reshape(e, columns, [...lead, c * kw, rows * width]);
  const products = timesTransposed(e, a, b, lead.length + 2);
  const product = e.node('ReduceSum', [products, e.int64([0])], { keepdims: 0 });
  const split = e.node('Reshape', [product, e.int64([groups, o, kh, c, kw])]);
  return e.node('Transpose', [split], { perm: [0, 1, 3, 2, 4] });
}

/** [n, channels, h, w] → [n, channels · taps, ...]: each channel moved by each tap (rows count backwards). */
function emitMoves(
  e: Emitter,
  x: string,
  channels: number,
  window: readonly [number, number],
  p: Plane,
  pads: readonly number[],
): string {
  const taps = sizeOf(window);
  if (taps === 1) return pad(e, x, [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]);
  const kernel = zeros([channels * taps, 1, ...window]);
  for (let i = 0; i < channels * taps; i++) {
    const t = i % taps;
    (kernel.data as Float32Array)[i * taps + (window[0] > 1 ? taps - 1 - t : t)] = 1;
  }
  return e.node('Conv', [x, e.constant(cast(kernel, p.dtype))], {
    kernel_shape: window,
    pads,
    dilations: p.dilations,
    group: channels,
  });
}

/** The same with channels outside and samples inside: one product over the positions of all samples. */
function emitSingleProduct(e: Emitter, x: string, g: string, p: Plane, rows: number): string {
  const { n, c, o } = p;
  const [kh, kw] = p.kernel;
  const [top, left, bottom] = p.pads;
  const width = p.out[1];
  const length = rows * width;
  const used = p.out[0] * width;
  const flip = (t: string): string => e.node('Transpose', [t], { perm: [1, 0, 2, 3] });
  const xs = flip(reshape(e, x, [n, c, ...p.x]));
  const gs = reshape(e, flip(reshape(e, g, [n, o, ...p.out])), [o, n, used]);
  const positions = mulDim(n, length);
  const columns = range(kw).map((j) => {
    const begin = left - j * p.dilations[1];
    const moved = pad(e, xs, [0, 0, top, begin, 0, 0, bottom, width - p.x[1] - begin]);
    return reshape(e, moved, [c, positions]);
  });
  const moves = range(kh).map((i) => {
    const before = i * p.dilations[0] * width;
    const moved = pad(e, gs, [0, 0, before, 0, 0, length - used - before]);
    return reshape(e, moved, [o, positions]);
  });
  const product = e.node('Gemm', [concat(e, moves, 0), concat(e, columns, 0)], { transB: 1 });
  const split = e.node('Reshape', [product, e.int64([kh, o, kw, c])]);
  return e.node('Transpose', [split], { perm: [1, 3, 0, 2] });
}

/** Any stride: the patch of each kernel tap, [taps · c, positions], times g. */
function emitPatches(e: Emitter, x: string, g: string, p: Plane): string {
  const { n, c, o, groups } = p;
  const [kh, kw] = p.kernel;
  const lead: Shape = groups === 1 ? [n] : [n, groups];
  const positions = sizeOf(p.out);
  const [top, left, bottom, right] = p.pads;
  const padded = pad(e, reshape(e, x, [n, groups * c, ...p.x]), [0, 0, top, left, 0, 0, bottom, right]);
  const whole = p.strides.every((s) => s === 1) && kh * kw === 1;
  const taps = range(kh * kw).map((t) => {
    const from = [Math.floor(t / kw) * p.dilations[0], (t % kw) * p.dilations[1]];
    const to = from.map((f, i) => f + (p.out[i] - 1) * p.strides[i] + 1);
    const tap = whole
      ? padded
      : e.node('Slice', [padded, e.int64(from), e.int64(to), e.int64([2, 3]), e.int64(p.strides)]);
    return reshape(e, tap, [...lead, c, positions]);
  });
  const axis = lead.length;
  const a = reshape(e, g, [...lead, o, positions]);
  const products = timesTransposed(e, a, concat(e, taps, axis), axis + 2);
  const sum = e.node('ReduceSum', [products, e.int64([0])], { keepdims: 0 });
  const split = e.node('Reshape', [sum, e.int64([groups, o, kh * kw, c])]);
  return e.node('Transpose', [split], { perm: [0, 1, 3, 2] });
}

/** Kernel gradient by a convolution with batch and channels exchanged: always possible, not fast. */
function emitExchanged(e: Emitter, [x, g]: readonly string[], ctx: EmitContext<ToWeightAttrs>): string {
  const { attrs, inputs } = ctx;
  const rank = attrs.kernel.length;
  const space = range(rank, 2);
  const [n, c, ...size] = inputs[0].shape;
  const { groups } = attrs;
  let images = x;
  if (groups > 1) {
    const per = (c as number) / groups;
    const split = e.node('Reshape', [x, e.reshapeTarget([n, groups, per, ...size])], { allowzero: 1 });
    const moved = e.node('Transpose', [split], { perm: [2, 1, 0, ...space.map((a) => a + 1)] });
    images = e.node('Reshape', [moved, e.reshapeTarget([per, mulDim(n, groups), ...size])], {
      allowzero: 1,
    });
  } else images = e.node('Transpose', [x], { perm: [1, 0, ...space] });
  const filters = e.node('Transpose', [g], { perm: [1, 0, ...space] });
  const y = e.node('Conv', [images, filters], {
    strides: attrs.dilations,
    dilations: attrs.strides,
    pads: attrs.pads,
    group: groups,
  });
  const w = e.node('Transpose', [y], { perm: [1, 0, ...space] });
  // a stride that does not divide the room leaves further taps
  if (attrs.strides.every((s) => s === 1)) return w;
  return e.node('Slice', [w, e.int64(space.map(() => 0)), e.int64(attrs.kernel), e.int64(space)]);
}
