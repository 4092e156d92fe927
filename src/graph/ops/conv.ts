import { DecantError } from '../../util/errors.ts';
import { isFloat } from '../dtype.ts';
import type { OpDef } from '../op.ts';
import { type Dim, dimAdd, dimEquals, dimMul, isSymbolic, type Shape, showShape } from '../shape.ts';
import { apply, type Tensor, type TensorType } from '../tensor.ts';
import { emitConv, emitConvToInput } from './conv-emit.ts';
import { convForward, convToInput, convToWeight } from './conv-reference.ts';
import { emitConvToWeight } from './conv-weight-emit.ts';
import { sum } from './reduce.ts';
import { resolveWindow, slidSizes, type Window, type WindowOptions } from './window.ts';

// Convolution is bilinear in (x, w), and so are its two adjoints. The three operators below are each other's
// gradients, so any number of derivatives stays within them.

export interface ConvAttrs extends Window {
  readonly groups: number;
}
export interface ToInputAttrs extends ConvAttrs {
  /** Spatial sizes of the convolution's input. */
  readonly spatial: Shape;
}
export interface ToWeightAttrs extends ConvAttrs {
  /** Spatial sizes of the kernel. */
  readonly kernel: readonly number[];
}

function kernelOf(w: TensorType): number[] {
  const sizes = [...w.shape];
  if (w.shape.length < 3 || w.shape.length > 5 || sizes.some(isSymbolic)) {
    throw new DecantError('shape', 'the kernel must have 1 to 3 spatial axes and known sizes', {
      seen: showShape(w.shape),
      allowed: '[out, in / groups, ...window]',
    });
  }
  return sizes.slice(2) as number[];
}

function check(ok: boolean, what: string, seen: string, allowed: string): void {
  if (!ok) throw new DecantError('shape', what, { seen, allowed });
}

function checkFloats(types: readonly TensorType[]): void {
  const [a] = types;
  check(
    isFloat(a.dtype) && types.every((t) => t.dtype === a.dtype),
    'operands must have one float type',
    types.map((t) => t.dtype).join(', '),
    'float32',
  );
}

export const convOp: OpDef<ConvAttrs> = {
  name: 'conv',
  doc: 'cross-correlation of [n, c, ...] with [o, c/groups, ...] over 1 to 3 spatial axes, plus bias [o]',
  infer: (inputs, attrs) => {
    const [x, w, bias] = inputs;
    const kernel = kernelOf(w);
    checkFloats(inputs);
    check(
      x.shape.length === w.shape.length,
      'input and kernel differ in rank',
      showShape(x.shape),
      `rank ${w.shape.length}`,
    );
    check(
      dimEquals(x.shape[1], dimMul(w.shape[1], attrs.groups)),
      'the channels do not fit the kernel',
      `${showShape(x.shape)} with kernel ${showShape(w.shape)} in ${attrs.groups} groups`,
      'in = kernel axis 1 · groups',
    );
    check(
      (w.shape[0] as number) % attrs.groups === 0,
      'the output channels are not a multiple of the groups',
      `${w.shape[0]} in ${attrs.groups} groups`,
      'a multiple',
    );
    if (bias)
      check(
        bias.shape.length === 1 && bias.shape[0] === w.shape[0],
        'the bias does not fit',
        showShape(bias.shape),
        `[${w.shape[0]}]`,
      );
    const out = slidSizes(x.shape.slice(2), kernel, attrs);
    return [{ shape: [x.shape[0], w.shape[0], ...out], dtype: x.dtype }];
  },
  evaluate: ([x, w, bias], { attrs, types: [t] }) => {
    const y = convForward(x, w, attrs, t.shape);
    if (bias) {
      const [, o, ...space] = t.shape;
      const positions = space.reduce((a, b) => a * b, 1);
      for (let i = 0; i < y.length; i++) y[i] += bias.data[Math.floor(i / positions) % o];
    }
    return [y];
  },
  vjp: ({ inputs: [x, w, bias], attrs, grads: [g], needs }) => [
    needs(0) ? toInput(g!, w, x.shape.slice(2), attrs) : undefined,
    needs(1) ? toWeight(x, g!, w.shape.slice(2) as number[], attrs) : undefined,
    ...(bias ? [needs(2) ? sum(g!, [0, ...x.shape.slice(2).map((_, i) => i + 2)]) : undefined] : []),
  ],
  emit: (e, inputs, ctx) => [emitConv(e, inputs, ctx)],
};

