import type { DType } from './dtype.ts';
import type { NDArray } from './ndarray.ts';
import type { Dim, Shape } from './shape.ts';
import type { Tensor, TensorType } from './tensor.ts';

/**
 * An operator is data, in one place: shape rule, float64 reference evaluation, vector-Jacobian product written in
 * operators (so that gradients of gradients work), ONNX emission.
 */
export interface OpDef<A> {
  readonly name: string;
  /** One line: what it computes. Shown in the coverage table. */
  readonly doc: string;
  /** Output types from input types; throws a `shape` DecantError that says what was expected. */
  infer(inputs: readonly TensorType[], attrs: A): TensorType[];
  /** The oracle: outputs (row-major float64) from inputs. Never rounds to float32. */
  evaluate(inputs: readonly RefArray[], ctx: EvalContext<A>): Float64Array[];
  /**
   * Cotangents of the inputs from cotangents of the outputs; `undefined` for an input that has none.
   * 'none' when no input is differentiable (integer, comparison, and piecewise-constant operators).
   */
  readonly vjp: 'none' | ((ctx: VjpContext<A>) => (Tensor | undefined)[]);
  /** Appends ONNX nodes, returns the names of the outputs. */
  emit(e: Emitter, inputs: readonly string[], ctx: EmitContext<A>): string[];
}

/** An array of the oracle. Every dtype is held as float64 (integers exact to 2^53, bool as 0 and 1). */
export interface RefArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export interface EvalContext<A> {
  readonly attrs: A;
  /** Concrete types of the outputs. */
  readonly types: readonly { readonly shape: readonly number[]; readonly dtype: DType }[];
  /** The size of a symbolic dimension in this run. */
  dim(d: Dim): number;
  fromNDArray(a: NDArray): RefArray;
}

export interface VjpContext<A> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attrs: A;
  /** Cotangent per output; `undefined` where nothing depends on that output. At least one is defined. */
  readonly grads: readonly (Tensor | undefined)[];
  /** Whether input `i` needs a cotangent: expensive ones may be left out when it does not. */
  needs(i: number): boolean;
}

export interface EmitContext<A> {
  readonly attrs: A;
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
}

export type OnnxAttr =
  | number // int when integral and not wrapped in {float}
  | string
  | readonly number[] // ints
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: NDArray }
  | { readonly graph: unknown };

/** What an operator's `emit` may ask of the ONNX writer. Names are those of ONNX values. */
export interface Emitter {
  /** True when only operators of the ONNX standard may be used (exports); false: onnxruntime's own ones too. */
  readonly standardOnly: boolean;
  readonly opset: number;
  /** Appends a node with one output; returns its name. '' stands for an absent optional input. */
  node(opType: string, inputs: readonly string[], attrs?: Record<string, OnnxAttr>, domain?: string): string;
  /** Appends a node with several outputs. */
  nodes(
    opType: string,
    inputs: readonly string[],
    outputs: number,
    attrs?: Record<string, OnnxAttr>,
    domain?: string,
  ): string[];
  /** A constant as an initializer (equal small constants are shared). */
  constant(value: NDArray): string;
  /** A 1-d int64 constant. */
  int64(values: readonly number[]): string;
  /** A 0-d constant. */
  scalar(value: number, dtype: DType): string;
  /** A 1-d int64 tensor holding the sizes: an initializer if they are numbers, else computed from the inputs' shapes. */
  shape(shape: Shape): string;
  /** The target for Reshape: like `shape`, but uses -1 when one size only is symbolic. */
  reshapeTarget(shape: Shape): string;
  /** A 0-d int64 tensor holding the size. */
  dim(d: Dim): string;
  cast(x: string, to: DType): string;
}
