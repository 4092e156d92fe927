import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { planColumns } from '../data/columns.ts';
import { type PreparedData, type PrepareOptions, prepareData } from '../data/prepare.ts';
import { tasks } from '../data/roles.ts';
import { hubData } from '../data/sources/hub-data.ts';
import { openReference, parseReference } from '../data/sources/open.ts';
import { isProblem, type SourceSet, type Task } from '../data/types.ts';
import { dataSpecOf, taskOf } from '../recipe/data-spec.ts';
import { type LoadedRecipe, loadRecipe } from '../recipe/load.ts';
import { parseRecipe } from '../recipe/parse.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import { DecantError } from '../util/errors.ts';
import type { Io } from './io.ts';

export interface InspectFlags {
  task?: string;
  set?: string[];
  /** File that receives every problem as JSONL. */
  problems?: string;
}

/** Reads a data source, or the data of a recipe, and reports on it. */
export async function inspectData(source: string, flags: InspectFlags, io: Io): Promise<PreparedData> {
  const { recipe, baseDir } = /\.ya?ml$/i.test(source)
    ? await loadRecipe(resolve(io.cwd, source), { set: flags.set })
    : await asRecipe(source, flags, io);
  return checkData(recipe, baseDir, io, flags.problems);
}

/** How a task reads the data of its recipes. */
export type PrepareRows = (recipe: Recipe, options: PrepareOptions) => Promise<PreparedData>;

/** Prepares the data of a recipe, or has the task's runner do it; every problem goes to a file when one is named. */
export async function checkData(
  recipe: Recipe,
  baseDir: string,
  io: Io,
  problems?: string,
  quick = false,
  prepare: PrepareRows = (r, options) => prepareData(dataSpecOf(r), options),
): Promise<PreparedData> {
  const file = problems === undefined ? undefined : createWriteStream(resolve(io.cwd, problems));
  try {
    return await prepare(recipe, {
      task: taskOf(recipe),
      baseDir,
      dataRoot: io.env.DECANT_DATA,
      hub: hubData({ env: io.env }),
      quick,
      onProblem: file && ((p) => file.write(`${JSON.stringify(p)}\n`)),
    });
  } finally {
    if (file) await new Promise((done) => file.end(done));
  }
}

/** A recipe around a bare source, so that its checks and `--set` serve here too. */
async function asRecipe(
  source: string,
  flags: InspectFlags,
  io: Io,
): Promise<Pick<LoadedRecipe, 'recipe' | 'baseDir'>> {
  const task = flags.task ?? 'classify';
  if (!tasks.includes(task as Task))
    throw new DecantError('usage', 'unknown task', { at: '--task', seen: task, allowed: tasks.join(', ') });
  const text = JSON.stringify({
    version: 1,
    task,
    data: { train: source },
    student: { architecture: '-' },
    method: '-',
  });
  const { recipe } = parseRecipe(text, { file: source, set: flags.set });
  const spec = dataSpecOf(recipe);
  const set = await openReference(source.replace(/#[A-Za-z0-9_-]+$/, ''), {
    ...spec,
    baseDir: io.cwd,
    dataRoot: io.env.DECANT_DATA,
    hub: hubData({ env: io.env }),
  });
  if (!flags.task) recipe.task = await guessTask(set, source, spec);
  // A single table is shown whole; a set's own splits are all shown.
  const whole = parseReference(source).split !== undefined || !set.splits.test;
  if (recipe.data.test === undefined && whole) recipe.data.test = 0;
  if (recipe.data.validation === undefined && (whole || !set.splits.validation)) recipe.data.validation = 0;
  if (!whole && set.splits.unlabeled && recipe.data.unlabeled === undefined)
    recipe.data.unlabeled = `${source}#unlabeled`;
  return { recipe, baseDir: io.cwd };
}

/** The first task whose columns the rows have. */
async function guessTask(set: SourceSet, source: string, spec: ReturnType<typeof dataSpecOf>): Promise<Task> {
  const own = parseReference(source).split;
  const first = set.splits[own ?? ''] ?? set.splits.train ?? Object.values(set.splits)[0];
  for await (const batch of first.batches()) {
    const row = batch.find((item) => !isProblem(item));
    if (!row || isProblem(row)) continue;
    const columns = Object.keys(row.values);
    const order: Task[] = ['prefer', 'image-classify', 'classify', 'rank', 'generate', 'embed'];
    for (const unlabelled of [false, true]) {
      for (const task of order) {
        try {
          planColumns({
            task,
            columns,
            mapped: spec.columns,
            suggested: set.columns,
            unlabelled,
            at: source,
          });
          return task;
        } catch {
          // the next task may fit
        }
      }
    }
    throw new DecantError('usage', 'the columns fit no task', {
      at: source,
      seen: columns,
      fix: 'name a task and map columns: --task classify --set data.columns.text=... --set data.columns.label=...',
    });
  }
  return 'classify';
}
