import type { DType } from '../../dtype.ts';
import { sizeOf } from '../../ndarray.ts';
import { broadcastStrides, eachOffset, stridesOf } from '../../ops/kernels.ts';
import {
  broadcastShapes,
  type Dim,
  dimAdd,
  dimEquals,
  dimFloorDiv,
  dimMul,
  dimSub,
  dimTerms,
  isSymbolic,
  normalizeAxis,
  type Shape,
} from '../../shape.ts';
import type { OpNode } from './node.ts';
import { type Known, knownElements, knownValue, type Value } from './value.ts';

/**
 * Operators on known elements (sizes of tensors, and constants they are combined with). Each returns undefined
 * where the result is not known for every binding of the symbols; the operator is then built as usual.
 */
type Fold = (n: OpNode, inputs: readonly Known[]) => Value[] | undefined;

const MAX_ELEMENTS = 1 << 16;

/** The outputs of a node whose inputs are all known, if they can be known too. */
export function fold(n: OpNode): Value[] | undefined {
  const rule = Object.hasOwn(FOLDS, n.opType) ? FOLDS[n.opType] : undefined;
  if (!rule) return undefined;
  const values = Array.from({ length: n.inputCount }, (_, i) => (n.has(i) ? n.value(i) : undefined));
  // numbers alone: integers here; floats by evaluating the operator itself, which rounds as it does
  const symbolic = values.some((v) => v?.known?.elements.some(isSymbolic));
  if (!symbolic && values.some((v) => !v?.known || v.dtype.startsWith('float'))) return undefined;
  const inputs: Known[] = [];
  for (const v of values) {
    const known = v ? knownElements(v) : NONE;
    if (!known) return undefined;
    inputs.push(known);
  }
  return rule(n, inputs);
}

const NONE: Known = { shape: [0], elements: [] };

// --- signs of sizes, every symbol being at least 1 ---

/** The least value of a size over all bindings; -∞ where there is none. */
function lowerBound(d: Dim): number {
  if (!isSymbolic(d)) return d;
  return dimTerms(d).reduce((n, { coefficient, factors }) => {
    if (factors.length === 0) return n + coefficient;
    if (coefficient < 0) return Number.NEGATIVE_INFINITY;
    // floor-divisions may be 0, products of symbols are at least 1
    return n + (factors.every((f) => 'symbol' in f) ? coefficient : 0);
  }, 0);
}

/** Sign of a size for every binding, or undefined where it depends. */
export function signOf(d: Dim): -1 | 0 | 1 | undefined {
  if (!isSymbolic(d)) return Math.sign(d) as -1 | 0 | 1;
  if (lowerBound(d) > 0) return 1;
  return lowerBound(dimMul(d, -1)) > 0 ? -1 : undefined;
}

/** a = b; two different expressions count as different sizes, as they do for broadcasting. */
const equals = (a: Dim, b: Dim): boolean => dimEquals(a, b);

/** Whether a ≥ b + by for every binding, or for none. */
function exceeds(a: Dim, b: Dim, by: number): boolean | undefined {
  const difference = dimSub(a, b);
  if (!isSymbolic(difference)) return difference >= by;
  if (lowerBound(difference) >= by) return true;
  return lowerBound(dimMul(difference, -1)) > -by ? false : undefined;
}

// --- element-wise ---

type Scalar = (a: Dim, b: Dim) => Dim | undefined;

function elementwise(f: Scalar, dtype?: DType): Fold {
  return (n, inputs) => {
    let acc = inputs[0];
    for (const next of inputs.slice(1)) {
      const shape = broadcastShapes(acc.shape, next.shape) as number[];
      const out: Dim[] = [];
      let open = false;
      const left = acc;
      eachOffset(
        shape,
        [broadcastStrides(left.shape, shape), broadcastStrides(next.shape, shape)],
        (_, [p, q]) => {
          const d = f(left.elements[p], next.elements[q]);
          if (d === undefined) open = true;
          else out.push(d);
        },
      );
      if (open) return undefined;
      acc = { shape, elements: out };
    }
    return [knownValue(acc.elements, acc.shape, dtype ?? n.value(0).dtype)];
  };
}

const unary =
  (f: (d: Dim) => Dim | undefined): Fold =>
  (n, [x]) => {
    const out = x.elements.map(f);
    return out.includes(undefined) ? undefined : [knownValue(out as Dim[], x.shape, n.value(0).dtype)];
  };

const whole = (d: Dim): boolean => isSymbolic(d) || Number.isInteger(d);
const integers =
  (f: Scalar): Scalar =>
  (a, b) =>
    whole(a) && whole(b) ? f(a, b) : undefined;

