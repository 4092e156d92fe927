import { DecantError } from '../../util/errors.ts';
import type { OpDef } from '../op.ts';
import { type Dim, dimAdd, dimFloorDiv, dimMul, dimProduct, type Shape } from '../shape.ts';
import { apply, lift, type Tensor, type TensorType } from '../tensor.ts';
import { add, mul } from './arithmetic.ts';
import { broadcastTo, fill, reshape } from './basic.ts';
import { cast, less, where } from './compare.ts';
import { DOMAIN, philoxOp } from './philox.ts';
import { slice } from './slicing.ts';

const ceilDiv = (n: Dim, by: number): Dim => dimFloorDiv(dimAdd(n, by - 1), by);

/** The first elements of a flat tensor, in the given shape. */
const shaped = (flat: Tensor, shape: Shape): Tensor =>
  reshape(slice(flat, { axes: [0], starts: [0], ends: [dimProduct(shape)] }), shape);

function words32(x: TensorType): TensorType {
  if (x.dtype !== 'uint32') throw new DecantError('shape', 'random words are uint32', { seen: x.dtype });
  return x;
}

const words = (key: Tensor, count: Dim, rounds: number): Tensor => {
  const blocks = ceilDiv(count, 4);
  const block = apply(philoxOp, [key], { blocks, rounds, domain: DOMAIN.bits });
  return reshape(block, [dimMul(blocks, 4)]);
};

/** `count` independent keys (uint32[2]) from one. Use each key once. */
export function splitKey(key: Tensor, count = 2): Tensor[] {
  const block = apply(philoxOp, [key], { blocks: count, rounds: 10, domain: DOMAIN.split });
  return Array.from({ length: count }, (_, i) =>
    reshape(slice(block, { starts: [0, i], ends: [2, i + 1] }), [2]),
  );
}

/** A key that depends on an integer, such as the step number (0-d tensor of any integer type, or a number). */
export function foldIn(key: Tensor, data: Tensor | number): Tensor {
  const counter = typeof data === 'number' ? lift(data >>> 0, key) : cast(data, 'uint32');
  const block = apply(philoxOp, [key, reshape(counter, [1])], { blocks: 1, rounds: 10, domain: DOMAIN.fold });
  return reshape(slice(block, { axes: [0], starts: [0], ends: [2] }), [2]);
}

/** Uniform uint32 words of the given shape: Philox4x32-10 (Salmon et al. 2011). */
export const randomBits = (key: Tensor, shape: Shape): Tensor =>
  shaped(words(key, dimProduct(shape), 10), shape);

export const bitsToUniformOp: OpDef<null> = {
  name: 'bitsToUniform',
  doc: 'the upper 24 bits of a word as a float32 in [0, 1)',
  infer: ([x]) => [{ shape: words32(x).shape, dtype: 'float32' }],
  evaluate: ([x]) => {
    const out = new Float64Array(x.data.length);
    for (let i = 0; i < out.length; i++) out[i] = (x.data[i] >>> 8) * 2 ** -24;
    return [out];
  },
  vjp: 'none',
  emit: (e, [x]) => {
    const top = e.node('BitShift', [x, e.scalar(8, 'uint32')], { direction: 'RIGHT' });
    return [e.node('Mul', [e.cast(top, 'float32'), e.scalar(2 ** -24, 'float32')])];
  },
};

export interface UniformOptions {
  low?: number;
  high?: number;
}

/** Uniform float32 values in [low, high) with 24 random bits each; default [0, 1), which is exact on every engine. */
export function uniform(key: Tensor, shape: Shape, { low = 0, high = 1 }: UniformOptions = {}): Tensor {
  const unit = apply(bitsToUniformOp, [randomBits(key, shape)], null);
  const scaled = high - low === 1 ? unit : mul(unit, high - low);
  return low === 0 ? scaled : add(scaled, low);
}

