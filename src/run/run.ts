import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type PreparedData, prepareData } from '../data/prepare.ts';
import { hubData } from '../data/sources/hub-data.ts';
import { createNodeEngine } from '../engine/node/engine.ts';
import { cardOfReport } from '../evaluate/report/card.ts';
import { writeReport } from '../evaluate/report/write.ts';
import { modelCard } from '../export/model-card.ts';
import { methods } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { dataSpecOf, requireHeldRows } from '../recipe/data-spec.ts';
import { serializeRecipe } from '../recipe/load.ts';
import { pairRecipe, requireMethod } from '../recipe/recipe-pairing.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import { folderTeacher, onnxTeacher } from '../teachers/local.ts';
import { openSignalStore } from '../teachers/store/index.ts';
import type { Teacher } from '../teachers/teacher.ts';
import { DecantError, isDecantError } from '../util/errors.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';
import { closest } from '../util/suggest.ts';
import { runApiTeacher } from './api-teacher.ts';
import { type RunOutcome, runClassification } from './classify.ts';
import type { RunContext } from './context.ts';
import { openRunJournal } from './events.ts';
import { openRun } from './folder.ts';
import { runGeneration } from './generate.ts';
import { openLog } from './log.ts';
import { createProgress, type ProgressReporter } from './progress.ts';
import { openPutAside } from './put-aside.ts';
import { trainTeacher } from './teacher.ts';
import { refuseUnused } from './unused-settings.ts';

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
  requireHeldRows(recipe);
  refuseUnused(recipe);
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
    const aside = openPutAside(opened.folder.putAside);
    closers.push(() => aside.abandon());
    const data = await prepareData(dataSpecOf(recipe), {
      task: recipe.task as never,
      baseDir,
      dataRoot: options.dataRoot ?? process.env.DECANT_DATA,
      hub: hubData({ env: process.env }),
      onProblem: (problem) => aside.add(problem),
    });
    const putAside = aside.close();
    requirePairing(recipe, baseDir, data);
    journal.event('data', {
      putAside,
      report: { ...data.report, samples: data.report.samples.slice(0, 20) },
    });
    const engine = createNodeEngine({ threads: recipe.train.threads });
    closers.unshift(() => engine.close());
    const signals = openSignalStore(opened.folder.signals, { write: true });
    closers.unshift(() => signals.close());
    const ctx: RunContext = {
      recipe,
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
    const outcome = await runTask(ctx, method, config, (close) => closers.unshift(close));
    const report = { ...outcome.report, recipe: serializeRecipe(recipe, hash) };
    await writeReport(opened.folder.path, report);
    const parity = new Map(outcome.model.parity.map((p) => [p.file, p.maxDifference]));
    const card = cardOfReport(report, {
      labels: data.classes,
      files: outcome.model.files
        .filter((f) => /\.(onnx|safetensors)$/.test(f.path))
        .map((f) => ({ ...f, maxDifference: parity.get(f.path) })),
    });
    writeFileAtomic(join(outcome.model.folder, 'README.md'), modelCard(card));
    journal.event('finished', { headline: outcome.report.headline, files: outcome.model.files });
    return { ...outcome, out, seconds: (performance.now() - began) / 1000, clock: ctx.clock };
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

async function runTask(
  ctx: RunContext,
  method: Method,
  config: unknown,
  atEnd: (close: () => void | Promise<void>) => void,
): Promise<RunOutcome> {
  switch (ctx.recipe.task) {
    case 'classify':
    case 'image-classify': {
      const teacher = ctx.teacher ? inClassOrder(ctx.teacher, ctx.data.classes!) : await openTeacher(ctx);
      atEnd(() => teacher.close());
      return runClassification(ctx, teacher, method, config);
    }
    case 'generate':
      return runGeneration(ctx, method, config);
    default:
      throw new DecantError('recipe', 'this task cannot be run yet', {
        at: 'task',
        seen: ctx.recipe.task,
        allowed: 'classify, image-classify, generate',
      });
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

async function openTeacher(ctx: RunContext): Promise<Teacher & { seconds?: number }> {
  const settings = ctx.recipe.teacher as
    | { kind: string; path?: string; classes?: string[]; maxLength?: number; batchSize: number }
    | undefined;
  const classes = ctx.data.classes!;
  if (!settings)
    throw new DecantError('recipe', 'the recipe names no teacher', {
      at: 'teacher',
      fix: 'add teacher: { kind: trained, architecture: … } or a model folder',
    });
  if (settings.kind === 'trained') return trainTeacher(ctx, classes);
  if (settings.kind === 'api') return runApiTeacher(ctx, classes);
  const options = {
    engine: ctx.engine,
    classes: settings.classes,
    maxLength: settings.maxLength,
    batchSize: settings.batchSize,
  };
  const path = resolve(ctx.baseDir, settings.path ?? '');
  if (settings.kind === 'folder' || settings.kind === 'onnx') {
    if (!existsSync(path))
      throw new DecantError('recipe', 'there is nothing at this path', {
        at: 'teacher.path',
        seen: settings.path,
      });
    const teacher =
      settings.kind === 'folder' ? await folderTeacher(path, options) : await onnxTeacher(path, options);
    return inClassOrder(teacher, classes);
  }
  throw new DecantError('recipe', 'this kind of teacher cannot be used for classification yet', {
    at: 'teacher.kind',
    seen: settings.kind,
    allowed: 'trained, folder, onnx, api',
  });
}

/** The teacher's columns in the order of the data's classes; classes it does not know are an error. */
function inClassOrder(teacher: Teacher, classes: readonly string[]): Teacher {
  const own = teacher.classes;
  if (!own) return teacher;
  const missing = classes.filter((c) => !own.includes(c));
  if (missing.length > 0) {
    throw new DecantError(
      'pairing',
      `the teacher does not know ${missing.length} of the ${classes.length} classes`,
      {
        at: 'teacher',
        seen: missing.slice(0, 5).join(', '),
        allowed: own.slice(0, 8).join(', '),
        fix: 'list its classes in the order of its outputs under teacher.classes',
      },
    );
  }
  const order = classes.map((c) => own.indexOf(c));
  if (order.every((o, i) => o === i) && own.length === classes.length) return teacher;
  return {
    ...teacher,
    id: `${teacher.id}/classes:${order.join()}`,
    classes,
    async logits(examples) {
      const all = await teacher.logits!(examples);
      const [rows, width] = all.shape;
      const out = new Float32Array(rows * order.length);
      for (let r = 0; r < rows; r++)
        order.forEach((o, c) => {
          out[r * order.length + c] = (all.data as Float32Array)[r * width + o];
        });
      return { dtype: 'float32', shape: [rows, order.length], data: out };
    },
  };
}