/** The adjoint in x: what a convolution's output gradient g [n, o, ...] becomes at its input. */
export const convToInputOp: OpDef<ToInputAttrs> = {
  name: 'convTranspose',
  doc: 'transposed convolution of [n, o, ...] with [o, c/groups, ...]: the adjoint of conv in its input',
  infer: (inputs, attrs) => {
    const [g, w] = inputs;
    const kernel = kernelOf(w);
    checkFloats(inputs);
    const ok = g.shape.length === w.shape.length && dimEquals(g.shape[1], w.shape[0]);
    check(ok, 'the channels do not fit the kernel', showShape(g.shape), `[batch, ${w.shape[0]}, ...]`);
    const out = slidSizes(attrs.spatial, kernel, attrs);
    const fits = out.every((d, i) => isSymbolic(d) || isSymbolic(g.shape[i + 2]) || d === g.shape[i + 2]);
    check(fits, 'the output size does not fit', showShape(attrs.spatial), `one that gives ${showShape(out)}`);
    return [{ shape: [g.shape[0], dimMul(w.shape[1], attrs.groups), ...attrs.spatial], dtype: g.dtype }];
  },
  evaluate: ([g, w], { attrs, types: [t] }) => [convToInput(g, w, attrs, t.shape)],
  vjp: ({ inputs: [g, w], attrs, grads: [z], needs }) => [
    needs(0) ? apply(convOp, [z!, w], plain(attrs)) : undefined,
    needs(1) ? toWeight(z!, g, w.shape.slice(2) as number[], attrs) : undefined,
  ],
  emit: (e, inputs, ctx) => [emitConvToInput(e, inputs, ctx)],
};

/** The adjoint in w: correlation of x [n, c, ...] with the output gradient g [n, o, ...]. */
export const convToWeightOp: OpDef<ToWeightAttrs> = {
  name: 'convWeightGradient',
  doc: 'correlation of conv input and output gradient over batch and space: the adjoint of conv in its kernel',
  infer: (inputs, { groups, kernel }) => {
    const [x, g] = inputs;
    checkFloats(inputs);
    const [c, o] = [x.shape[1], g.shape[1]];
    if (isSymbolic(c) || isSymbolic(o))
      throw new DecantError('shape', 'channels must be known sizes', { seen: showShape(x.shape) });
    return [{ shape: [o, c / groups, ...kernel], dtype: x.dtype }];
  },
  evaluate: ([x, g], { attrs, types: [t] }) => [convToWeight(x, g, attrs, t.shape)],
  vjp: ({ inputs: [x, g], attrs, grads: [v], needs }) => [
    needs(0) ? toInput(g, v!, x.shape.slice(2), attrs) : undefined,
    needs(1) ? apply(convOp, [x, v!], plain(attrs)) : undefined,
  ],
  emit: (e, inputs, ctx) => [emitConvToWeight(e, inputs, ctx)],
};

const plain = ({ strides, pads, dilations, groups }: ConvAttrs): ConvAttrs => ({
  strides,
  pads,
  dilations,
  groups,
});
const toInput = (g: Tensor, w: Tensor, spatial: Shape, attrs: ConvAttrs): Tensor =>
  apply(convToInputOp, [g, w], { ...plain(attrs), spatial });
const toWeight = (x: Tensor, g: Tensor, kernel: readonly number[], attrs: ConvAttrs): Tensor =>
  apply(convToWeightOp, [x, g], { ...plain(attrs), kernel });

export interface ConvOptions extends WindowOptions {
  /** Channels are split into this many independent convolutions; default 1; as many as channels: depthwise. */
  groups?: number;
  /** `[out]`, added to every position. */
  bias?: Tensor;
}

/**
 * Convolution (cross-correlation) over 1 to 3 spatial axes:
 * `[batch, in, ...space]` with kernel `[out, in / groups, ...window]` gives `[batch, out, ...]`.
 */
export function conv(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  const { groups = 1, bias, ...window } = options;
  const attrs = { ...resolveWindow(Math.max(w.rank - 2, 1), window), groups };
  return apply(convOp, bias ? [x, w, bias] : [x, w], attrs);
}

export interface ConvTransposeOptions extends WindowOptions {
  groups?: number;
  /** Added to the end of each axis, less than its stride: chooses among the sizes that conv maps to x's. */
  outputPads?: number | readonly number[];
}

/**
 * Transposed convolution: `[batch, in, ...space]` with kernel `[in, out / groups, ...window]` gives `[batch, out, ...]`
 * of sizes (size - 1)·stride - pads + dilation·(k - 1) + 1 + outputPads.
 */
export function convTranspose(x: Tensor, w: Tensor, options: ConvTransposeOptions = {}): Tensor {
  const { groups = 1, outputPads = 0, ...window } = options;
  const rank = Math.max(w.rank - 2, 1);
  const win = resolveWindow(rank, window);
  const extra = typeof outputPads === 'number' ? Array<number>(rank).fill(outputPads) : outputPads;
  const kernel = kernelOf(w);
  const spatial = x.shape.slice(2).map((d, i): Dim => {
    const span = win.dilations[i] * (kernel[i] - 1) + 1 - win.pads[i] - win.pads[i + rank] + (extra[i] ?? 0);
    return dimAdd(dimMul(dimAdd(d, -1), win.strides[i]), span);
  });
  return toInput(x, w, spatial, { ...win, groups });
}
