import { join, resolve } from 'node:path';
import { type PreparedData, type PrepareOptions, prepareData } from '../data/prepare.ts';
import { hubData } from '../data/sources/hub-data.ts';
import { cardOfReport } from '../evaluate/report/card.ts';
import { writeReport } from '../evaluate/report/write.ts';
import { modelCard } from '../export/model-card.ts';
import { methods } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { dataSpecOf } from '../recipe/data-spec.ts';
import { serializeRecipe } from '../recipe/load.ts';
import { pairRecipe, requireMethod } from '../recipe/recipe-pairing.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import { openSignalStore } from '../teachers/store/index.ts';
import type { Teacher } from '../teachers/teacher.ts';
import { DecantError, isDecantError } from '../util/errors.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';
import { closest } from '../util/suggest.ts';
import type { RunContext, RunOutcome } from './context.ts';
import { costOfRun } from './cost.ts';
import { openEngine } from './engine.ts';
import { openRunJournal } from './events.ts';
import { openRun } from './folder.ts';
import { fetchHubModels, withHubNames } from './hub-models.ts';
import { openLog } from './log.ts';
import { createProgress, type ProgressReporter } from './progress.ts';
import { openPutAside } from './put-aside.ts';
import { checkSettings, withChosenMetrics } from './settings-check.ts';
import { runnerOf } from './tasks.ts';

export interface RunOptions {
  /** Folder of the run; default `runs/<recipe name>`. */
  out?: string;
  /** Go on with the run in `out`. */
  resume?: boolean;
  /** Relative paths of the recipe start here; default: the current folder. */
  baseDir?: string;
  /** Folder of public data sets; default: the environment variable DECANT_DATA. */
  dataRoot?: string;
  progress?: ProgressReporter;
  /** True stops the run after a checkpoint. */
  stopRequested?: () => boolean;
  /** A teacher of your own (see `defineTeacher`), in place of the recipe's. */
  teacher?: Teacher;
  /** Called with the run folder once it is taken. */
  onOpened?: (folder: string) => void;
}

export interface RunResult extends RunOutcome {
  /** Folder of the run. */
  readonly out: string;
  readonly seconds: number;
  /** Milliseconds of training, and of those the ones inside the engine and of compiling. */
  readonly clock: Readonly<RunContext['clock']>;
}

/** Runs a recipe: teacher, students, measurement, export, report. Everything it makes lies in the run folder. */
export async function runRecipe(recipe: Recipe, hash: string, options: RunOptions = {}): Promise<RunResult> {
  const began = performance.now();
  const baseDir = resolve(options.baseDir ?? '.');
  const out = resolve(options.out ?? join('runs', recipe.name ?? 'run'));
  const { method, config } = methodOf(recipe);
  const runner = runnerOf(recipe.task);
  await checkSettings(recipe, runner);
  const opened = openRun(out, serializeRecipe(recipe, hash), { resume: options.resume });
  const journal = openRunJournal(opened.folder);
  const log = openLog(opened.folder.log);
  const progress = options.progress ?? createProgress();
  const closers: (() => void | Promise<void>)[] = [
    () => opened.close(),
    () => journal.close(),
    () => log.close(),
  ];
  try {
    options.onOpened?.(out);
    journal.event(opened.resumed ? 'resumed' : 'started', { recipe: hash });
    const { recipe: local, names } = await fetchHubModels(recipe, progress);
    const aside = openPutAside(opened.folder.putAside);
    closers.push(() => aside.abandon());
    const reading: PrepareOptions = {
      task: recipe.task as never,
      baseDir,
      dataRoot: options.dataRoot ?? process.env.DECANT_DATA,
      hub: hubData({ env: process.env }),
      onProblem: (problem) => aside.add(problem),
    };
    const data = runner.prepare
      ? await runner.prepare(local, reading)
      : await prepareData(dataSpecOf(recipe), reading);
    const putAside = aside.close();
    requirePairing(local, baseDir, data);
    journal.event('data', {
      putAside,
      report: { ...data.report, samples: data.report.samples.slice(0, 20) },
    });
    const engine = openEngine(recipe.train);
    closers.unshift(() => engine.close());
    const signals = openSignalStore(opened.folder.signals, { write: true });
    closers.unshift(() => signals.close());
    const ctx: RunContext = {
      recipe: local,
      recipeHash: hash,
      baseDir,
      folder: opened.folder,
      journal,
      progress,
      engine,
      data,
      signals,
      stopRequested: options.stopRequested ?? (() => false),
      teacher: options.teacher,
      clock: { engineMs: 0, compileMs: 0, trainMs: 0 },
    };
    const outcome = await runner.run(ctx, method, config, (close) => closers.unshift(close));
    const report = withChosenMetrics(
      {
        ...withHubNames(outcome.report, names),
        cost: costOfRun(opened.folder.path, options.teacher),
        recipe: serializeRecipe(recipe, hash),
      },
      recipe.evaluate.metrics,
    );
    await writeReport(opened.folder.path, report);
    if (recipe.export.card) {
      const parity = new Map(outcome.model.parity.map((p) => [p.file, p.maxDifference]));
      const card = cardOfReport(report, {
        labels: data.classes,
        license: recipe.export.licence,
        files: outcome.model.files
          .filter((f) => /\.(onnx|safetensors)$/.test(f.path))
          .map((f) => ({ ...f, maxDifference: parity.get(f.path) })),
      });
      writeFileAtomic(join(outcome.model.folder, 'README.md'), modelCard(card));
    }
    journal.event('finished', { headline: outcome.report.headline, files: outcome.model.files });
    return { ...outcome, report, out, seconds: (performance.now() - began) / 1000, clock: ctx.clock };
  } catch (error) {
    journal.event(isDecantError(error) && error.code === 'interrupted' ? 'interrupted' : 'failed', {
      message: (error as Error).message,
    });
    log.error(error);
    throw error;
  } finally {
    progress.close();
    for (const close of closers) await close();
  }
}

/** The pairing check, before anything is trained. Errors: `pairing`, with the methods that would fit. */
function requirePairing(recipe: Recipe, baseDir: string, data: PreparedData): void {
  const balance = data.report.splits.train?.balance;
  const pairing = pairRecipe({
    recipe,
    baseDir,
    classes: data.classes,
    labels: !balance || balance.counts.some((n) => n > 0),
    methods: Object.fromEntries(Object.entries(methods).map(([name, m]) => [name, m.needs])),
  });
  requireMethod(pairing, recipe.method.name);
}

/** The recipe's method and its options, checked. */
export function methodOf(recipe: Recipe): { method: Method; config: unknown } {
  const method = methods[recipe.method.name];
  if (!method) {
    const near = closest(recipe.method.name, Object.keys(methods));
    throw new DecantError('recipe', 'unknown method', {
      at: 'method',
      seen: recipe.method.name,
      allowed: Object.keys(methods).join(', '),
      fix: near ? `did you mean ${near}?` : undefined,
    });
  }
  const parsed = method.config.safeParse(recipe.method.options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new DecantError('recipe', issue.message, {
      at: ['method.options', ...issue.path].join('.'),
      seen: recipe.method.options,
    });
  }
  if (!method.needs.tasks.includes(recipe.task)) {
    throw new DecantError('recipe', `the method does not serve task ${recipe.task}`, {
      at: 'method',
      seen: method.slug,
      allowed: method.needs.tasks.join(', '),
    });
  }
  return { method, config: parsed.data };
}