const isFloat = (n: OpNode): boolean => n.value(0).dtype.startsWith('float');

function divide(n: OpNode, inputs: readonly Known[]): Value[] | undefined {
  return elementwise(
    integers((a, b) => {
      if (b === 0) return undefined;
      // ONNX truncates
      if (typeof a === 'number' && typeof b === 'number' && !isFloat(n)) return Math.trunc(a / b);
      const q = dimFloorDiv(a, b);
      return !isFloat(n) || dimEquals(dimMul(q, b), a) ? q : undefined;
    }),
  )(n, inputs);
}

/** a - b·floor(a / b); with fmod the sign is that of a, which is the same for sizes. */
function modulo(n: OpNode, inputs: readonly Known[]): Value[] | undefined {
  const fmod = n.int('fmod', 0) !== 0;
  return elementwise(
    integers((a, b) => {
      if (b === 0 || (fmod && (signOf(a) ?? -1) < 0)) return undefined;
      return dimSub(a, dimMul(b, dimFloorDiv(a, b)));
    }),
  )(n, inputs);
}

const larger: Scalar = (a, b) => (exceeds(a, b, 0) ? a : exceeds(b, a, 0) ? b : undefined);
const smaller: Scalar = (a, b) => (exceeds(b, a, 0) ? a : exceeds(a, b, 0) ? b : undefined);

/** A comparison of sizes: whether the first operand (or the second) exceeds the other by 0 or 1. */
const ordered = (flip: boolean, by: number): Fold =>
  elementwise(
    integers((a, b) => {
      const holds = flip ? exceeds(b, a, by) : exceeds(a, b, by);
      return holds === undefined ? undefined : Number(holds);
    }),
    'bool',
  );

// --- moving elements ---

/** A result whose element i is element `from[i]` of x. */
const pick = (n: OpNode, x: Known, shape: readonly number[], from: readonly number[]): Value[] => [
  knownValue(
    from.map((i) => x.elements[i]),
    shape,
    n.value(0).dtype,
  ),
];

const sameElements = (n: OpNode, x: Known, shape: readonly number[]): Value[] | undefined =>
  sizeOf(shape) === x.elements.length ? [knownValue(x.elements, shape, n.value(0).dtype)] : undefined;

function gather(n: OpNode, [x, indices]: readonly Known[]): Value[] | undefined {
  const axis = normalizeAxis(n.int('axis', 0), x.shape.length);
  if (indices.elements.some(isSymbolic)) return undefined;
  const outer = sizeOf(x.shape.slice(0, axis));
  const inner = sizeOf(x.shape.slice(axis + 1));
  const count = x.shape[axis];
  const from: number[] = [];
  for (let o = 0; o < outer; o++) {
    for (const raw of indices.elements as number[]) {
      const i = raw < 0 ? raw + count : raw;
      if (!(i >= 0 && i < count)) return undefined;
      for (let k = 0; k < inner; k++) from.push((o * count + i) * inner + k);
    }
  }
  return pick(n, x, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], from);
}

function slice(n: OpNode, [x]: readonly Known[]): Value[] | undefined {
  if (x.shape.length !== 1) return undefined;
  const { starts, ends, axes, steps } = n.sliceArgs(1);
  if (axes.length !== 1 || starts.some(isSymbolic) || ends.some(isSymbolic)) return undefined;
  const size = x.shape[0];
  const step = steps[0];
  const clamp = (v: number, lo: number, hi: number): number =>
    Math.min(hi, Math.max(lo, v < 0 ? v + size : v));
  const begin = clamp(starts[0] as number, 0, step > 0 ? size : size - 1);
  const end = step > 0 ? clamp(ends[0] as number, 0, size) : clamp(ends[0] as number, -1, size - 1);
  const from: number[] = [];
  for (let i = begin; step > 0 ? i < end : i > end; i += step) from.push(i);
  return pick(n, x, [from.length], from);
}

function concat(n: OpNode, inputs: readonly Known[]): Value[] | undefined {
  if (inputs.some((k) => k.shape.length !== 1)) return undefined;
  const all = inputs.flatMap((k) => k.elements);
  return [knownValue(all, [all.length], n.value(0).dtype)];
}

function expand(n: OpNode, [x, target]: readonly Known[]): Value[] | undefined {
  if (target.elements.some(isSymbolic)) return undefined;
  const shape = broadcastShapes(x.shape, target.elements as number[]) as number[];
  if (sizeOf(shape) > MAX_ELEMENTS) return undefined;
  const from: number[] = [];
  eachOffset(shape, [broadcastStrides(x.shape, shape)], (_, [p]) => from.push(p));
  return pick(n, x, shape, from);
}

