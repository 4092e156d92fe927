import { chooseBuckets } from '../data/batching.ts';
import type { Tokenizer } from '../data/tokenizer/tokenizer.ts';
import type { Example } from '../data/types.ts';
import type { ReportData } from '../evaluate/report/data.ts';
import type { NDArray } from '../graph/index.ts';
import { supervised } from '../methods/logits/kd.ts';
import type { Method } from '../methods/method.ts';
import { countParams, type Params } from '../nn/params.ts';
import { type TrainSettings, updatesFor } from '../train/job.ts';
import { languageSource, type TokenRows, tokenRows } from '../train/language.ts';
import { DecantError } from '../util/errors.ts';
import { contentHash } from '../util/node/hash.ts';
import { trainArm } from './arm.ts';
import type { ModelSettings } from './build.ts';
import type { RunOutcome } from './classify.ts';
import { curves, dataFacts, environment } from './classify-report.ts';
import type { RunContext } from './context.ts';
import { type BuiltDecoder, buildDecoder, decoderTokenizer, usualRowLength } from './decoder.ts';
import { exportWriter } from './generate-export.ts';
import {
  languageMetrics,
  type MeasuredWriter,
  writerComparisons,
  writerHeadline,
  writerSlices,
  writerValues,
} from './generate-report.ts';
import { sampleTexts } from './generate-samples.ts';
import { type LanguageTeacher, languageSignals, languageTeacher } from './generate-teacher.ts';
import { type RowScores, rowScorer, scoreRows } from './language-model.ts';

/** A language model from data and teacher to a student folder: whole texts, or prompts with responses. */
export async function runGeneration(
  ctx: RunContext,
  method: Method,
  methodConfig: unknown,
): Promise<RunOutcome> {
  const { recipe, data } = ctx;
  const began = performance.now();
  const settings = recipe.train as unknown as TrainSettings;
  const studentSettings = recipe.student as ModelSettings;
  const train = data.splits.train.items!;
  const test = data.splits.test?.items ?? [];
  if (test.length === 0)
    throw new DecantError('data', 'there are no test rows to measure on', {
      at: 'data.test',
      fix: 'give a test source, or a share of the training rows',
    });
  const tokenizer = await decoderTokenizer(studentSettings, train, ctx.baseDir);
  const maxLength = studentSettings.maxLength ?? usualRowLength(tokenizer, train);
  const built = await buildDecoder(studentSettings, {
    tokenizer,
    maxLength,
    baseDir: ctx.baseDir,
    at: 'student',
  });
  const rowsOf = (examples: readonly Example[]): TokenRows => {
    const plain = tokenRows(examples, { tokenizer, maxLength });
    if (plain.size === 0)
      throw new DecantError('data', 'no row has a text or a response to learn', { at: 'data' });
    return tokenRows(examples, {
      tokenizer,
      maxLength,
      buckets: chooseBuckets(plain.lengths, settings.buckets),
    });
  };
  const [rows, testRows] = [rowsOf(train), rowsOf(test)];
  const teacher = await languageTeacher(ctx, tokenizer, maxLength, rowsOf);
  const batchSize = (recipe.teacher as { batchSize?: number }).batchSize ?? 64;
  const store = (recipe.teacher as { store?: { k: number } }).store;

  const teacherScorer = await rowScorer(ctx.engine, teacher.model, teacher.params);
  const task = ctx.progress.task('teacher: training rows', rows.size, 'rows');
  const shelf = ctx.signals.shelf({ teacher: teacher.id, signal: 'next-token' });
  const signals = await languageSignals(rows, teacherScorer, shelf, {
    k: store?.k ?? 32,
    batchSize,
    check: () => {
      if (ctx.stopRequested())
        throw new DecantError(
          'interrupted',
          'stopped while the teacher was answering; what it said is kept',
          { fix: 'go on with: decant resume DIR' },
        );
    },
    onProgress: (done, of) => task.update({ done: rows.size - of + done }),
  });
  task.finish();
  ctx.journal.event('signals', { rows: rows.size, asked: signals.asked });

  const students = await trainWriters(ctx, built, {
    rows,
    columns: signals.columns,
    settings,
    method,
    methodConfig,
    depends: contentHash([teacher.id, tokenizer.files, maxLength]),
    validation: data.splits.validation?.items?.length ? rowsOf(data.splits.validation.items) : undefined,
  });
  const first = students.distilled[0];
  const options = { resamples: recipe.evaluate.bootstrap, level: recipe.evaluate.level };
  const measured = await measureWriters(ctx, { teacher, students, built, testRows, tokenizer, batchSize });
  await teacherScorer.dispose();
  const exported = await exportWriter(
    ctx,
    { model: built.model, params: first.params, tokenizer, maxLength },
    testRows,
  );
  const bytesOf = (path: string): number | undefined => exported.files.find((f) => f.path === path)?.bytes;
  for (const a of measured)
    if (a.role !== 'teacher')
      Object.assign(a, {
        bytes: bytesOf('onnx/model.onnx'),
        int8Bytes: bytesOf('onnx/model_quantized.onnx'),
      });
  const report: ReportData = {
    version: 1,
    title: recipe.name ?? ctx.folder.path.split('/').at(-1) ?? 'run',
    task: recipe.task,
    method: method.slug,
    created: new Date().toISOString(),
    metric: 'perplexity',
    metrics: languageMetrics,
    gold: { kind: 'all' },
    headline: writerHeadline(measured, options),
    arms: measured.map(({ scores: _, ...arm }) => arm),
    comparisons: writerComparisons(measured, options),
    curves: curves(ctx.folder.metrics),
    slices: writerSlices(recipe.evaluate.slices, measured, testRows, test, options),
    reliability: [],
    examples: await sampleTexts(test.slice(0, Math.min(16, recipe.evaluate.examples)), tokenizer, maxLength, {
      teacher,
      student: { model: built.model, params: first.params },
    }),
    data: withoutLabels(dataFacts(data)),
    environment: await environment(ctx, (performance.now() - began) / 1000),
    warnings:
      recipe.seeds.length === 1
        ? ['One seed: how much the result varies from training to training is unknown.']
        : [],
  };
  return { report, model: { folder: ctx.folder.model, ...exported }, askedOfTeacher: signals.asked };
}

