import type { Example } from '../data/types.ts';
import type { NDArray } from '../graph/index.ts';
import { supervised } from '../methods/logits/kd.ts';
import type { Method } from '../methods/method.ts';
import type { Params } from '../nn/params.ts';
import type { BatchSource } from '../train/batches.ts';
import type { Reading } from '../train/counterpart.ts';
import { type TrainSettings, updatesFor } from '../train/job.ts';
import type { TokenRows } from '../train/language.ts';
import { DecantError } from '../util/errors.ts';
import { contentHash } from '../util/node/hash.ts';
import { type ArmPlan, type Students, trainPlanned, trainStudents } from './arms.ts';
import type { ModelSettings } from './build.ts';
import type { RunContext, RunOutcome } from './context.ts';
import { rewritesRows } from './data-steps.ts';
import { type BuiltDecoder, buildDecoder, decoderTokenizer, usualRowLength } from './decoder.ts';
import { exportWriter } from './generate-export.ts';
import { asTeacherReads, heldLessons, type Lessons, streamedLessons } from './generate-lessons.ts';
import { measureWriters } from './generate-measure.ts';
import { languageMetrics, writerComparisons, writerHeadline, writerSlices } from './generate-report.ts';
import { sampleTexts } from './generate-samples.ts';
import { bucketedRows } from './generate-teacher.ts';
import { curatedBy, openLanguageTeacher, remoteTeacher } from './generate-writer.ts';
import { rowScorer, scoreRows } from './language-model.ts';
import { addFileSizes, intervalOptions, reportOf, seedWarnings, unlabelledFacts } from './report-parts.ts';
import { requireRowByRow } from './row-stream.ts';
import { openStreamedTexts } from './streamed-texts.ts';

/** A language model from data and teacher to a student folder: whole texts, or prompts with responses. */
export async function runGeneration(
  given: RunContext,
  method: Method,
  methodConfig: unknown,
): Promise<RunOutcome> {
  const { recipe } = given;
  const began = performance.now();
  const settings = recipe.train as unknown as TrainSettings;
  const studentSettings = recipe.student as ModelSettings;
  if (recipe.data.streaming) requireRowByRow(given, method);
  const streamed = recipe.data.streaming && (await openStreamedTexts(given, given.data.splits.train));
  const seen = streamed?.sample ?? given.data.splits.train.items!;
  const test = given.data.splits.test?.items ?? [];
  if (test.length === 0)
    throw new DecantError('data', 'there are no test rows to measure on', {
      at: 'data.test',
      fix: 'give a test source, or a share of the training rows',
    });
  const remote = remoteTeacher(given, method);
  const written = remote && (await curatedBy(given, method, methodConfig, remote.writer));
  // rows that are yet to be written will look like those the teacher knows
  const typical =
    written?.data.splits.train.items ??
    (rewritesRows(given, method) ? [...seen, ...(given.data.splits.teacher?.items ?? [])] : seen);
  const tokenizer = await decoderTokenizer(studentSettings, typical, given.baseDir);
  const maxLength = studentSettings.maxLength ?? usualRowLength(tokenizer, typical);
  const built = await buildDecoder(studentSettings, {
    tokenizer,
    maxLength,
    baseDir: given.baseDir,
    at: 'student',
  });
  const student: Reading = { tokenizer, maxLength };
  const rowsOf = (examples: readonly Example[]): TokenRows =>
    bucketedRows(examples, student, settings.buckets);
  const testRows = rowsOf(test);
  const { teacher, writer } = remote ?? (await openLanguageTeacher(given, student, method, streamed));
  const ctx = written ?? (await curatedBy(given, method, methodConfig, writer));
  const { data } = ctx;
  const shared = teacher?.shared ?? true;
  const from = { student, teacher, method, settings };
  const lessons = streamed ? await streamedLessons(ctx, streamed, from) : await heldLessons(ctx, seen, from);
  const students = await trainWriters(ctx, built, {
    lessons,
    settings,
    method,
    methodConfig,
    depends: contentHash([teacher?.id ?? 'text', tokenizer.files, maxLength, ...lessons.depends]),
    validation: data.splits.validation?.items?.length ? rowsOf(data.splits.validation.items) : undefined,
  });
  await lessons.close();
  const first = students.distilled[0];
  const options = intervalOptions(recipe);
  const scoring = {
    ...options,
    unit: shared ? ('token' as const) : ('byte' as const),
    taught: recipe.teacher !== undefined,
  };
  const measured = await measureWriters(ctx, {
    teacher,
    students,
    built,
    testRows,
    teacherRows: asTeacherReads(teacher, student, testRows, test, settings.buckets),
    tokenizer,
  });
  const exported = await exportWriter(
    ctx,
    { model: built.model, params: first.params, tokenizer, maxLength },
    testRows,
  );
  addFileSizes(measured, exported.files);
  const report = await reportOf(ctx, method, began, {
    metric: shared ? 'perplexity' : 'bitsPerByte',
    metrics: languageMetrics,
    headline: writerHeadline(measured, scoring),
    arms: measured.map(({ scores: _, ...arm }) => arm),
    comparisons: writerComparisons(measured, scoring),
    slices: writerSlices(recipe.evaluate.slices, measured, testRows, test, options),
    examples: await sampleTexts(test.slice(0, Math.min(16, recipe.evaluate.examples)), {
      teacher,
      student: { model: built.model, params: first.params, ...student },
    }),
    data: unlabelledFacts(data),
    environment: [...(lessons.facts ?? [])],
    warnings: [
      ...(lessons.warnings ?? []),
      ...seedWarnings(recipe),
      ...(shared
        ? []
        : [
            'Teacher and student split text into different tokens: their perplexities count different things, bits per byte do not.',
          ]),
    ],
  });
  return { report, model: { folder: ctx.folder.model, ...exported }, askedOfTeacher: lessons.asked() };
}

interface WriterJobs {
  lessons: Lessons;
  settings: TrainSettings;
  method: Method;
  methodConfig: unknown;
  depends: string;
  validation?: TokenRows;
}

/** The distilled student and the same student on the texts alone, for every seed, with equal numbers of updates. */
function trainWriters(ctx: RunContext, built: BuiltDecoder, jobs: WriterJobs): Promise<Students> {
  const { settings, depends, lessons } = jobs;
  const shared = {
    model: built.model as never,
    start: built.start,
    settings,
    lora: ctx.recipe.student.lora,
    updates: updatesFor(settings, lessons.distilled.size),
    watch: async () => jobs.validation && validation(ctx, built, jobs.validation),
    depends,
  };
  const distilled: ArmPlan = {
    ...shared,
    method: jobs.method,
    config: jobs.methodConfig,
    source: lessons.distilled,
    probe: lessons.signals,
  };
  const alone = (source: BatchSource): ArmPlan => ({
    ...shared,
    method: supervised,
    config: supervised.config.parse({}),
    source,
  });
  const given = lessons.alone;
  return trainStudents(ctx, {
    distilled: (named, probe) => trainPlanned(ctx, distilled, named, probe),
    ...(given ? { alone: (named) => trainPlanned(ctx, alone(given), named) } : {}),
  });
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
