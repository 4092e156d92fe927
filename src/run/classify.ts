import type { Example } from '../data/types.ts';
import type { NDArray } from '../graph/index.ts';
import { supervised } from '../methods/logits/kd.ts';
import type { Method } from '../methods/method.ts';
import type { AnyModel } from '../nn/model.ts';
import type { Teacher } from '../teachers/teacher.ts';
import { type TrainSettings, updatesFor } from '../train/job.ts';
import { DecantError } from '../util/errors.ts';
import { armLogits, type TrainedArm } from './arm.ts';
import { type ArmPlan, type Student, type Students, trainPlanned, trainStudents } from './arms.ts';
import { type BuiltModel, buildClassifier, type ModelSettings } from './build.ts';
import { exportBest } from './classify-export.ts';
import {
  askingOf,
  askKnowledge,
  classSignalForm,
  type Knowledge,
  signalFact,
  wholeLogits,
} from './classify-knowledge.ts';
import { measure } from './classify-measure.ts';
import { classificationMetrics, classSlices } from './classify-metrics.ts';
import { comparisons, confusions, differingExamples, headline, reliability } from './classify-report.ts';
import type { RunContext, RunOutcome } from './context.ts';
import { edgeColumns, together, wholeBatch } from './graph/batches.ts';
import { graphFacts } from './graph/report.ts';
import { type MethodInputs, methodInputs } from './method-inputs.ts';
import { addFileSizes, dataFacts, intervalOptions, reportOf, seedWarnings } from './report-parts.ts';
import { openStreamedRows, type StreamedRows } from './streamed-rows.ts';

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

  const arms = await trainClassifiers(ctx, built, {
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
  addFileSizes(measured, exported.files);
  const options = intervalOptions(recipe);
  const confusion = confusions(
    distilled,
    measured.find((a) => a.role === 'teacher'),
    labels,
    gold,
    classes,
  );
  const report = await reportOf(ctx, method, began, {
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
    slices: classSlices(recipe, measured, test, labels, gold, options),
    reliability: reliability(measured, labels, gold),
    ...(confusion ? { confusion } : {}),
    examples: differingExamples(ctx, distilled, onTest.logits, classes, recipe.evaluate.examples),
    data: dataFacts(data),
    environment: [signalFact(form, onTest.logits), ...(graph ? [graphFacts(graph).fact] : [])],
    warnings: [
      ...warnings(test.length, gold.length),
      ...seedWarnings(recipe),
      ...(graph ? graphFacts(graph).warnings : []),
      ...(streamed ? [streamWarning(streamed)] : []),
    ],
  });
  return {
    report,
    model: { folder: ctx.folder.model, ...exported },
    askedOfTeacher: asked,
  };
}

const streamWarning = ({ size, sample }: StreamedRows): string =>
  `The ${size.toLocaleString('en-US')} training rows were read from the disk in every epoch; vocabulary, lengths and the linear baseline are those of ${sample.length.toLocaleString('en-US')} of them, chosen at random.`;

function warnings(test: number, gold: number): string[] {
  const out: string[] = [];
  if (gold === 0)
    out.push(
      'The test rows carry no labels: accuracy is unknown, and everything here is agreement with the teacher.',
    );
  else if (gold < test) out.push(`Accuracy is measured on ${gold} labelled rows of ${test}.`);
  if (gold > 0 && gold < 200) out.push(`${gold} labelled test rows are few: intervals are wide.`);
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

/** A student with its logits of the test rows. */
export interface TrainedStudent extends Student {
  readonly model: AnyModel;
  readonly logits: NDArray;
}

/** The distilled student and the same student without a teacher, for every seed, with equal numbers of updates. */
async function trainClassifiers(
  ctx: RunContext,
  built: BuiltModel,
  jobs: StudentJobs,
): Promise<Students<TrainedStudent>> {
  const { settings, streamed, inputs } = jobs;
  const student = inputs.built;
  const rows = built.encode(jobs.transfer, settings.buckets);
  const test = built.encode(jobs.test);
  const labelled = jobs.train.filter((e) => labelOf(e) >= 0);
  const labelledRows = built.encode(labelled, settings.buckets);
  const validation = ctx.data.splits.validation?.items?.filter((e) => labelOf(e) >= 0) ?? [];
  const shared = {
    settings,
    lora: ctx.recipe.student.lora,
    validation: validation.length > 0 ? built.encode(validation) : undefined,
    updates: updatesFor(settings, streamed?.size ?? rows.size),
  };
  const distilled: ArmPlan = {
    ...shared,
    model: student.model,
    start: student.start,
    method: inputs.method,
    config: jobs.methodConfig,
    ...(streamed
      ? { source: streamed.source(student, settings.buckets, 'signals') }
      : { rows, signals: inputs.signals }),
    // rows of a graph are tied by its edges: it is probed as a whole
    probe: ctx.data.graph ? rows.size : true,
    depends: jobs.teacherId,
  };
  const alone = (): ArmPlan => ({
    ...shared,
    model: built.model,
    start: built.start,
    method: supervised,
    config: supervised.config.parse({}),
    ...(streamed ? { source: streamed.source(built, settings.buckets, 'labels') } : { rows: labelledRows }),
    settings: ctx.data.graph ? { ...settings, batchSize: labelled.length } : settings,
    depends: null,
  });
  const measured = async ({ model }: BuiltModel, trained: TrainedArm) => ({
    model,
    ...trained,
    logits: await armLogits(ctx, model, trained.params, test),
  });
  return trainStudents(ctx, {
    distilled: async (named, probe) => measured(student, await trainPlanned(ctx, distilled, named, probe)),
    ...((streamed?.labelled ?? labelled.length) > 0
      ? { alone: async (named) => measured(built, await trainPlanned(ctx, alone(), named)) }
      : {}),
  });
}