/** Texts have no labels to count. */
const withoutLabels = (facts: ReportData['data']): ReportData['data'] => ({
  ...facts,
  splits: facts.splits.map(({ labelled: _, ...split }) => split),
});

interface TrainedWriter {
  readonly seed: number;
  readonly params: Params<NDArray>;
  readonly seconds: number;
}

interface Students {
  readonly distilled: TrainedWriter[];
  readonly alone: TrainedWriter[];
}

interface WriterJobs {
  rows: TokenRows;
  columns: Parameters<typeof languageSource>[1];
  settings: TrainSettings;
  method: Method;
  methodConfig: unknown;
  depends: string;
  validation?: TokenRows;
}

/** The distilled student and the same student on the texts alone, for every seed, with equal numbers of updates. */
async function trainWriters(ctx: RunContext, built: BuiltDecoder, jobs: WriterJobs): Promise<Students> {
  const { recipe } = ctx;
  const updates = updatesFor(jobs.settings, jobs.rows.size);
  const out: Students = { distilled: [], alone: [] };
  for (const [i, seed] of recipe.seeds.entries()) {
    const counted = recipe.seeds.length > 1 ? ` ${i + 1}/${recipe.seeds.length}` : '';
    const base = {
      seed,
      model: built.model as never,
      start: built.start,
      settings: jobs.settings,
      lora: recipe.student.lora,
      updates,
    };
    const watch = async () => jobs.validation && (await validation(ctx, built, jobs.validation));
    const distilled = await trainArm(ctx, {
      ...base,
      name: 'distilled',
      title: `student${counted}`,
      method: jobs.method,
      config: jobs.methodConfig,
      source: languageSource(jobs.rows, jobs.columns),
      probe: recipe.train.probe && i === 0,
      watch: await watch(),
      depends: jobs.depends,
    });
    out.distilled.push({ seed, ...distilled });
    if (!recipe.evaluate.baselines.withoutTeacher) continue;
    const alone = await trainArm(ctx, {
      ...base,
      name: 'alone',
      title: `without teacher${counted}`,
      method: supervised,
      config: supervised.config.parse({}),
      source: languageSource(jobs.rows),
      watch: await watch(),
      depends: jobs.depends,
    });
    out.alone.push({ seed, ...alone });
  }
  return out;
}

