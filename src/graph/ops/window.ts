import { DecantError } from '../../util/errors.ts';
import { type Dim, dimAdd, dimFloorDiv, type Shape, showShape } from '../shape.ts';

/** Geometry of a sliding window over the spatial axes of `[batch, channels, ...]`; `pads` is all begins, then all ends. */
export interface Window {
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

export interface WindowOptions {
  /** Step per spatial axis (or one for all); default 1. */
  strides?: number | readonly number[];
  /** Zeros around: one for all sides, one per axis, or all begins then all ends; default 0. */
  pads?: number | readonly number[];
  /** Distance between the taps of the window; default 1. */
  dilations?: number | readonly number[];
}

export function resolveWindow(rank: number, o: WindowOptions, defaultStrides?: readonly number[]): Window {
  const spread = (what: string, v: number | readonly number[] | undefined, dflt: number, min: number) => {
    const list = v === undefined || typeof v === 'number' ? Array<number>(rank).fill(v ?? dflt) : [...v];
    const fits = list.length === rank || (what === 'pads' && list.length === 2 * rank);
    if (!fits || list.some((x) => !Number.isInteger(x) || x < min)) {
      throw new DecantError('shape', `${what} do not fit a window over ${rank} spatial axes`, {
        seen: v,
        allowed: `integers of at least ${min}, ${rank}${what === 'pads' ? ` or ${2 * rank}` : ''} of them`,
      });
    }
    return list;
  };
  const pads = spread('pads', o.pads, 0, 0);
  return {
    strides: spread('strides', o.strides ?? defaultStrides, 1, 1),
    pads: pads.length === rank ? [...pads, ...pads] : pads,
    dilations: spread('dilations', o.dilations, 1, 1),
  };
}

/** Sizes after the window has slid: floor((size + pads - dilation·(k - 1) - 1) / stride) + 1 per axis. */
export function slidSizes(spatial: Shape, kernel: readonly number[], w: Window): Shape {
  const rank = kernel.length;
  return spatial.map((d, i) => {
    const room = w.pads[i] + w.pads[i + rank] - w.dilations[i] * (kernel[i] - 1) - 1;
    const steps: Dim = dimFloorDiv(dimAdd(d, room), w.strides[i]);
    const out = dimAdd(steps, 1);
    if (typeof out === 'number' && out < 1) {
      throw new DecantError('shape', 'the window is larger than the padded input', {
        seen: `window [${kernel}], dilations [${w.dilations}], pads [${w.pads}], input ${showShape(spatial)}`,
      });
    }
    return out;
  });
}

/** For the oracle: where tap `t` of the window at output position `p` reads, as `[t · positions + p]`; -1 in the padding. */
export function windowIndex(
  spatial: readonly number[],
  kernel: readonly number[],
  out: readonly number[],
  w: Window,
): Int32Array {
  const taps = kernel.reduce((a, b) => a * b, 1);
  const positions = out.reduce((a, b) => a * b, 1);
  const index = new Int32Array(taps * positions);
  const rank = kernel.length;
  for (let t = 0; t < taps; t++) {
    for (let p = 0; p < positions; p++) {
      let at = 0;
      let stride = 1;
      let restT = t;
      let restP = p;
      for (let axis = rank - 1; axis >= 0; axis--) {
        const k = restT % kernel[axis];
        const o = restP % out[axis];
        restT = (restT - k) / kernel[axis];
        restP = (restP - o) / out[axis];
        const x = o * w.strides[axis] + k * w.dilations[axis] - w.pads[axis];
        if (x < 0 || x >= spatial[axis]) at = Number.NaN;
        at += x * stride;
        stride *= spatial[axis];
      }
      index[t * positions + p] = Number.isNaN(at) ? -1 : at;
    }
  }
  return index;
}
