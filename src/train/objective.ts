import type { Denominators, Masks, Terms } from './terms.ts';
import type { ParamSpecs, Params, Tensor } from './types.ts';

/** Where the weights of a frozen teacher lie among the parameters, if the step calls it. */
export const TEACHER = '@teacher';

/** What a forward pass in training may use besides parameters and batch. */
export interface StepContext {
  /** False in evaluation: no dropout, running statistics instead of batch statistics. */
  readonly train: boolean;
  /** False for parts of an accumulated batch but the last: the weights stay as they are after them. */
  readonly updating?: boolean;
  /** A fresh random key per call (uint32[2]); undefined in evaluation. */
  readonly nextKey?: () => Tensor;
  /** New values of buffers (running statistics) by parameter name. */
  readonly updates: Map<string, Tensor>;
  /** The method's scalars of this step and `progress`. */
  readonly scalars: Readonly<Record<string, Tensor>>;
}

/** A loss as the loop sees it: parameters, a batch of columns, named terms out. Pure. */
export interface Objective {
  /** Everything that is trained or kept with the model: the student's parameters, buffers, and a method's extra parts. */
  readonly params: ParamSpecs;
  /** Names of the scalars that `schedule` provides. */
  readonly scalars: readonly string[];
  /**
   * The term whose gradient the others may not oppose: over all parameters together, and over the rows in memory together,
   * theirs lose the component against it.
   */
  readonly leading?: string;
  terms(
    params: Params<Tensor>,
    batch: Readonly<Record<string, Tensor>>,
    ctx: StepContext,
  ): { terms: Terms; masks: Masks };
}

export type { Denominators };
