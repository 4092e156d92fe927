import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import { array } from '../ndarray.ts';
import type { Emitter, OpDef } from '../op.ts';
import {
  type Dim,
  dimEquals,
  dimFloorDiv,
  dimProduct,
  isSymbolic,
  normalizeAxis,
  shapeEquals,
  showShape,
} from '../shape.ts';
import { apply, applyAll, constant, type Tensor, type TensorType } from '../tensor.ts';
import { add, div, mul, sub } from './arithmetic.ts';
import { fill, reshape } from './basic.ts';
import { cast } from './compare.ts';
import { sum, sumTo } from './reduce.ts';
import { size } from './sizes.ts';

export interface NormAttrs {
  /** First of the normalized axes, which run to the last. */
  readonly axis: number;
  readonly eps: number;
  /** Subtract the mean (layer norm) or not (RMS norm). */
  readonly center: boolean;
}

/** x / n, n a size that may be symbolic. */
export const divideBySize = (x: Tensor, n: Dim): Tensor =>
  isSymbolic(n) ? div(x, cast(size(n, 'float32'), x.dtype)) : mul(x, constant(array(1 / n, x.dtype, [])));

/** Types of [y, 1/std]. */
function inferNorm([x, scale, bias]: readonly TensorType[], { axis }: NormAttrs): TensorType[] {
  if (!isFloat(x.dtype))
    throw new DecantError('shape', `not defined for ${x.dtype}`, { fix: 'cast to a float type first' });
  for (const [what, t] of [
    ['scale', scale],
    ['bias', bias],
  ] as const) {
    if (t && (!shapeEquals(t.shape, x.shape.slice(axis)) || t.dtype !== x.dtype)) {
      throw new DecantError('shape', `the ${what} does not fit`, {
        seen: `${t.dtype}${showShape(t.shape)}`,
        allowed: `${x.dtype}${showShape(x.shape.slice(axis))}`,
      });
    }
  }
  return [x, { shape: x.shape.map((d, i) => (i < axis ? d : 1)), dtype: x.dtype }].map(
    ({ shape, dtype }) => ({
      shape,
      dtype,
    }),
  );
}

/** Layer and RMS normalization: y = (x - mean) · inv · scale + bias, inv = 1/√(mean((x - mean)²) + eps). Outputs y, inv. */
export const layerNormOp: OpDef<NormAttrs> = {
  name: 'layerNorm',
  doc: '(x - mean)/√(var + eps) · scale + bias over the last axes; without the mean for RMS norm',
  infer: inferNorm,
  evaluate: ([x, scale, bias], { attrs: { axis, eps, center } }) => {
    const n = x.shape.slice(axis).reduce((a, b) => a * b, 1);
    const rows = x.shape.slice(0, axis).reduce((a, b) => a * b, 1);
    const y = new Float64Array(x.data.length);
    const inv = new Float64Array(rows);
    for (let r = 0; r < rows; r++) {
      const at = r * n;
      let mean = 0;
      if (center) {
        for (let i = 0; i < n; i++) mean += x.data[at + i];
        mean /= n;
      }
      let square = 0;
      for (let i = 0; i < n; i++) square += (x.data[at + i] - mean) ** 2;
      const s = 1 / Math.sqrt(square / n + eps);
      inv[r] = s;
      for (let i = 0; i < n; i++)
        y[at + i] = (x.data[at + i] - mean) * s * scale.data[i] + (bias ? bias.data[i] : 0);
    }
    return [y, inv];
  },
  vjp: ({ inputs: [x, scale, bias], outputs: [, inv], attrs, grads: [g, gInv], needs }) => {
    const axes = x.shape.flatMap((_, i) => (i < attrs.axis ? [] : [i]));
    const n = dimProduct(x.shape.slice(attrs.axis));
    const mean = (t: Tensor): Tensor => divideBySize(sum(t, axes, true), n);
    const hat = normalized(x, attrs);
    const gHat = g && mul(g, hat);
    let dx: Tensor | undefined;
    if (needs(0) && g && gHat) {
      // inv·(gy - mean(gy) - x̂·mean(gy·x̂)), gy = g·scale
      const gy = mul(g, scale);
      const inner = sub(gy, mul(hat, mean(mul(gHat, scale))));
      dx = mul(attrs.center ? sub(inner, mean(gy)) : inner, inv);
    }
    if (needs(0) && gInv) {
      // ∂inv/∂x = -inv²·x̂/n
      const through = mul(mul(hat, -1), divideBySize(mul(gInv, mul(inv, inv)), n));
      dx = dx ? add(dx, through) : through;
    }
    return [
      dx,
      needs(1) && gHat ? sumTo(gHat, scale.shape) : undefined,
      ...(bias ? [needs(2) && g ? sumTo(g, bias.shape) : undefined] : []),
    ];
  },
  emit: (e, inputs, { attrs, inputs: types }) => {
    if (attrs.center) {
      const [y, , inv] = e.nodes('LayerNormalization', inputs, 3, {
        axis: attrs.axis,
        epsilon: { float: attrs.eps },
      });
      // the statistics are float32 whatever x is
      return [y, types[0].dtype === 'float32' ? inv : e.cast(inv, types[0].dtype)];
    }
    if (e.standardOnly || inputs.length > 2) return emitRms(e, inputs, attrs, types[0]);
    // onnxruntime keeps this one in the standard domain
    return e.nodes('SimplifiedLayerNormalization', inputs, 2, {
      axis: attrs.axis,
      epsilon: { float: attrs.eps },
    });
  },
};

