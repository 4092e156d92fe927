import { resolve } from 'node:path';
import type { DataReport } from '../data/report.ts';
import { loadRecipe } from '../recipe/load.ts';
import { isChecked, pairRecipe, type RecipePairing, requireMethod } from '../recipe/recipe-pairing.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import { checkSettings } from '../run/settings-check.ts';
import { runnerOf } from '../run/tasks.ts';
import { loadCatalogue } from './catalogue.ts';
import { checkData } from './inspect.ts';
import type { Io } from './io.ts';
import type { PlannedApi } from './plan-api.ts';
import { apiTeachersOf, type PlannedCost, planCost } from './plan-cost.ts';

export interface PlanReport {
  recipe: string;
  hash: string;
  task: string;
  method: string;
  /** Old keys that were read as new ones. */
  migrated: string[];
  seeds: number[];
  data: DataReport;
  /** Which methods fit the pair of models, as far as that is known before the run. */
  pairing?: RecipePairing;
  /** Updates of the student per seed, and rows it sees. */
  steps: number;
  rowsSeen: number;
  /** Sizes of the models and a rough time; what is not known before the run is absent. */
  cost: PlannedCost;
  /** Teachers behind an API: what they will be asked, and with `ask` what they can do. */
  api?: PlannedApi[];
  /** What the check itself took. */
  seconds: number;
}

/** Checks a recipe and its data without training anything. */
export async function planRecipe(
  file: string,
  flags: { set?: string[]; full?: boolean; askTeacher?: boolean },
  io: Io,
): Promise<PlanReport> {
  const started = performance.now();
  const catalogue = await loadCatalogue();
  const loaded = await loadRecipe(resolve(io.cwd, file), { set: flags.set, shownAs: file, catalogue });
  const { recipe } = loaded;
  const runner = runnerOf(recipe.task);
  await checkSettings(recipe, runner);
  const data = await checkData(recipe, loaded.baseDir, io, undefined, !flags.full, runner.prepare);
  const { report } = data;
  const balance = report.splits.train?.balance;
  const pairing =
    catalogue &&
    pairRecipe({
      recipe,
      baseDir: loaded.baseDir,
      classes: report.classes,
      labels: !balance || balance.counts.some((n) => n > 0),
      methods: Object.fromEntries(Object.entries(catalogue.methods).map(([name, m]) => [name, m.needs])),
    });
  if (pairing) requireMethod(pairing, recipe.method.name, `${file} method`);
  const counted = report.form === 'graph' ? inOneBatch(recipe, report) : recipe;
  const { steps, rowsSeen } = studentSteps(counted, report, runner.trainingRows?.(recipe, data, 'student'));
  const teacherRows = runner.trainingRows?.(recipe, data, 'teacher');
  return {
    recipe: file,
    hash: loaded.hash,
    task: recipe.task,
    method: recipe.method.name,
    migrated: loaded.migrated,
    seeds: recipe.seeds,
    data: report,
    pairing: pairing && forJson(pairing),
    steps,
    rowsSeen,
    cost: await planCost(counted, report, { steps, teacherRows, baseDir: loaded.baseDir }),
    api: await plannedApi(recipe, data, { baseDir: loaded.baseDir, env: io.env, ask: flags.askTeacher }),
    seconds: (performance.now() - started) / 1000,
  };
}

async function plannedApi(...given: Parameters<PlanApi>): Promise<PlannedApi[] | undefined> {
  if (apiTeachersOf(given[0]).length === 0) return undefined;
  return (await import('./plan-api.ts')).planApi(...given);
}
type PlanApi = typeof import('./plan-api.ts').planApi;

/** Output maps are as long as a vocabulary; that they exist is what matters here. */
const forJson = (pairing: RecipePairing): RecipePairing =>
  isChecked(pairing) ? { ...pairing, outputMap: undefined } : pairing;

/** A graph is one batch: all its nodes in every update, of the student as of the teacher. */
function inOneBatch(recipe: Recipe, report: DataReport): Recipe {
  const rows = (report.splits.train?.kept ?? 0) + (report.splits.unlabeled?.kept ?? 0);
  const whole = <T extends { batchSize: number }>(train: T): T => ({
    ...train,
    batchSize: Math.max(1, rows),
  });
  const { teacher } = recipe;
  return {
    ...recipe,
    train: whole(recipe.train),
    ...(teacher?.kind === 'trained' ? { teacher: { ...teacher, train: whole(teacher.train) } } : {}),
  };
}

/** Updates of one training of the student: rows of train and of the unlabelled pool, in batches, times epochs. */
export function studentSteps(
  recipe: Recipe,
  report: DataReport,
  rows = (report.splits.train?.kept ?? 0) + (report.splits.unlabeled?.kept ?? 0),
): { steps: number; rowsSeen: number } {
  const { batchSize, accumulate, epochs, steps } = recipe.train;
  const perEpoch = Math.ceil(rows / (batchSize * accumulate));
  const updates = steps ?? Math.ceil(perEpoch * (epochs ?? 10));
  return { steps: updates, rowsSeen: updates * batchSize * accumulate };
}
