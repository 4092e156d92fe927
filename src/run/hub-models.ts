import type { ReportData } from '../evaluate/report/data.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import { downloadFromHub, type HubOptions, type HubProgress } from '../util/node/hub.ts';
import { isHubSpec } from '../util/node/hub-spec.ts';
import type { ProgressReporter } from './progress.ts';

/** A recipe whose models all lie on this machine, and what each downloaded folder is called on the hub. */
export interface LocalRecipe {
  readonly recipe: Recipe;
  /** Local folder to `hub:owner/name@revision`. */
  readonly names: ReadonlyMap<string, string>;
}

/**
 * Fetches every model and tokenizer that a recipe takes from the hub into the local cache and points the recipe at the
 * folders. Errors: those of the hub client (`data`, `usage`), before anything else is done.
 */
export async function fetchHubModels(
  recipe: Recipe,
  progress: ProgressReporter,
  options: HubOptions = {},
): Promise<LocalRecipe> {
  const names = new Map<string, string>();
  const fetch = async (spec: string, files: 'model' | 'tokenizer'): Promise<string> => {
    const { folder } = await downloadFromHub(spec, { ...options, files, onProgress: shown(progress, spec) });
    names.set(folder, spec);
    return folder;
  };
  const madeLocal = async <M extends Recipe['student'] | NonNullable<Recipe['teacher']>>(
    m: M,
  ): Promise<M> => {
    const out = { ...m } as { from?: string; tokenizer?: { from?: string } };
    if (out.from && isHubSpec(out.from)) out.from = await fetch(out.from, 'model');
    const { tokenizer } = out;
    if (tokenizer?.from && isHubSpec(tokenizer.from))
      out.tokenizer = { ...tokenizer, from: await fetch(tokenizer.from, 'tokenizer') };
    return out as M;
  };
  const student = await madeLocal(recipe.student);
  const { teacher } = recipe;
  if (!teacher) return { recipe: { ...recipe, student }, names };
  if (teacher.kind !== 'hub')
    return { recipe: { ...recipe, student, teacher: await madeLocal(teacher) }, names };
  const { model, revision, kind: _, ...rest } = teacher;
  const path = await fetch(`hub:${model}${revision ? `@${revision}` : ''}`, 'model');
  return { recipe: { ...recipe, student, teacher: { ...rest, kind: 'folder', path } }, names };
}

/** One line of progress for each file of a repository. */
function shown(progress: ProgressReporter, spec: string): (event: HubProgress) => void {
  const tasks = new Map<string, ReturnType<ProgressReporter['task']>>();
  return (event) => {
    if (event.kind !== 'file' || event.size === 0) return;
    let task = tasks.get(event.path);
    if (!task) {
      task = progress.task(`${spec} ${event.path}`, event.size, 'bytes');
      tasks.set(event.path, task);
    }
    task.update({ done: event.done });
    if (event.done === event.size) task.finish();
  };
}

/** The report with hub names where it would show folders of the cache. */
export function withHubNames(report: ReportData, names: ReadonlyMap<string, string>): ReportData {
  const renamed = (text: string | undefined): string | undefined =>
    [...names].reduce((t, [folder, name]) => t?.replaceAll(folder, name), text);
  return { ...report, arms: report.arms.map((a) => ({ ...a, about: renamed(a.about) })) };
}
