import type { PreparedData } from '../data/prepare.ts';
import type { Engine } from '../engine/engine.ts';
import type { ReportData } from '../evaluate/report/data.ts';
import type { ExportedFile } from '../export/student.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import type { SignalStore } from '../teachers/store/index.ts';
import type { Teacher } from '../teachers/teacher.ts';
import type { RunJournal } from './events.ts';
import type { RunFolder } from './folder.ts';
import type { ParityResult } from './parity.ts';
import type { ProgressReporter } from './progress.ts';

/** What every part of a run is given; nothing else is shared between them. */
export interface RunContext {
  readonly recipe: Recipe;
  readonly recipeHash: string;
  readonly baseDir: string;
  readonly folder: RunFolder;
  readonly journal: RunJournal;
  readonly progress: ProgressReporter;
  readonly engine: Engine;
  readonly data: PreparedData;
  readonly signals: SignalStore;
  /** A teacher given through the library, in place of the recipe's. */
  readonly teacher?: Teacher;
  /** Set by ctrl-C: work stops after a checkpoint. */
  readonly stopRequested: () => boolean;
  /** Milliseconds inside the engine, of compiling, and of training altogether. */
  readonly clock: { engineMs: number; compileMs: number; trainMs: number };
}

/** What a finished run gives back. */
export interface RunOutcome {
  readonly report: ReportData;
  readonly model: {
    readonly folder: string;
    readonly files: readonly ExportedFile[];
    readonly parity: readonly ParityResult[];
  };
  readonly askedOfTeacher: number;
}