/** Loss per token on the validation rows. */
async function validation(ctx: RunContext, built: BuiltDecoder, rows: TokenRows) {
  let scorer: Awaited<ReturnType<typeof rowScorer>> | undefined;
  return {
    metric: 'loss',
    run: async (params: Params<NDArray>) => {
      if (scorer) await scorer.setParams(params);
      else scorer = await rowScorer(ctx.engine, built.model, params);
      const [s] = await scoreRows(rows, [scorer], { batchSize: 64 });
      const loss = s.nll.reduce((a, b) => a + b, 0) / s.tokens.reduce((a, b) => a + b, 0);
      return { loss, perplexity: Math.exp(loss) };
    },
    dispose: async () => scorer?.dispose(),
  };
}

interface ToMeasure {
  teacher: LanguageTeacher;
  students: Students;
  built: BuiltDecoder;
  testRows: TokenRows;
  tokenizer: Tokenizer;
  batchSize: number;
}

async function measureWriters(ctx: RunContext, m: ToMeasure): Promise<MeasuredWriter[]> {
  const options = { resamples: ctx.recipe.evaluate.bootstrap, level: ctx.recipe.evaluate.level };
  const models = [
    { model: m.teacher.model, params: m.teacher.params },
    ...[...m.students.distilled, ...m.students.alone].map(({ params }) => ({
      model: m.built.model,
      params,
    })),
  ];
  const scorers = await Promise.all(models.map((x) => rowScorer(ctx.engine, x.model, x.params)));
  const task = ctx.progress.task('test rows', m.testRows.size, 'rows');
  const scores = await scoreRows(m.testRows, scorers, {
    batchSize: m.batchSize,
    onProgress: (done) => task.update({ done }),
  });
  task.finish();
  for (const s of scorers) await s.dispose();
  const utf8 = new TextEncoder();
  const bytes = m.testRows.rows.reduce(
    (n, row) =>
      n +
      utf8.encode(
        m.tokenizer.decode(
          row.ids.filter((_, i) => row.learned[i]),
          { skipSpecial: true },
        ),
      ).length,
    0,
  );
  const about = String(ctx.recipe.student.architecture ?? ctx.recipe.student.from);
  const student = (
    role: 'distilled' | 'alone',
    name: string,
    list: TrainedWriter[],
    own: readonly RowScores[],
  ): MeasuredWriter[] =>
    list.length === 0
      ? []
      : [
          {
            id: role,
            role,
            name,
            about,
            seeds: list.map((t) => t.seed),
            parameters: countParams(m.built.model.params),
            trainSeconds: list.reduce((s, t) => s + t.seconds, 0) / list.length,
            values: writerValues(own, bytes, options),
            scores: own,
          },
        ];
  const { distilled, alone } = m.students;
  return [
    {
      id: 'teacher',
      role: 'teacher',
      name: 'Teacher',
      about: m.teacher.name,
      seeds: ['-'],
      parameters: m.teacher.parameters,
      trainSeconds: m.teacher.seconds,
      values: writerValues(scores.slice(0, 1), bytes, options),
      scores: scores.slice(0, 1),
    },
    ...student('distilled', 'Student, distilled', distilled, scores.slice(1, 1 + distilled.length)),
    ...student('alone', 'Student, no teacher', alone, scores.slice(1 + distilled.length)),
  ];
}
