import { type DType, isFloat } from '../dtype.ts';
import { ndarray } from '../ndarray.ts';
import type { OpDef } from '../op.ts';
import { addOp, divOp, maximumOp, minimumOp, modOp, mulOp, negOp, powOp, subOp } from '../ops/arithmetic.ts';
import { broadcastOp, identityOp, reshapeOp } from '../ops/basic.ts';
import {
  castOp,
  equalOp,
  greaterEqualOp,
  greaterOp,
  lessEqualOp,
  lessOp,
  logicalAndOp,
  logicalNotOp,
  logicalOrOp,
  notEqualOp,
  whereOp,
} from '../ops/compare.ts';
import { customVjpOp, stopGradientOp, straightThroughOp } from '../ops/control.ts';
import { matmulOp } from '../ops/linear.ts';
import { expandDimsOp, squeezeOp, transposeOp } from '../ops/shape.ts';
import { flipOp } from '../ops/slicing.ts';
import { broadcastShapes, isConcrete, isSymbolic, type Shape, shapeEquals } from '../shape.ts';
import { constantOp, type Tensor, type TensorType } from '../tensor.ts';
import { uniformValue } from './fold.ts';

// biome-ignore lint/suspicious/noExplicitAny: a rule knows the attributes of the operators it names
type AnyOp = OpDef<any>;

/** Makes nodes while a graph is rewritten: simplified and shared like all others. */
export interface RuleContext {
  make(op: AnyOp, inputs: readonly Tensor[], attrs: unknown): Tensor;
}

/** Another tensor of the same value, shape and dtype, or undefined. */
export type Rule = (
  inputs: readonly Tensor[],
  // biome-ignore lint/suspicious/noExplicitAny: see AnyOp
  attrs: any,
  ctx: RuleContext,
  type: TensorType,
) => Tensor | undefined;

const from = (t: Tensor, op: AnyOp): boolean => t.node.op === op;
const source = (t: Tensor): Tensor => t.node.inputs[0];

/** Element-wise operators broadcast by themselves: their operands need not be stretched first. */
const lean =
  (op: AnyOp): Rule =>
  (inputs, _, ctx, type) => {
    if (!inputs.some((t) => from(t, broadcastOp))) return undefined;
    const bare = inputs.map((t) => (from(t, broadcastOp) ? source(t) : t));
    const shape = broadcastShapes(...bare.map((t) => t.shape));
    // all operands stretched: compute small, stretch the result
    if (!shapeEquals(shape, type.shape) && inputs.every((t) => t.rank === 0 || from(t, broadcastOp)))
      return ctx.make(broadcastOp, [ctx.make(op, bare, null)], { shape: type.shape });
    for (let i = 0; i < inputs.length; i++) {
      const fewer = inputs.map((t, k) => (k === i ? bare[i] : t));
      if (fewer[i] !== inputs[i] && shapeEquals(broadcastShapes(...fewer.map((t) => t.shape)), type.shape))
        return ctx.make(op, fewer, null);
    }
    return undefined;
  };

/** `x` in place of `op(x, neutral)`, stretched to the result's shape. */
const neutral =
  (value: number, side: 0 | 1): Rule =>
  (inputs, _, ctx, type) => {
    if (uniformValue(inputs[side]) !== value) return undefined;
    return stretch(inputs[1 - side], type.shape, ctx);
  };
const stretch = (x: Tensor, shape: Shape, ctx: RuleContext): Tensor =>
  shapeEquals(x.shape, shape) ? x : ctx.make(broadcastOp, [x], { shape });

const signs: Rule = ([a, b], attrs, ctx) => {
  const other = attrs.op === addOp ? subOp : addOp;
  if (from(b, negOp)) return ctx.make(other, [a, source(b)], null);
  return attrs.op === addOp && from(a, negOp) ? ctx.make(subOp, [b, source(a)], null) : undefined;
};

/** (x · c) · d = x · (c · d) for constants; the product must stay an ordinary float32. */
const constantFactors: Rule = ([a, b], _, ctx, type) => {
  if (!isFloat(type.dtype)) return undefined;
  for (const [x, c] of [
    [a, b],
    [b, a],
  ]) {
    const outer = scalarOf(c);
    if (outer === undefined || !from(x, mulOp)) continue;
    for (const k of [0, 1]) {
      const inner = scalarOf(x.node.inputs[k]);
      if (inner === undefined) continue;
      const product = outer * inner;
      if (Math.abs(product) < 1e30 && Math.abs(product) > 1e-30)
        return ctx.make(mulOp, [x.node.inputs[1 - k], scalarLike(product, type.dtype, ctx)], null);
    }
  }
  return undefined;
};
const scalarOf = (t: Tensor): number | undefined => (t.rank === 0 ? uniformValue(t) : undefined);
function scalarLike(value: number, dtype: DType, ctx: RuleContext): Tensor {
  const one = ctx.make(constantOp, [], { value: ndarray(Float64Array.of(value), [], 'float64') });
  return dtype === 'float64' ? one : ctx.make(castOp, [one], { dtype });
}

const minusOne: Rule = ([a, b], _, ctx, type) => {
  if (!isFloat(type.dtype)) return undefined;
  for (const [x, c] of [
    [a, b],
    [b, a],
  ])
    if (uniformValue(c) === -1 && shapeEquals(x.shape, type.shape)) return ctx.make(negOp, [x], null);
  return undefined;
};

/** Of two transpositions, one; of an order that changes nothing, none. */
const transposes: Rule = ([x], { perm }: { perm: readonly number[] }, ctx) => {
  if (perm.every((a, i) => a === i)) return x;
  if (!from(x, transposeOp)) return undefined;
  return ctx.make(transposeOp, [source(x)], { perm: perm.map((a) => x.node.attrs.perm[a]) });
};

