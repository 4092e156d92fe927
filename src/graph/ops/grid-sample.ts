import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import type { OpDef } from '../op.ts';
import { dimEquals, dimProduct, isSymbolic, showShape } from '../shape.ts';
import { apply, type Tensor } from '../tensor.ts';
import { add, mul, sub } from './arithmetic.ts';
import { broadcastTo, fill, reshape } from './basic.ts';
import { cast, greaterEqual, lessEqual, logicalAnd } from './compare.ts';
import { clip, floor } from './elementwise.ts';
import { gatherElements, scatterAdd } from './indexing.ts';
import { sum } from './reduce.ts';
import { concat, slice } from './slicing.ts';

export interface GridSampleAttrs {
  /** Outside the image: zeros, or the nearest border pixel. */
  readonly padding: 'zeros' | 'border';
  /** -1 and 1 are the centres of the corner pixels (true) or the image's edges (false). */
  readonly alignCorners: boolean;
}

/** Pixel coordinate of a normalized one: slope · v + shift. */
const toPixels = (size: number, { alignCorners }: GridSampleAttrs): [slope: number, shift: number] =>
  alignCorners ? [(size - 1) / 2, (size - 1) / 2] : [size / 2, (size - 1) / 2];

export const gridSampleOp: OpDef<GridSampleAttrs> = {
  name: 'gridSample',
  doc: 'bilinear samples of images [n, c, h, w] at points [n, ho, wo, (x, y)] in [-1, 1]',
  infer: ([x, grid]) => {
    const ok =
      x.shape.length === 4 &&
      grid.shape.length === 4 &&
      grid.shape[3] === 2 &&
      dimEquals(x.shape[0], grid.shape[0]);
    if (!ok || !isFloat(x.dtype) || x.dtype !== grid.dtype) {
      throw new DecantError('shape', 'expected images and sampling points', {
        seen: `${showShape(x.shape)} and ${showShape(grid.shape)}`,
        allowed: '[batch, channels, height, width] and [batch, rows, columns, 2] of one float type',
      });
    }
    if (isSymbolic(x.shape[2]) || isSymbolic(x.shape[3]))
      throw new DecantError('shape', 'height and width must be known sizes', { seen: showShape(x.shape) });
    return [{ shape: [x.shape[0], x.shape[1], grid.shape[1], grid.shape[2]], dtype: x.dtype }];
  },
  evaluate: ([x, grid], { attrs, types: [t] }) => {
    const [n, c, h, w] = x.shape;
    const points = t.shape[2] * t.shape[3];
    const out = new Float64Array(n * c * points);
    const [sx, ox] = toPixels(w, attrs);
    const [sy, oy] = toPixels(h, attrs);
    const inside = (v: number, size: number): number =>
      attrs.padding === 'border' ? Math.min(Math.max(v, 0), size - 1) : v;
    for (let b = 0; b < n; b++) {
      for (let p = 0; p < points; p++) {
        const at = 2 * (b * points + p);
        const px = inside(grid.data[at] * sx + ox, w);
        const py = inside(grid.data[at + 1] * sy + oy, h);
        const [x0, y0] = [Math.floor(px), Math.floor(py)];
        for (let corner = 0; corner < 4; corner++) {
          const [xi, yi] = [x0 + (corner & 1), y0 + (corner >> 1)];
          if (xi < 0 || yi < 0 || xi >= w || yi >= h) continue;
          const weight = (1 - Math.abs(px - xi)) * (1 - Math.abs(py - yi));
          for (let k = 0; k < c; k++)
            out[(b * c + k) * points + p] += weight * x.data[((b * c + k) * h + yi) * w + xi];
        }
      }
    }
    return [out];
  },
  vjp: ({ inputs: [x, grid], attrs, grads: [g], needs }) => {
    const [n, c] = x.shape;
    const [h, w] = x.shape.slice(2) as number[];
    const points = dimProduct(grid.shape.slice(1, 3));
    const across = axisWeights(coordinate(grid, 0, points), w, attrs);
    const down = axisWeights(coordinate(grid, 1, points), h, attrs);
    const gFlat = reshape(g!, [n, c, points]);
    const pixels = reshape(x, [n, c, h * w]);
    let image = fill(pixels.shape, 0, x.dtype);
    let [gx, gy]: (Tensor | undefined)[] = [];
    for (const a of across.ends) {
      for (const d of down.ends) {
        const index = broadcastTo(add(mul(d.index, w), a.index), gFlat.shape);
        if (needs(0)) image = scatterAdd(image, index, mul(gFlat, mul(a.weight, d.weight)), 2);
        if (needs(1)) {
          const value = sum(mul(gFlat, gatherElements(pixels, index, 2)), 1, true);
          const [dx, dy] = [mul(value, mul(a.slope, d.weight)), mul(value, mul(a.weight, d.slope))];
          gx = gx ? add(gx, dx) : dx;
          gy = gy ? add(gy, dy) : dy;
        }
      }
    }
    return [needs(0) ? reshape(image, x.shape) : undefined, gx && gy ? interleave(gx, gy, grid) : undefined];
  },
  emit: (e, inputs, { attrs }) => [
    e.node('GridSample', inputs, {
      mode: 'linear',
      padding_mode: attrs.padding,
      align_corners: attrs.alignCorners ? 1 : 0,
    }),
  ],
};

