import type { EmitContext, Emitter, OnnxAttr } from '../op.ts';
import { dimAdd, dimSub, isSymbolic, dimMul as mulDim } from '../shape.ts';
import type { TensorType } from '../tensor.ts';
import type { ConvAttrs, ToInputAttrs } from './conv.ts';

const windowAttrs = (a: ConvAttrs, kernel: readonly number[]): Record<string, OnnxAttr> => ({
  kernel_shape: kernel,
  strides: a.strides,
  pads: a.pads,
  dilations: a.dilations,
  group: a.groups,
});

export const range = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => i + from);

export const emitConv = (e: Emitter, inputs: readonly string[], ctx: EmitContext<ConvAttrs>): string =>
  e.node('Conv', inputs, windowAttrs(ctx.attrs, ctx.inputs[1].shape.slice(2) as number[]));

/** Input gradient: with stride 1 a convolution with the flipped kernel (faster than ConvTranspose), else ConvTranspose. */
export function emitConvToInput(
  e: Emitter,
  [g, w]: readonly string[],
  ctx: EmitContext<ToInputAttrs>,
): string {
  const { attrs, inputs, outputs } = ctx;
  const kernel = inputs[1].shape.slice(2) as number[];
  const rank = kernel.length;
  const room = attrs.pads.map((p, i) => attrs.dilations[i % rank] * (kernel[i % rank] - 1) - p);
  if (attrs.strides.every((s) => s === 1) && room.every((p) => p >= 0)) {
    return e.node('Conv', [g, emitFlipped(e, w, inputs[1], attrs.groups)], {
      ...windowAttrs(attrs, kernel),
      pads: room,
    });
  }
  // what the transposed convolution leaves short of the input's size
  const short = attrs.spatial.map((d, i) => {
    const base = dimAdd(
      mulDim(inputs[0].shape[i + 2], attrs.strides[i]),
      attrs.dilations[i] * (kernel[i] - 1) + 1 - attrs.strides[i] - attrs.pads[i] - attrs.pads[i + rank],
    );
    return dimSub(d, base);
  });
  const known = short.every((d) => !isSymbolic(d));
  const y = e.node('ConvTranspose', [g, w], {
    ...windowAttrs(attrs, kernel),
    output_padding: short.map((d, i) => (isSymbolic(d) ? attrs.strides[i] - 1 : d)),
  });
  if (known) return y;
  const axes = e.int64(range(rank, 2));
  return e.node('Slice', [y, e.int64(range(rank).map(() => 0)), e.shape(outputs[0].shape.slice(2)), axes]);
}

/** [o, c/groups, ...k] → [c, o/groups, ...k] with every spatial axis reversed. */
function emitFlipped(e: Emitter, w: string, type: TensorType, groups: number): string {
  const [o, c, ...kernel] = type.shape as number[];
  const rank = kernel.length;
  let x = w;
  if (groups > 1) x = e.node('Reshape', [x, e.int64([groups, o / groups, c, ...kernel])]);
  const lead = groups > 1 ? 1 : 0;
  const perm = range(rank + 2 + lead);
  [perm[lead], perm[lead + 1]] = [lead + 1, lead];
  x = e.node('Transpose', [x], { perm });
  if (groups > 1) x = e.node('Reshape', [x, e.int64([groups * c, o / groups, ...kernel])]);
  const axes = range(rank, 2).filter((a) => kernel[a - 2] > 1);
  if (axes.length === 0) return x;
  const all = (v: number): string => e.int64(axes.map(() => v));
  return e.node('Slice', [x, all(-1), all(Number.MIN_SAFE_INTEGER), e.int64(axes), all(-1)]);
}
