import type { NDArray } from '../graph/ndarray.ts';
import type { Graph } from '../graph/trace.ts';

/**
 * Something that runs graphs. Engines own every buffer they allocate; what they return belongs to the caller.
 */
export interface Engine {
  readonly name: string;
  /**
   * Prepares a graph. The first `state` inputs are state: the engine keeps them between steps, and the first
   * `state` outputs, of the same types and order, are their next values.
   */
  load(graph: Graph, options?: LoadOptions): Promise<Executable>;
  /** Frees sessions and workers. */
  close(): Promise<void>;
}

export interface LoadOptions {
  state?: number;
  threads?: number;
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
  dispose(): Promise<void>;
}
