import { add, div, maximum, minimum, mul, sub } from '../../ops/arithmetic.ts';
import { reshape } from '../../ops/basic.ts';
import { cast, equal, where } from '../../ops/compare.ts';
import { clip, round } from '../../ops/elementwise.ts';
import { matmul } from '../../ops/linear.ts';
import { max, min } from '../../ops/reductions.ts';
import { expandDims } from '../../ops/shape.ts';
import { normalizeAxis } from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import type { ImportTable, OpNode } from './node.ts';

/** Ranges of the quantized types (TensorProto.DataType). */
const RANGES: Readonly<Record<number, readonly [number, number]>> = {
  2: [0, 255],
  3: [-128, 127],
  4: [0, 65535],
  5: [-32768, 32767],
};

/** A scale or zero point of one element, or one per index of `axis`, so that it broadcasts against x. */
function perAxis(n: OpNode, t: Tensor, x: Tensor): Tensor {
  if (t.rank === 0) return t;
  const axis = normalizeAxis(n.int('axis', 1), x.rank);
  if (t.rank !== 1) return n.fail('blocked quantization is not supported');
  if (t.shape[0] === 1) return reshape(t, []);
  return reshape(
    t,
    x.shape.map((d, i) => (i === axis ? d : 1)),
  );
}

function quantize(n: OpNode): Tensor {
  const x = n.tensor(0);
  const range = RANGES[n.has(2) ? n.onnxType(2) : n.int('output_dtype', 2)];
  if (!range) return n.fail('quantization to this type is not supported');
  const scaled = round(div(x, cast(perAxis(n, n.tensor(1), x), x.dtype)));
  const shifted = n.has(2) ? add(scaled, cast(perAxis(n, n.tensor(2), x), x.dtype)) : scaled;
  return cast(clip(shifted, ...range), range[1] === 255 ? 'uint8' : 'int32');
}

function dequantize(n: OpNode): Tensor {
  const scale = n.tensor(1);
  const x = cast(n.tensor(0), scale.dtype);
  const shifted = n.has(2) ? sub(x, cast(perAxis(n, n.tensor(2), x), scale.dtype)) : x;
  return mul(shifted, perAxis(n, scale, x));
}

/** uint8 by the range of x, which is widened to hold 0: values, scale, zero point. */
function dynamicQuantize(n: OpNode): Tensor[] {
  const x = n.tensor(0);
  const low = minimum(min(x), 0);
  const high = maximum(max(x), 0);
  const span = div(sub(high, low), 255);
  const scale = where(equal(span, 0), 1, span);
  const zero = clip(round(div(sub(0, low), scale)), 0, 255);
  return [cast(clip(add(round(div(x, scale)), zero), 0, 255), 'uint8'), scale, cast(zero, 'uint8')];
}

/** The product of integers less their zero points, in int32. */
function matMulInteger(n: OpNode): Tensor {
  const less = (i: number, zero: number): Tensor => {
    const x = cast(n.tensor(i), 'int32');
    if (!n.has(zero)) return x;
    const z = cast(n.tensor(zero), 'int32');
    // one zero point per row of a, per column of b
    return sub(x, i === 0 && z.rank > 0 && z.shape[z.rank - 1] !== 1 ? expandDims(z, z.rank) : z);
  };
  return matmul(less(0, 2), less(1, 3));
}

/** Quantized files, for inference. */
export const quantization: ImportTable = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
  MatMulInteger: matMulInteger,
};
