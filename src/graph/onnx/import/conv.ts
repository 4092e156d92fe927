import { isFloat } from '../../dtype.ts';
import { add, mul, sub } from '../../ops/arithmetic.ts';
import { reshape } from '../../ops/basic.ts';
import { cast } from '../../ops/compare.ts';
import { conv, convTranspose } from '../../ops/conv.ts';
import { pad } from '../../ops/padding.ts';
import { avgPool, globalAvgPool, globalMaxPool, maxPool, maxPoolIndexOp } from '../../ops/pool.ts';
import { arange, sizeTensor } from '../../ops/sizes.ts';
import { dimMul, dimProduct, isSymbolic, type Shape, showShape } from '../../shape.ts';
import { apply, type Tensor } from '../../tensor.ts';
import { FIX_SIZE, type Importer, type ImportTable, type OpNode } from './node.ts';

interface WindowArgs {
  kernel: number[];
  strides: number[];
  dilations: number[];
  /** Begins, then ends. */
  pads: number[];
}

function windowArgs(
  n: OpNode,
  spatial: Shape,
  kernel: readonly number[],
  auto = n.string('auto_pad', 'NOTSET'),
): WindowArgs {
  const rank = spatial.length;
  const list = (name: string, fallback: number): number[] => {
    const v = n.ints(name) ?? Array<number>(rank).fill(fallback);
    if (v.length !== rank) n.fail(`${name} need one number per spatial axis`, { seen: v });
    return v;
  };
  const strides = list('strides', 1);
  const dilations = list('dilations', 1);
  const pads = n.ints('pads') ?? Array<number>(2 * rank).fill(0);
  if (auto === 'VALID') pads.fill(0);
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    for (let i = 0; i < rank; i++) {
      const total = samePadding(n, spatial, i, strides[i], dilations[i] * (kernel[i] - 1) + 1);
      const [small, large] = [Math.floor(total / 2), Math.ceil(total / 2)];
      pads[i] = auto === 'SAME_UPPER' ? small : large;
      pads[i + rank] = total - pads[i];
    }
  }
  return { kernel: [...kernel], strides, dilations, pads };
}

/** Padding that makes the output ceil(size / stride) long. */
function samePadding(n: OpNode, spatial: Shape, axis: number, stride: number, reach: number): number {
  const size = spatial[axis];
  if (stride === 1) return reach - 1;
  if (isSymbolic(size))
    return n.fail('auto_pad with a stride needs a known size', { seen: size.key, fix: FIX_SIZE });
  return Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach - size);
}

const kernelOf = (n: OpNode, w: Tensor): number[] =>
  w.shape
    .slice(2)
    .map((d) => (isSymbolic(d) ? n.fail('the kernel needs known sizes', { seen: showShape(w.shape) }) : d));

function convolution(n: OpNode): Tensor {
  const [x, w] = [n.tensor(0), n.tensor(1)];
  const { kernel: _, ...window } = windowArgs(n, x.shape.slice(2), kernelOf(n, w));
  return conv(x, w, { ...window, groups: n.int('group', 1), bias: n.optional(2) });
}

/** Convolution of integers less their zero points; exact in float32 below 2^24. */
function convInteger(n: OpNode): Tensor {
  const less = (i: number, zero: number): Tensor => {
    const x = cast(n.tensor(i), 'float32');
    if (!n.has(zero)) return x;
    const z = cast(n.tensor(zero), 'float32');
    return sub(x, z.rank === 1 && i === 1 ? reshape(z, [z.shape[0], ...x.shape.slice(1).map(() => 1)]) : z);
  };
  const [x, w] = [less(0, 2), less(1, 3)];
  const { kernel: _, ...window } = windowArgs(n, x.shape.slice(2), kernelOf(n, w));
  return cast(conv(x, w, { ...window, groups: n.int('group', 1) }), 'int32');
}

