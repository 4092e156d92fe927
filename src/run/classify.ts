import type { Example } from '../data/types.ts';
import type { ReportData } from '../evaluate/report/data.ts';
import type { ExportedFile } from '../export/student.ts';
import type { NDArray } from '../graph/index.ts';
import { supervised } from '../methods/logits/kd.ts';
import type { Method } from '../methods/method.ts';
import type { AnyModel } from '../nn/model.ts';
import type { Params } from '../nn/params.ts';
import type { Teacher } from '../teachers/teacher.ts';
import type { Encoded } from '../train/encoded.ts';
import { type TrainSettings, updatesFor } from '../train/job.ts';
import { DecantError } from '../util/errors.ts';
import { armLogits, trainArm } from './arm.ts';
import { type BuiltModel, buildClassifier, type ModelSettings } from './build.ts';
import { exportBest } from './classify-export.ts';
import {
  askingOf,
  askKnowledge,
  classSignalForm,
  costOf,
  type Knowledge,
  signalFact,
  wholeLogits,
} from './classify-knowledge.ts';
import { measure } from './classify-measure.ts';
import { classificationMetrics, classSlices } from './classify-metrics.ts';
import {
  comparisons,
  confusions,
  curves,
  dataFacts,
  differingExamples,
  environment,
  headline,
  reliability,
} from './classify-report.ts';
import type { RunContext } from './context.ts';
import { edgeColumns, together, wholeBatch } from './graph/batches.ts';
import { graphFacts } from './graph/report.ts';
import { type MethodInputs, methodInputs } from './method-inputs.ts';
import type { ParityResult } from './parity.ts';
import { openStreamedRows, type StreamedRows } from './streamed-rows.ts';

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

const labelOf = (e: Example): number => e.label ?? -1;

/** Classification from data and teacher to a student folder: text, images, or feature vectors. */
export async function runClassification(
  ctx: RunContext,
  openTeacher: () => Promise<Teacher & { seconds?: number }>,
  method: Method,
  methodConfig: unknown,
): Promise<RunOutcome> {
  const { recipe, data } = ctx;
  const began = performance.now();
  const classes = data.classes!;
  const { unlabeled } = data.splits;
  const streamed = recipe.data.streaming
    ? await openStreamedRows(ctx, [data.splits.train, ...(unlabeled ? [unlabeled] : [])], method)
    : undefined;
  // of streamed rows a sample is at hand: it gives the vocabulary, the lengths and the linear baseline
  const train = streamed?.sample ?? data.splits.train.items!;
  const transfer = streamed?.sample ?? [...train, ...(unlabeled?.items ?? [])];
  const { graph } = data;
  const settings = graph
    ? wholeBatch(recipe.train, transfer.length)
    : (recipe.train as unknown as TrainSettings);
  const test = data.splits.test?.items ?? [];
  if (test.length === 0)
    throw new DecantError('data', 'there are no test rows to measure on', {
      at: 'data.test',
      fix: 'give a test source, or a share of the training rows',
    });
  const built = await buildClassifier(recipe.student as ModelSettings, {
    task: recipe.task,
    classes,
    examples: transfer,
    baseDir: ctx.baseDir,
    scale: graph?.scale,
    featureNames: graph?.whole.columns,
    at: 'student',
  });
  const form = classSignalForm(ctx, method, classes.length);
  // a student folder that cannot be read is found before the teacher is trained or paid for
  const teacher = await openTeacher();

  const asking = askingOf(ctx);
  const onTest = await wholeLogits(ctx, teacher, test, asking);
  const knowledge: Knowledge & { asked: number } = streamed
    ? await streamed.ask(teacher, form, asking)
    : await askKnowledge(ctx, teacher, transfer, form, asking);
  const inputs = streamed
    ? { method, built, signals: () => ({}), asked: 0 }
    : await methodInputs(ctx, {
        teacher,
        method,
        config: methodConfig,
        built,
        rows: transfer,
        knowledge,
        classes: classes.length,
        asking: (what) => asking(transfer, what),
      });
  const asked = knowledge.asked + onTest.asked + inputs.asked;
  ctx.journal.event('signals', { rows: (streamed?.size ?? transfer.length) + test.length, asked });

  const arms = await trainStudents(ctx, built, {
    train,
    transfer,
    test,
    inputs: graph
      ? { ...inputs, signals: together(inputs.signals, edgeColumns(graph.whole, transfer)) }
      : inputs,
    settings,
    methodConfig,
    teacherId: teacher.id,
    streamed,
  });
  const labels = Int32Array.from(test, labelOf);
  const gold = test.map((_, i) => i).filter((i) => labels[i] >= 0);
  const measured = await measure(ctx, {
    teacher,
    teacherLogits: onTest.logits,
    arms,
    built: inputs.built,
    test,
    labels,
    gold,
    train,
  });
  const exported = await exportBest(ctx, inputs.built, arms.distilled[0], classes, test);
  const distilled = measured.find((a) => a.role === 'distilled')!;
  const fp32 = exported.files.find((f) => f.path === 'onnx/model.onnx');
  const int8 = exported.files.find((f) => f.path === 'onnx/model_quantized.onnx');
  for (const a of measured)
    if (a.role === 'distilled' || a.role === 'alone')
      Object.assign(a, { bytes: fp32?.bytes, int8Bytes: int8?.bytes });
  const options = { resamples: recipe.evaluate.bootstrap, level: recipe.evaluate.level };
  const confusion = confusions(
    distilled,
    measured.find((a) => a.role === 'teacher'),
    labels,
    gold,
    classes,
  );
  const report: ReportData = {
    version: 1,
    title: recipe.name ?? ctx.folder.path.split('/').at(-1) ?? 'run',
    task: recipe.task,
    method: method.slug,
    created: new Date().toISOString(),
    metric: gold.length > 0 ? 'accuracy' : 'agreement',
    metrics: classificationMetrics(gold.length > 0, recipe.evaluate.topK),
    gold:
      gold.length === test.length
        ? { kind: 'all' }
        : gold.length > 0
          ? { kind: 'sample', size: gold.length }
          : { kind: 'none' },
    headline: headline(measured, labels, gold, options),
    arms: measured.map(({ outputs: _, ...arm }) => arm),
    comparisons: comparisons(measured, labels, gold, options),
    curves: curves(ctx.folder.metrics),
    slices: classSlices(recipe, measured, test, labels, gold, options),
    reliability: reliability(measured, labels, gold),
    ...(confusion ? { confusion } : {}),
    examples: differingExamples(ctx, distilled, onTest.logits, classes, recipe.evaluate.examples),
    data: dataFacts(data),
    environment: [
      ...(await environment(ctx, (performance.now() - began) / 1000)),
      signalFact(form, onTest.logits),
      ...(graph ? [graphFacts(graph).fact] : []),
    ],
    cost: costOf(teacher),
    warnings: [
      ...warnings(test.length, gold.length, recipe.seeds.length),
      ...(graph ? graphFacts(graph).warnings : []),
      ...(streamed ? [streamWarning(streamed)] : []),
    ],
  };
  return {
    report,
    model: { folder: ctx.folder.model, ...exported },
    askedOfTeacher: asked,
  };
}

