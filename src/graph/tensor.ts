import { DecantError, isDecantError } from '../util/errors.ts';
import type { DType } from './dtype.ts';
import { array, type NDArray, type NestedNumbers } from './ndarray.ts';
import type { OpDef } from './op.ts';
import { type Shape, showShape } from './shape.ts';

export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** One application of an operator. Nodes are immutable; a graph is whatever its outputs reach. */
export interface Node {
  readonly id: number;
  // biome-ignore lint/suspicious/noExplicitAny: attributes are typed where the operator is defined
  readonly op: OpDef<any>;
  readonly inputs: readonly Tensor[];
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly attrs: any;
  readonly types: readonly TensorType[];
  /** Where in the user's code it was traced; formatted on demand. */
  readonly origin: Error;
}

/** A symbolic array: output `index` of a node. It has a shape and a dtype, but no values. */
export class Tensor implements TensorType {
  readonly node: Node;
  readonly index: number;
  constructor(node: Node, index: number) {
    this.node = node;
    this.index = index;
  }
  get shape(): Shape {
    return this.node.types[this.index].shape;
  }
  get dtype(): DType {
    return this.node.types[this.index].dtype;
  }
  get rank(): number {
    return this.shape.length;
  }
  toString(): string {
    return `Tensor(${this.dtype}${showShape(this.shape)} from ${this.node.op.name})`;
  }
}

/** What operators accept: a tensor, or a number or boolean that takes the other operand's dtype. */
export type TensorLike = Tensor | number | boolean;

let nextId = 0;

/** Applies an operator; returns all its outputs. Shape errors name the operator, the shapes seen and the user's line. */
export function applyAll<A>(op: OpDef<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
  const origin = captureOrigin();
  let types: TensorType[];
  try {
    types = op.infer(inputs, attrs);
  } catch (e) {
    if (!isDecantError(e)) throw e;
    const seen = inputs.map((t) => `${t.dtype}${showShape(t.shape)}`).join(', ');
    throw new DecantError('shape', `${op.name}(${seen}): ${e.message}`, { at: userFrame(origin), cause: e });
  }
  return nodeOutputs(op, inputs, attrs, types, origin);
}

/** The outputs of a new node whose types are known already (graph passes make nodes so; functions use applyAll). */
export function nodeOutputs<A>(
  op: OpDef<A>,
  inputs: readonly Tensor[],
  attrs: A,
  types: readonly TensorType[],
  origin: Error,
): Tensor[] {
  const node: Node = { id: nextId++, op, inputs: [...inputs], attrs, types, origin };
  return types.map((_, i) => new Tensor(node, i));
}

/** Applies an operator that has one output. */
export const apply = <A>(op: OpDef<A>, inputs: readonly Tensor[], attrs: A): Tensor =>
  applyAll(op, inputs, attrs)[0];

function captureOrigin(): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 16;
  const e = new Error('traced here');
  Error.stackTraceLimit = limit;
  return e;
}

const HERE = import.meta.url.replace(/graph\/tensor\.[tj]s.*$/, '');

/** First stack frame outside Decant's own sources (tests count as outside): `file:line:column`. */
export function userFrame(origin: Error): string | undefined {
  const own = HERE.replace(/^file:\/\//, '');
  for (const line of (origin.stack ?? '').split('\n').slice(1)) {
    const at = /\(?((?:file:\/\/)?[^\s()]+:\d+:\d+)\)?$/.exec(line.trim())?.[1];
    if (!at || at.startsWith('node:')) continue;
    const inside = at.replace(/^file:\/\//, '').startsWith(own) && !/\.test\.[tj]s/.test(at);
    if (!inside) return at;
  }
  return undefined;
}

/** A graph input. `name` is what ONNX shows. */
export const input = (name: string, shape: Shape, dtype: DType = 'float32'): Tensor =>
  apply(inputOp, [], { name, shape, dtype });

/** A constant; becomes an ONNX initializer (a frozen weight). */
export function constant(value: NDArray | NestedNumbers, dtype?: DType): Tensor {
  const data = isNDArray(value) ? value : array(value, dtype ?? 'float32');
  return apply(constantOp, [], { value: data });
}

const isNDArray = (v: unknown): v is NDArray =>
  typeof v === 'object' && v !== null && 'data' in v && 'dtype' in v;

/** Lifts numbers and booleans to scalars of the dtype of the first tensor among `others` (float32 if none). */
export function lift(x: TensorLike, ...others: TensorLike[]): Tensor {
  if (x instanceof Tensor) return x;
  const peer = others.find((o): o is Tensor => o instanceof Tensor);
  return constant(array(Number(x), peer?.dtype ?? (typeof x === 'boolean' ? 'bool' : 'float32'), []));
}

export const inputOp: OpDef<{ name: string; shape: Shape; dtype: DType }> = {
  name: 'input',
  doc: 'A value given when the graph runs.',
  infer: (_, { shape, dtype }) => [{ shape, dtype }],
  evaluate: () => {
    throw new DecantError('internal', 'inputs are bound by the engine');
  },
  vjp: 'none',
  emit: () => {
    throw new DecantError('internal', 'inputs are declared by the writer');
  },
};

export const constantOp: OpDef<{ value: NDArray }> = {
  name: 'constant',
  doc: 'A value fixed when the graph is built.',
  infer: (_, { value }) => [{ shape: value.shape, dtype: value.dtype }],
  evaluate: (_, { attrs, fromNDArray }) => [fromNDArray(attrs.value).data],
  vjp: 'none',
  emit: (e, _, { attrs }) => [e.constant(attrs.value)],
};
