import type { RefArray } from '../op.ts';
import type { ConvAttrs } from './conv.ts';
import { gemm } from './gemm.ts';
import { sizeOf } from './kernels.ts';
import { windowIndex } from './window.ts';

// The oracle's three convolutions: patches ("im2col") and one matrix product per sample and group. `x` is [n, c, ...],
// `w` [o, c/groups, ...], `g` [n, o, ...].

interface Sizes {
  n: number;
  groups: number;
  /** channels in, channels out, per group */
  c: number;
  o: number;
  taps: number;
  positions: number;
  pixels: number;
  index: Int32Array;
}

function sizes(x: readonly number[], w: readonly number[], g: readonly number[], attrs: ConvAttrs): Sizes {
  const [spatial, kernel, out] = [x.slice(2), w.slice(2), g.slice(2)];
  return {
    n: x[0],
    groups: attrs.groups,
    c: w[1],
    o: w[0] / attrs.groups,
    taps: sizeOf(kernel),
    positions: sizeOf(out),
    pixels: sizeOf(spatial),
    index: windowIndex(spatial, kernel, out, attrs),
  };
}

/** Patches of group `group` of sample `n`: [c · taps, positions]. */
function patches(x: Float64Array, s: Sizes, n: number, group: number, cols: Float64Array): void {
  for (let c = 0; c < s.c; c++) {
    const from = ((n * s.groups + group) * s.c + c) * s.pixels;
    const to = c * s.taps * s.positions;
    for (let i = 0; i < s.index.length; i++) cols[to + i] = s.index[i] < 0 ? 0 : x[from + s.index[i]];
  }
}

export function convForward(
  x: RefArray,
  w: RefArray,
  attrs: ConvAttrs,
  outShape: readonly number[],
): Float64Array {
  const s = sizes(x.shape, w.shape, outShape, attrs);
  const y = new Float64Array(sizeOf(outShape));
  const k = s.c * s.taps;
  const cols = new Float64Array(k * s.positions);
  for (let n = 0; n < s.n; n++) {
    for (let group = 0; group < s.groups; group++) {
      patches(x.data, s, n, group, cols);
      gemm(
        s.o,
        s.positions,
        k,
        { data: w.data, offset: group * s.o * k, row: k, col: 1 },
        { data: cols, offset: 0, row: s.positions, col: 1 },
        y,
        (n * s.groups + group) * s.o * s.positions,
      );
    }
  }
  return y;
}

export function convToInput(
  g: RefArray,
  w: RefArray,
  attrs: ConvAttrs,
  xShape: readonly number[],
): Float64Array {
  const s = sizes(xShape, w.shape, g.shape, attrs);
  const x = new Float64Array(sizeOf(xShape));
  const k = s.c * s.taps;
  const cols = new Float64Array(k * s.positions);
  for (let n = 0; n < s.n; n++) {
    for (let group = 0; group < s.groups; group++) {
      cols.fill(0);
      gemm(
        k,
        s.positions,
        s.o,
        { data: w.data, offset: group * s.o * k, row: 1, col: k },
        {
          data: g.data,
          offset: (n * s.groups + group) * s.o * s.positions,
          row: s.positions,
          col: 1,
        },
        cols,
      );
      for (let c = 0; c < s.c; c++) {
        const to = ((n * s.groups + group) * s.c + c) * s.pixels;
        const from = c * s.taps * s.positions;
        for (let i = 0; i < s.index.length; i++) if (s.index[i] >= 0) x[to + s.index[i]] += cols[from + i];
      }
    }
  }
  return x;
}

export function convToWeight(
  x: RefArray,
  g: RefArray,
  attrs: ConvAttrs,
  wShape: readonly number[],
): Float64Array {
  const s = sizes(x.shape, wShape, g.shape, attrs);
  const w = new Float64Array(sizeOf(wShape));
  const k = s.c * s.taps;
  const cols = new Float64Array(k * s.positions);
  for (let n = 0; n < s.n; n++) {
    for (let group = 0; group < s.groups; group++) {
      patches(x.data, s, n, group, cols);
      gemm(
        s.o,
        k,
        s.positions,
        {
          data: g.data,
          offset: (n * s.groups + group) * s.o * s.positions,
          row: s.positions,
          col: 1,
        },
        { data: cols, offset: 0, row: 1, col: s.positions },
        w,
        group * s.o * k,
      );
    }
  }
  return w;
}