const streamWarning = ({ size, sample }: StreamedRows): string =>
  `The ${size.toLocaleString('en-US')} training rows were read from the disk in every epoch; vocabulary, lengths and the linear baseline are those of ${sample.length.toLocaleString('en-US')} of them, chosen at random.`;

function warnings(test: number, gold: number, seeds: number): string[] {
  const out: string[] = [];
  if (gold === 0)
    out.push(
      'The test rows carry no labels: accuracy is unknown, and everything here is agreement with the teacher.',
    );
  else if (gold < test) out.push(`Accuracy is measured on ${gold} labelled rows of ${test}.`);
  if (gold > 0 && gold < 200) out.push(`${gold} labelled test rows are few: intervals are wide.`);
  if (seeds === 1) out.push('One seed: how much the result varies from training to training is unknown.');
  return out;
}

interface StudentJobs {
  train: readonly Example[];
  transfer: readonly Example[];
  test: readonly Example[];
  inputs: MethodInputs;
  settings: TrainSettings;
  methodConfig: unknown;
  teacherId: string;
  streamed: StreamedRows | undefined;
}

/** One student of one seed. */
export interface TrainedStudent {
  seed: number;
  model: AnyModel;
  params: Params<NDArray>;
  seconds: number;
  logits: NDArray;
}

/** The distilled student and the same student without a teacher, for every seed, with equal numbers of updates. */
async function trainStudents(
  ctx: RunContext,
  built: BuiltModel,
  jobs: StudentJobs,
): Promise<{ distilled: TrainedStudent[]; alone: TrainedStudent[] }> {
  const { recipe } = ctx;
  const rows = built.encode(jobs.transfer, jobs.settings.buckets);
  const test = built.encode(jobs.test);
  const labelled = jobs.train.filter((e) => labelOf(e) >= 0);
  const labelledRows = built.encode(labelled, jobs.settings.buckets);
  const validation = ctx.data.splits.validation?.items?.filter((e) => labelOf(e) >= 0) ?? [];
  const watched: Encoded | undefined = validation.length > 0 ? built.encode(validation) : undefined;
  const { streamed } = jobs;
  const updates = updatesFor(jobs.settings, streamed?.size ?? rows.size);
  const out = { distilled: [] as TrainedStudent[], alone: [] as TrainedStudent[] };
  const finish = async (
    seed: number,
    { model }: BuiltModel,
    trained: { params: Params<NDArray>; seconds: number },
  ): Promise<TrainedStudent> => ({
    seed,
    model,
    ...trained,
    logits: await armLogits(ctx, model, trained.params, test),
  });
  const student = jobs.inputs.built;
  for (const [i, seed] of recipe.seeds.entries()) {
    const base = {
      seed,
      model: built.model,
      start: built.start,
      settings: jobs.settings,
      lora: recipe.student.lora,
      validation: watched,
      updates,
    };
    const counted = recipe.seeds.length > 1 ? ` ${i + 1}/${recipe.seeds.length}` : '';
    const distilled = await trainArm(ctx, {
      ...base,
      name: 'distilled',
      title: `student${counted}`,
      model: student.model,
      start: student.start,
      method: jobs.inputs.method,
      config: jobs.methodConfig,
      ...(streamed
        ? { source: streamed.source(student, jobs.settings.buckets, 'signals') }
        : { rows, signals: jobs.inputs.signals }),
      // rows of a graph are tied by its edges: it is probed as a whole
      probe: recipe.train.probe && i === 0 && (ctx.data.graph ? rows.size : true),
      depends: jobs.teacherId,
    });
    out.distilled.push(await finish(seed, student, distilled));
    if (recipe.evaluate.baselines.withoutTeacher && (streamed?.labelled ?? labelled.length) > 0) {
      const alone = await trainArm(ctx, {
        ...base,
        name: 'alone',
        title: `without teacher${counted}`,
        method: supervised,
        config: supervised.config.parse({}),
        ...(streamed
          ? { source: streamed.source(built, jobs.settings.buckets, 'labels') }
          : { rows: labelledRows }),
        settings: ctx.data.graph ? { ...jobs.settings, batchSize: labelled.length } : jobs.settings,
        depends: null,
      });
      out.alone.push(await finish(seed, built, alone));
    }
  }
  return out;
}