const BITS = 23;
export const bitsToNormalOp: OpDef<null> = {
  name: 'bitsToNormal',
  doc: 'two standard normals from each column of [2, pairs] words (Box-Muller)',
  infer: ([x]) => [{ shape: words32(x).shape, dtype: 'float32' }],
  evaluate: ([x]) => {
    const m = x.shape[1];
    const out = new Float64Array(2 * m);
    for (let i = 0; i < m; i++) {
      const radius = Math.sqrt(-2 * Math.log(((x.data[i] >>> 9) + 0.5) * 2 ** -BITS));
      const word = x.data[m + i];
      const angle = ((((word & 0x7fffffff) >>> 8) - 2 ** 22 + 0.5) * Math.PI) / 2 ** BITS;
      const signed = word >= 2 ** 31 ? -radius : radius;
      out[i] = signed * Math.cos(angle);
      out[m + i] = signed * Math.sin(angle);
    }
    return [out];
  },
  vjp: 'none',
  // every integer below is exact in float32, and angles stay within ±π/2 (a random sign covers the other half), so
  // that float32 results are within 1e-6 of the oracle's
  emit: (e, [x]) => {
    const f = (v: number): string => e.scalar(v, 'float32');
    const u = (v: number): string => e.scalar(v, 'uint32');
    const [a, b] = e.nodes('Split', [x], 2, { axis: 0, num_outputs: 2 });
    const shift = (v: string, by: number): string => e.node('BitShift', [v, u(by)], { direction: 'RIGHT' });
    const fraction = e.node('Add', [e.cast(shift(a, 9), 'float32'), f(0.5)]);
    const log = e.node('Log', [e.node('Mul', [fraction, f(2 ** -BITS)])]);
    const radius = e.node('Sqrt', [e.node('Mul', [log, f(-2)])]);
    const sign = e.node('Sub', [f(1), e.node('Mul', [e.cast(shift(b, 31), 'float32'), f(2)])]);
    const place = shift(e.node('BitwiseAnd', [b, u(0x7fffffff)]), 8);
    const centred = e.node('Add', [e.cast(place, 'float32'), f(0.5 - 2 ** 22)]);
    const angle = e.node('Mul', [centred, f(Math.PI / 2 ** BITS)]);
    const signed = e.node('Mul', [radius, sign]);
    const parts = ['Cos', 'Sin'].map((op) => e.node('Mul', [signed, e.node(op, [angle])]));
    return [e.node('Concat', parts, { axis: 0 })];
  },
};

export interface NormalOptions {
  mean?: number;
  std?: number;
}

/** Normal float32 values (default standard), at most 5.8 deviations from the mean. */
export function normal(key: Tensor, shape: Shape, { mean = 0, std = 1 }: NormalOptions = {}): Tensor {
  const pairs = ceilDiv(dimProduct(shape), 2);
  const bits = slice(words(key, dimMul(pairs, 2), 10), { starts: [0], ends: [dimMul(pairs, 2)] });
  const flat = reshape(apply(bitsToNormalOp, [reshape(bits, [2, pairs])], null), [dimMul(pairs, 2)]);
  const z = shaped(flat, shape);
  const scaled = std === 1 ? z : mul(z, std);
  return mean === 0 ? scaled : add(scaled, mean);
}

/** true with probability p (a number, or a tensor that broadcasts to `shape`); bool. */
export const bernoulli = (key: Tensor, p: Tensor | number, shape: Shape): Tensor =>
  less(uniform(key, shape), typeof p === 'number' ? p : broadcastTo(p, shape));

const ROTATIONS = [8, 16, 24];

export const bitsToMaskOp: OpDef<{ threshold: number }> = {
  name: 'bitsToMask',
  doc: 'four bools from each word: its rotations by 0, 8, 16 and 24 bits, below a threshold',
  infer: ([x]) => [{ shape: [dimMul(dimProduct(words32(x).shape), 4)], dtype: 'bool' }],
  evaluate: ([x], { attrs: { threshold } }) => {
    const n = x.data.length;
    const out = new Float64Array(4 * n);
    for (let i = 0; i < n; i++) {
      const w = x.data[i];
      out[i] = w < threshold ? 1 : 0;
      for (let k = 0; k < 3; k++) {
        const by = ROTATIONS[k];
        out[(k + 1) * n + i] = ((w << by) | (w >>> (32 - by))) >>> 0 < threshold ? 1 : 0;
      }
    }
    return [out];
  },
  vjp: 'none',
  // products wrap around and are several times faster than shifts to the left
  emit: (e, [x], { attrs: { threshold } }) => {
    const u = (v: number): string => e.scalar(v, 'uint32');
    const rotated = ROTATIONS.map((by) => {
      const low = e.node('BitShift', [x, u(32 - by)], { direction: 'RIGHT' });
      return e.node('Add', [e.node('Mul', [x, u(2 ** by)]), low]);
    });
    const below = [x, ...rotated].map((w) => e.node('Less', [w, u(threshold)]));
    return [e.node('Concat', below, { axis: 0 })];
  },
};

/**
 * Inverted dropout (Srivastava et al. 2014): zero with probability `rate`, else x/(1 - rate).
 *
 * One word of Philox4x32-7 decides four elements, a quarter of the array apart, through its rotations: each is kept
 * with the exact probability; two of the four are correlated only where leading bytes tie (below 0.011).
 */
export function dropout(x: Tensor, rate: number, key: Tensor): Tensor {
  if (!(rate >= 0 && rate < 1))
    throw new DecantError('shape', 'a dropout rate lies in [0, 1)', { seen: rate });
  if (rate === 0) return x;
  const threshold = Math.min(Math.max(Math.round((1 - rate) * 2 ** 32), 1), 2 ** 32 - 1);
  const bits = words(key, ceilDiv(dimProduct(x.shape), 4), 7);
  const keep = shaped(apply(bitsToMaskOp, [bits], { threshold }), x.shape);
  // the scaled mask is kept for the backward pass, which is then one product
  const zero = fill([], 0, x.dtype);
  return mul(x, where(keep, fill([], 2 ** 32 / threshold, x.dtype), zero));
}
