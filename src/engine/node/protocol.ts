import type { DType, TypedArray } from '../../graph/dtype.ts';
import type { OperatorTime } from '../engine.ts';
import type { StateMove } from '../lower.ts';

/** A host array as it crosses to the worker: `data` owns its whole buffer, which is transferred. */
export interface WireArray {
  dtype: DType;
  shape: readonly number[];
  data: TypedArray;
}

export interface SessionConfig {
  provider: string;
  threads: number;
  /** 'auto': threads spin between operators only while the engine has one session. */
  spin: boolean | 'auto';
  /** Path prefix of onnxruntime's profile; measures if given. */
  profile?: string;
}

/** Names of one session: how its inputs and outputs map to state and data. */
export interface StepPlan {
  inputs: readonly string[];
  /** '' where a state entry is never written. */
  outputs: readonly string[];
  moves: readonly StateMove[];
}

export type Request =
  | { type: 'load'; session: number; bytes: Uint8Array<ArrayBuffer>; config: SessionConfig }
  | { type: 'release'; session: number }
  | { type: 'run'; session: number; plan: StepPlan; inputs: WireArray[] }
  | { type: 'setState'; state: number; arrays: WireArray[] }
  | { type: 'getState'; state: number }
  | { type: 'freeState'; state: number }
  | { type: 'steps'; session: number; state: number; plan: StepPlan; batches: WireArray[][] }
  | { type: 'profile'; session: number }
  | { type: 'stats' }
  | { type: 'close' };

export type Envelope = Request & { id: number; generation: number };

export interface EngineStats {
  /** Resident memory of the process, bytes. */
  rss: number;
  /** Milliseconds inside onnxruntime's run so far. */
  runMs: number;
  /** Runs so far. */
  runs: number;
}

export interface Reply {
  id: number;
  value?: WireArray[] | WireArray[][] | OperatorTime[] | EngineStats | undefined;
  error?: { message: string; interrupted?: boolean };
}

/** Slots of the shared flags: requests of an older generation than STOP do not begin; BUSY is 1 inside onnxruntime. */
export const STOP = 0;
export const BUSY = 1;
