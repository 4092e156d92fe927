import type { DataStep, StepContext, TextRecord } from '../data/steps/step.ts';

/** What a method that rewrites the training rows is given: rows, teacher, and a way to run steps. */
export interface Curation extends StepContext {
  /** The training rows, after `data.steps`. */
  readonly rows: readonly TextRecord[];
  /**
   * Runs one step on rows. Steps are taken from the run folder when they ran before with the same rows and options; what
   * they remove is written to rows-put-aside.jsonl, and the counts stand in the report. Options are filled up with the
   * step's defaults.
   */
  step(
    step: DataStep,
    options: Readonly<Record<string, unknown>>,
    rows: readonly TextRecord[],
  ): Promise<readonly TextRecord[]>;
}