/** One coordinate of the grid: `[n, 1, points]`. */
const coordinate = (grid: Tensor, which: number, points: Tensor['shape'][number]): Tensor =>
  reshape(slice(grid, { starts: [which], ends: [which + 1], axes: [3] }), [grid.shape[0], 1, points]);

interface End {
  /** int32 pixel, clipped to the image */
  index: Tensor;
  /** 0 outside the image */
  weight: Tensor;
  /** derivative of the weight in the normalized coordinate */
  slope: Tensor;
}

/** The two neighbours of each coordinate along one axis of the image. */
function axisWeights(v: Tensor, size: number, attrs: GridSampleAttrs): { ends: End[] } {
  const [slope, shift] = toPixels(size, attrs);
  const raw = add(mul(v, slope), shift);
  const last = size - 1;
  const moves =
    attrs.padding === 'border'
      ? cast(logicalAnd(greaterEqual(raw, 0), lessEqual(raw, last)), v.dtype)
      : undefined;
  const at = moves ? clip(raw, 0, last) : raw;
  const low = floor(at);
  const fraction = sub(at, low);
  const end = (pixel: Tensor, weight: Tensor, sign: number): End => {
    const valid = cast(logicalAnd(greaterEqual(pixel, 0), lessEqual(pixel, last)), v.dtype);
    const rate = mul(valid, sign * slope);
    return {
      index: cast(clip(pixel, 0, last), 'int32'),
      weight: mul(weight, valid),
      slope: moves ? mul(rate, moves) : rate,
    };
  };
  return { ends: [end(low, sub(1, fraction), -1), end(add(low, 1), fraction, 1)] };
}

/** `[n, 1, points]` twice → the grid's shape. */
function interleave(gx: Tensor, gy: Tensor, grid: Tensor): Tensor {
  const [n, rows, columns] = grid.shape;
  const column = (t: Tensor): Tensor => reshape(t, [n, rows, columns, 1]);
  return concat([column(gx), column(gy)], 3);
}

export interface GridSampleOptions {
  padding?: 'zeros' | 'border';
  alignCorners?: boolean;
}

/**
 * Bilinear samples of images `[batch, channels, h, w]` at points `[batch, rows, columns, 2]`, (x, y) in [-1, 1]:
 * `[batch, channels, rows, columns]` (Jaderberg et al., 2015, eq. 5). Differentiable in the images and the points.
 */
export const gridSample = (
  x: Tensor,
  grid: Tensor,
  { padding = 'zeros', alignCorners = false }: GridSampleOptions = {},
): Tensor => apply(gridSampleOp, [x, grid], { padding, alignCorners });
