import type { Tensor } from '../../graph/index.ts';
import type { CaseReader } from './reader.ts';

export type Json = number | string | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** One golden case: what a function must return, and its gradients. */
export interface VectorCase {
  readonly name: string;
  readonly function: string;
  readonly params: Readonly<Record<string, Json>>;
  readonly inputs: Readonly<Record<string, Json>>;
  readonly outputs: Json;
}

/** A file of golden vectors of one method. */
export interface VectorFile {
  readonly method: string;
  readonly source: string;
  readonly tolerance: number;
  readonly cases: readonly VectorCase[];
}

/**
 * How an input of a differentiable case enters the graph: `float` (default), `int` (int32), `bool`, or `host` (not a
 * tensor; read through the {@link CaseReader}).
 */
export type InputKind = 'float' | 'int' | 'bool' | 'host';

interface VectorBase {
  readonly method: string;
  /** The exact `function` string of the cases. */
  readonly function: string;
  /** Relative tolerance in place of the file's, per named output; for fitted optima and the like. */
  readonly tolerances?: Readonly<Record<string, number>>;
}

/** A case whose outputs are tensors; run in float64 on the oracle and in float32 on onnxruntime, with gradients. */
export interface DifferentiableVector extends VectorBase {
  readonly kind: 'differentiable';
  readonly inputs?: Readonly<Record<string, InputKind>>;
  /** Trainable inputs that cases need not list, with their shapes: they start at 0 (a bias, say). */
  readonly extra?: Readonly<Record<string, readonly number[]>>;
  /**
   * Outputs by the names used in the file; host values are compared once. A gradient key of the file (`grads`,
   * `x_grads`) is that of the output `gradients` names for it, by default `loss` for `grads` and `x` for `x_grads`;
   * an output that is not a scalar is summed.
   */
  readonly run: (inputs: Record<string, Tensor>, c: CaseReader) => Record<string, Tensor | Json>;
  readonly gradients?: Readonly<Record<string, string>>;
  /** For files that list gradients by output (`grads: {total: …, low: …}`): the input they are all taken by. */
  readonly gradientsBy?: string;
}

/** A case of host code: input to output, once. */
export interface AlgorithmicVector extends VectorBase {
  readonly kind: 'algorithmic';
  readonly run: (c: CaseReader) => Json | Promise<Json>;
}

/** What evaluates the cases of one `function` string. Lists of them stand beside the code they call. */
export type Vector = DifferentiableVector | AlgorithmicVector;
