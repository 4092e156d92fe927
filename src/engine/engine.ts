import type { NDArray } from '../graph/ndarray.ts';
import type { Graph } from '../graph/trace.ts';

/**
 * Something that runs graphs. Engines own every buffer they allocate; what they return belongs to the caller.
 */
export interface Engine {
  readonly name: string;
  /**
   * Prepares a graph. The first `state` inputs are state: the engine keeps them between steps, and the first
   * `state` outputs, of the same types and order, are their next values. Equal graphs share one compiled session.
   */
  load(graph: Graph, options?: LoadOptions): Promise<Executable>;
  /** Steps that have not begun are refused with an `interrupted` error; the state stays as the last finished one left it. */
  interrupt(): void;
  /** Waits for the step in progress, then frees sessions and workers. */
  close(): Promise<void>;
}

export interface LoadOptions {
  /** How many inputs (and outputs) are state; default 0. */
  state?: number;
  /** Use the kept state of this executable of the same engine, whose state has the same types. */
  shareState?: Executable;
  /** Prepare `stepMany` as one run of an ONNX Loop: the same bits, less overhead per step for small models. */
  loop?: boolean;
  /** Measure operators; read with `profile()`. */
  profile?: boolean;
}

export interface Executable {
  /** Runs once with all inputs given (state included); nothing is kept. Outputs in graph order. */
  run(inputs: readonly NDArray[]): Promise<NDArray[]>;
  /** Sets the kept state (copied). */
  setState(state: readonly NDArray[]): Promise<void>;
  /** A copy of the kept state. */
  getState(): Promise<NDArray[]>;
  /** Runs once on the kept state and the other inputs; the state moves on; returns the other outputs. */
  step(inputs: readonly NDArray[]): Promise<NDArray[]>;
  /**
   * `step` once per element, without coming back in between; one ONNX Loop if loaded with `loop`. Interrupted after
   * the first step, it returns the results of those that ran.
   */
  stepMany(inputs: readonly (readonly NDArray[])[]): Promise<NDArray[][]>;
  /** Time per operator since loading, most expensive first. Ends the measurement. Needs `profile: true`. */
  profile(): Promise<OperatorTime[]>;
  dispose(): Promise<void>;
}

export interface OperatorTime {
  /** ONNX operator type. */
  op: string;
  /** Executions. */
  calls: number;
  /** Milliseconds in all. */
  ms: number;
  /** Fraction of the time of all operators. */
  share: number;
}