const SAME_ELEMENTS: ReadonlySet<AnyOp> = new Set<AnyOp>([reshapeOp, expandDimsOp, squeezeOp]);

/** Of several operators that keep all elements in order, one reshape, if ONNX can say its shape as a constant. */
const reshapes: Rule = ([x], _, ctx, type) => {
  if (shapeEquals(x.shape, type.shape)) return x;
  if (!SAME_ELEMENTS.has(x.node.op)) return undefined;
  let first = x;
  while (SAME_ELEMENTS.has(first.node.op)) first = source(first);
  if (shapeEquals(first.shape, type.shape)) return first;
  const sayable = isConcrete(type.shape) || type.shape.filter(isSymbolic).length === 1;
  return sayable && !type.shape.includes(0) ? ctx.make(reshapeOp, [first], { shape: type.shape }) : undefined;
};

const broadcasts: Rule = ([x], { shape }: { shape: Shape }, ctx) => {
  if (shapeEquals(x.shape, shape)) return x;
  return from(x, broadcastOp) ? ctx.make(broadcastOp, [source(x)], { shape }) : undefined;
};

/** Dtypes that hold every value of a dtype exactly. */
const WIDER: Partial<Record<DType, readonly DType[]>> = {
  bool: ['uint8', 'int32', 'int64', 'uint32', 'float16', 'float32', 'float64'],
  uint8: ['int32', 'int64', 'uint32', 'float16', 'float32', 'float64'],
  int32: ['int64', 'float64'],
  uint32: ['int64', 'float64'],
  float16: ['float32', 'float64'],
  float32: ['float64'],
};
const casts: Rule = ([x], { dtype }: { dtype: DType }, ctx) => {
  if (x.dtype === dtype) return x;
  if (!from(x, castOp)) return undefined;
  const first = source(x);
  return WIDER[first.dtype]?.includes(x.dtype) ? ctx.make(castOp, [first], { dtype }) : undefined;
};

const involution =
  (op: AnyOp): Rule =>
  ([x]) =>
    from(x, op) ? source(x) : undefined;

const flips: Rule = ([x], { axes }: { axes: readonly number[] }) =>
  from(x, flipOp) && x.node.attrs.axes.join() === axes.join() ? source(x) : undefined;

const sameBranches: Rule = ([, a, b], _, ctx, type) =>
  a.node === b.node && a.index === b.index ? stretch(a, type.shape, ctx) : undefined;

/** A product reads its operands transposed for free. */
const transposedOperands: Rule = (inputs, attrs, ctx) => {
  for (const [i, flag] of (['transA', 'transB'] as const).entries()) {
    const x = inputs[i];
    if (!from(x, transposeOp) || x.rank < 2) continue;
    const perm: readonly number[] = x.node.attrs.perm;
    const n = x.rank;
    if (perm[n - 1] !== n - 2 || perm[n - 2] !== n - 1 || perm.some((a, k) => k < n - 2 && a !== k)) continue;
    const operands = inputs.map((t, k) => (k === i ? source(t) : t));
    return ctx.make(matmulOp, operands, { ...attrs, [flag]: !attrs[flag] });
  }
  return undefined;
};

const self: Rule = ([x]) => x;
const withOp =
  (rule: Rule, op: AnyOp): Rule =>
  (inputs, _, ctx, type) =>
    rule(inputs, { op }, ctx, type);

/** Rules by operator, tried in order until one applies. */
export const RULES: ReadonlyMap<AnyOp, readonly Rule[]> = new Map<AnyOp, readonly Rule[]>([
  [identityOp, [self]],
  [addOp, [neutral(0, 0), neutral(0, 1), withOp(signs, addOp), lean(addOp)]],
  [subOp, [neutral(0, 1), withOp(signs, subOp), lean(subOp)]],
  [mulOp, [neutral(1, 0), neutral(1, 1), minusOne, constantFactors, lean(mulOp)]],
  [divOp, [neutral(1, 1), lean(divOp)]],
  [powOp, [neutral(1, 1), lean(powOp)]],
  ...[maximumOp, minimumOp, modOp, equalOp, notEqualOp, lessOp, lessEqualOp, greaterOp, greaterEqualOp].map(
    (op): [AnyOp, Rule[]] => [op, [lean(op)]],
  ),
  [logicalAndOp, [lean(logicalAndOp)]],
  [logicalOrOp, [lean(logicalOrOp)]],
  [whereOp, [sameBranches, lean(whereOp)]],
  [negOp, [involution(negOp)]],
  [logicalNotOp, [involution(logicalNotOp)]],
  [flipOp, [flips]],
  [transposeOp, [transposes]],
  [reshapeOp, [reshapes]],
  [expandDimsOp, [reshapes]],
  [squeezeOp, [reshapes]],
  [broadcastOp, [broadcasts]],
  [castOp, [casts]],
  [matmulOp, [transposedOperands]],
]);

/** Operators whose operands may change places: sorted, so that a + b and b + a are one. */
export const COMMUTATIVE: ReadonlySet<AnyOp> = new Set<AnyOp>([
  addOp,
  mulOp,
  maximumOp,
  minimumOp,
  equalOp,
  notEqualOp,
  logicalAndOp,
  logicalOrOp,
]);

/** What stands for the outputs of operators that only differentiation sees, once differentiation is over. */
export function forwardOnly(
  op: AnyOp,
  inputs: readonly Tensor[],
  attrs: { inputs: number },
): Tensor[] | undefined {
  if (op === stopGradientOp || op === straightThroughOp) return [inputs[0]];
  if (op === customVjpOp) return inputs.slice(attrs.inputs);
  return undefined;
}