function emitRms(e: Emitter, inputs: readonly string[], attrs: NormAttrs, x: TensorType): string[] {
  const axes = x.shape.flatMap((_, i) => (i < attrs.axis ? [] : [i]));
  const square = e.node('ReduceMean', [e.node('Mul', [inputs[0], inputs[0]]), e.int64(axes)], {
    keepdims: 1,
  });
  const root = e.node('Sqrt', [e.node('Add', [square, e.scalar(attrs.eps, x.dtype)])]);
  const inv = e.node('Reciprocal', [root]);
  const y = e.node('Mul', [e.node('Mul', [inputs[0], inv]), inputs[1]]);
  return [inputs[2] ? e.node('Add', [y, inputs[2]]) : y, inv];
}

/** x̂: normalized, neither scaled nor shifted. Taken again in the backward pass, which is cheaper than keeping it. */
function normalized(x: Tensor, attrs: NormAttrs): Tensor {
  return applyAll(layerNormOp, [x, fill(x.shape.slice(attrs.axis), 1, x.dtype)], attrs)[0];
}

export interface NormOptions {
  /** First of the normalized axes, which run to the last; default -1. */
  axis?: number;
  /** Added to the variance; default 1e-5 (layer norm), 1e-6 (RMS norm). */
  eps?: number;
}

function norm(
  x: Tensor,
  scale: Tensor | undefined,
  bias: Tensor | undefined,
  options: NormOptions,
  center: boolean,
): Tensor {
  const axis = normalizeAxis(options.axis ?? -1, x.rank);
  const gamma = scale ?? fill(x.shape.slice(axis), 1, x.dtype);
  const attrs = { axis, eps: options.eps ?? (center ? 1e-5 : 1e-6), center };
  return apply(layerNormOp, bias ? [x, gamma, bias] : [x, gamma], attrs);
}

/**
 * Layer normalization over the axes from `axis` to the last: (x - mean)/√(var + eps) · scale + bias; scale and bias
 * have the shape of those axes (Ba et al., 2016, eq. 3-4).
 */
export const layerNorm = (x: Tensor, scale?: Tensor, bias?: Tensor, options: NormOptions = {}): Tensor =>
  norm(x, scale, bias, options, true);

/** RMS normalization over the axes from `axis` to the last: x/√(mean(x²) + eps) · scale (Zhang & Sennrich, 2019, eq. 4). */
export const rmsNorm = (x: Tensor, scale?: Tensor, options: NormOptions = {}): Tensor =>
  norm(x, scale, undefined, options, false);

/**
 * Group normalization of `[batch, channels, ...]`: each of `groups` groups of channels by its own mean and variance
 * over channels and space; scale and bias `[channels]` (Wu & He, 2018, eq. 1-2).
 */
export function groupNorm(
  x: Tensor,
  groups: number,
  scale?: Tensor,
  bias?: Tensor,
  { eps = 1e-5 }: { eps?: number } = {},
): Tensor {
  const channels = x.shape[1];
  const perGroup = dimFloorDiv(channels, groups);
  if (x.rank < 2 || !dimEquals(dimProduct([perGroup, groups]), channels)) {
    throw new DecantError('shape', 'groupNorm: the channels (axis 1) are not a multiple of the groups', {
      seen: `${showShape(x.shape)}, ${groups} groups`,
    });
  }
  const lines = reshape(x, [x.shape[0], groups, dimProduct([perGroup, ...x.shape.slice(2)])]);
  let y = reshape(layerNorm(lines, undefined, undefined, { eps }), x.shape);
  const perChannel = [channels, ...x.shape.slice(2).map(() => 1)];
  if (scale) y = mul(y, reshape(scale, perChannel));
  return bias ? add(y, reshape(bias, perChannel)) : y;
}