// auto_pad means something else here: it chooses the size of the output
function transposed(n: OpNode): Tensor {
  const [x, w, bias] = [n.tensor(0), n.tensor(1), n.optional(2)];
  const rank = x.rank - 2;
  const kernel = kernelOf(n, w);
  const { strides, dilations, pads } = windowArgs(n, x.shape.slice(2), kernel, 'NOTSET');
  const outputPads = [...(n.ints('output_padding') ?? Array<number>(rank).fill(0))];
  const auto = n.string('auto_pad', 'NOTSET');
  const sizes = n.ints('output_shape');
  if (sizes || auto.startsWith('SAME')) {
    for (let i = 0; i < rank; i++) {
      const d = x.shape[i + 2];
      if (sizes && isSymbolic(d)) n.fail('output_shape needs a known size', { seen: d.key, fix: FIX_SIZE });
      const reach = dilations[i] * (kernel[i] - 1) + 1;
      // for SAME the output is size · stride
      const total = sizes
        ? ((d as number) - 1) * strides[i] + reach + outputPads[i] - sizes.slice(-rank)[i]
        : reach + outputPads[i] - strides[i];
      if (total < 0) outputPads[i] -= total;
      const room = Math.max(0, total);
      const [small, large] = [Math.floor(room / 2), Math.ceil(room / 2)];
      pads[i] = auto === 'SAME_UPPER' ? small : large;
      pads[i + rank] = room - pads[i];
    }
  }
  const y = convTranspose(x, w, { strides, dilations, pads, outputPads, groups: n.int('group', 1) });
  return bias ? add(y, reshape(bias, [bias.shape[0], ...kernel.map(() => 1)])) : y;
}

/** Extra room at the end of each axis that `ceil_mode` asks for: a last window that starts inside the input. */
function ceilRoom(n: OpNode, spatial: Shape, a: WindowArgs): number[] {
  return spatial.map((d, i) => {
    const [s, before, after] = [a.strides[i], a.pads[i], a.pads[i + spatial.length]];
    if (!n.int('ceil_mode', 0) || s === 1) return 0;
    if (isSymbolic(d)) return n.fail('ceil_mode needs a known size', { seen: d.key, fix: FIX_SIZE });
    const span = d + before + after - a.dilations[i] * (a.kernel[i] - 1) - 1;
    const steps = Math.ceil(span / s);
    const last = steps * s >= d + before ? steps - 1 : steps;
    return Math.max(0, last * s - span);
  });
}

function pooling(n: OpNode, max: boolean): Tensor | Tensor[] {
  const given = n.tensor(0);
  const x = isFloat(given.dtype) ? given : cast(given, 'float32');
  const kernel = n.ints('kernel_shape') ?? n.fail('kernel_shape is missing');
  const spatial = x.shape.slice(2);
  if (kernel.length !== spatial.length)
    n.fail('kernel_shape needs one size per spatial axis', { seen: kernel });
  const a = windowArgs(n, spatial, kernel);
  const room = ceilRoom(n, spatial, a);
  const withRoom = a.pads.map((p, i) => (i < kernel.length ? p : p + room[i - kernel.length]));
  const { strides, dilations } = a;
  if (max) {
    const window = { strides, dilations, pads: withRoom };
    const y = cast(maxPool(x, kernel, window), given.dtype);
    return n.wants(1) ? [y, winners(n, x, { kernel, ...window })] : y;
  }
  if (dilations.some((d) => d !== 1)) return n.fail('dilated average pooling is not supported');
  if (!n.int('count_include_pad', 0))
    return avgPool(x, kernel, { strides, pads: withRoom, countPadding: false });
  if (room.every((r) => r === 0)) return avgPool(x, kernel, { strides, pads: a.pads });
  // the room of ceil_mode is no padding that counts
  const around = a.pads
    .slice(0, kernel.length)
    .map((p, i): [number, number] => [p, a.pads[i + kernel.length]]);
  const wide = pad(x, [[0, 0], [0, 0], ...around]);
  return avgPool(wide, kernel, { strides, pads: [...room.map(() => 0), ...room], countPadding: false });
}

/** Places of the maxima, counted over the whole tensor. */
function winners(n: OpNode, x: Tensor, a: WindowArgs): Tensor {
  if (n.int('storage_order', 0)) return n.fail('storage_order 1 is not supported');
  const inPlane = apply(maxPoolIndexOp, [x], a);
  const [batch, channels] = x.shape;
  const planes = arange(dimMul(batch, channels));
  const begin = mul(planes, sizeTensor(dimProduct(x.shape.slice(2)), 'int32'));
  return add(inPlane, reshape(begin, [batch, channels, ...a.kernel.map(() => 1)]));
}

const global =
  (f: (x: Tensor, keepDims: boolean) => Tensor): Importer =>
  (n) =>
    f(n.tensor(0), true);

/** Convolutions and pooling over `[batch, channels, ...space]`. */
export const convolutions: ImportTable = {
  Conv: convolution,
  ConvInteger: convInteger,
  ConvTranspose: transposed,
  MaxPool: (n) => pooling(n, true),
  AveragePool: (n) => pooling(n, false),
  GlobalAveragePool: global(globalAvgPool),
  GlobalMaxPool: global(globalMaxPool),
};
