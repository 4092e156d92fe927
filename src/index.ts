/** Decant as a library, for Node. The browser's entry is browser.ts. */
import { resolve } from 'node:path';
import { stringify } from 'yaml';
import { loadCatalogue } from './cli/catalogue.ts';
import { type LoadedRecipe, loadRecipe } from './recipe/load.ts';
import { parseRecipe } from './recipe/parse.ts';
import { type RunOptions, type RunResult, runRecipe } from './run/run.ts';

export * from './browser.ts';
export { createNodeEngine, type NodeEngine, type NodeEngineOptions } from './engine/node/engine.ts';
export {
  openPredictor,
  type Prediction,
  type PredictOptions,
  type Predictor,
  predict,
} from './run/predict.ts';
export type { RunOptions, RunResult } from './run/run.ts';
export { openSignalStore } from './teachers/store/index.ts';
export { topKFromLogits } from './teachers/store/top-k.ts';
export { defineTeacher, type Teacher } from './teachers/teacher.ts';
export { diskFolder } from './util/node/disk-folder.ts';
export { downloadFromHub } from './util/node/hub.ts';

/** A recipe: the path of a YAML file, or the same as an object. */
export type RecipeInput = string | Readonly<Record<string, unknown>>;

export interface RunInput extends RunOptions {
  /** Overrides, `path=value`, as the command line's --set. */
  set?: readonly string[];
}

async function load(
  recipe: RecipeInput,
  set: readonly string[] | undefined,
): Promise<Pick<LoadedRecipe, 'recipe' | 'hash' | 'baseDir'>> {
  const catalogue = await loadCatalogue();
  if (typeof recipe === 'string') return loadRecipe(resolve(recipe), { set, catalogue });
  return { ...parseRecipe(stringify(recipe), { file: 'recipe', set, catalogue }), baseDir: process.cwd() };
}

/**
 * Runs a recipe from data and teacher to a student folder and a report.
 *
 * @example
 * const { report, model } = await run('recipe.yaml', { out: 'runs/first', set: ['seeds=[1,2,3]'] });
 */
export async function run(recipe: RecipeInput, options: RunInput = {}): Promise<RunResult> {
  const { set, ...rest } = options;
  const loaded = await load(recipe, set);
  return runRecipe(loaded.recipe, loaded.hash, { baseDir: loaded.baseDir, ...rest });
}

/** Checks a recipe and its data and says what a run would do; trains nothing. */
export async function plan(file: string, options: { set?: readonly string[]; full?: boolean } = {}) {
  const { planRecipe } = await import('./cli/plan.ts');
  const io = {
    stdout: { write: () => true },
    stderr: { write: () => true },
    stdin: {},
    env: process.env,
    cwd: process.cwd(),
  };
  return planRecipe(file, { set: options.set && [...options.set], full: options.full }, io);
}