function transpose(n: OpNode, [x]: readonly Known[]): Value[] | undefined {
  const perm = n.ints('perm') ?? x.shape.map((_, i) => x.shape.length - 1 - i);
  const strides = stridesOf(x.shape);
  const shape = perm.map((p) => x.shape[p]);
  const from: number[] = [];
  eachOffset(shape, [perm.map((p) => strides[p])], (_, [p]) => from.push(p));
  return pick(n, x, shape, from);
}

function where(n: OpNode, [c, a, b]: readonly Known[]): Value[] | undefined {
  if (c.elements.some(isSymbolic)) return undefined;
  const shape = broadcastShapes(c.shape, a.shape, b.shape) as number[];
  const out: Dim[] = [];
  const strides = [c, a, b].map((k) => broadcastStrides(k.shape, shape));
  eachOffset(shape, strides, (_, [i, j, k]) => out.push(c.elements[i] ? a.elements[j] : b.elements[k]));
  return [knownValue(out, shape, n.value(1).dtype)];
}

const reduceAll =
  (f: Scalar): Fold =>
  (n, [x]) => {
    const axes = n.axesArg(x.shape.length);
    if (axes.length !== x.shape.length || x.elements.length === 0) return undefined;
    let acc: Dim | undefined = x.elements[0];
    for (const d of x.elements.slice(1)) acc = acc === undefined ? undefined : f(acc, d);
    const shape = n.int('keepdims', 1) ? x.shape.map(() => 1) : [];
    return acc === undefined ? undefined : [knownValue([acc], shape, n.value(0).dtype)];
  };

function split(n: OpNode, [x]: readonly Known[]): Value[] | undefined {
  if (x.shape.length !== 1) return undefined;
  let at = 0;
  return n.splitSizes(x.shape[0]).map((size) => {
    const part = x.elements.slice(at, (at += size as number));
    return knownValue(part, [part.length], n.value(0).dtype);
  });
}

const FOLDS: Readonly<Record<string, Fold>> = {
  Identity: (n, [x]) => sameElements(n, x, x.shape),
  Cast(n, [x]) {
    const dtype = n.dtypeAttr('to');
    if (dtype === 'bool') {
      const truth = x.elements.map((d) => (isSymbolic(d) ? signOf(d) && 1 : Number(d !== 0)));
      return truth.includes(undefined) ? undefined : [knownValue(truth as Dim[], x.shape, dtype)];
    }
    const out = dtype.startsWith('float')
      ? x.elements
      : x.elements.map((d) => (isSymbolic(d) ? d : Math.trunc(d)));
    return [knownValue(out, x.shape, dtype)];
  },
  Add: elementwise(integers(dimAdd)),
  Sub: elementwise(integers(dimSub)),
  Mul: elementwise(integers(dimMul)),
  Div: divide,
  Mod: modulo,
  Max: elementwise(larger),
  Min: elementwise(smaller),
  Neg: unary((d) => dimMul(d, -1)),
  Abs: unary((d) => {
    const s = signOf(d);
    return s === undefined ? undefined : dimMul(d, s === 0 ? 1 : s);
  }),
  Floor: unary((d) => (isSymbolic(d) ? d : Math.floor(d))),
  Ceil: unary((d) => (isSymbolic(d) ? d : Math.ceil(d))),
  Equal: elementwise((a, b) => Number(equals(a, b)), 'bool'),
  Less: ordered(true, 1),
  LessOrEqual: ordered(true, 0),
  Greater: ordered(false, 1),
  GreaterOrEqual: ordered(false, 0),
  Where: where,
  Gather: gather,
  Slice: slice,
  Concat: concat,
  Expand: expand,
  Transpose: transpose,
  Split: split,
  Squeeze: (n, [x]) => sameElements(n, x, n.squeezed(x.shape) as number[]),
  Unsqueeze: (n, [x]) => sameElements(n, x, n.unsqueezed(x.shape) as number[]),
  Flatten: (n, [x]) => sameElements(n, x, n.flattened(x.shape) as number[]),
  Reshape(n, [x, target]) {
    const shape: Shape = n.reshaped(x.shape, target.elements);
    return shape.some(isSymbolic) ? undefined : sameElements(n, x, shape as number[]);
  },
  ReduceProd: reduceAll(dimMul),
  ReduceSum: reduceAll(dimAdd),
  ReduceMax: reduceAll(larger),
  ReduceMin: reduceAll(smaller),
};
