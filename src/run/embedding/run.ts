import { padIdOf } from '../../data/batching.ts';
import { measureLatency } from '../../evaluate/latency.ts';
import type { ReportData } from '../../evaluate/report/data.ts';
import { fitTfidf, transformTfidf } from '../../evaluate/tfidf.ts';
import { type NDArray, ndarray } from '../../graph/index.ts';
import type { Method } from '../../methods/method.ts';
import { contrastive } from '../../methods/ranking/contrastive.ts';
import { SENTENCE } from '../../methods/ranking/embedding-kd.ts';
import { createInference } from '../../nn/inference.ts';
import type { Params } from '../../nn/params.ts';
import { type TrainSettings, updatesFor } from '../../train/job.ts';
import { DecantError } from '../../util/errors.ts';
import { contentHash } from '../../util/node/hash.ts';
import {
  type ArmPlan,
  type Students,
  studentFacts,
  studentRoles,
  teacherFacts,
  trainPlanned,
  trainStudents,
} from '../arms.ts';
import type { ModelSettings } from '../build.ts';
import type { RunContext, RunOutcome } from '../context.ts';
import { exportParts, targetOf, textInputs } from '../rank/export.ts';
import { addFileSizes, intervalOptions, reportOf, seedWarnings, unlabelledFacts } from '../report-parts.ts';
import { type BuiltEncoder, buildEncoder, embedTexts } from './encoder.ts';
import { pairSource, pairsOf, type TextPair, textSource, textsIn } from './pairs.ts';
import { type Reduction, reduceTo } from './reduce.ts';
import {
  type EmbedBed,
  embedBed,
  embedComparisons,
  embedHeadline,
  embedMetrics,
  embedScores,
  embedValues,
  type MeasuredEncoder,
} from './report.ts';
import { type EmbedTeacher, openEmbedTeacher, teacherVectors } from './teacher.ts';

/** A sentence encoder from texts and a teacher's vectors to a student folder. */
export async function runEmbedding(
  ctx: RunContext,
  method: Method,
  methodConfig: unknown,
  atEnd: (close: () => void | Promise<void>) => void,
): Promise<RunOutcome> {
  const { recipe, data } = ctx;
  const began = performance.now();
  const train = data.splits.train.items!;
  const test = data.splits.test?.items ?? [];
  if (test.length < 2)
    throw new DecantError('data', 'there are no test rows to measure on', {
      at: 'data.test',
      seen: test.length,
      fix: 'give a test source, or a share of the training rows',
    });
  // pairs that are said to be unlike teach nothing about what belongs together
  const pairs = pairsOf(train).filter((p) => p.score === undefined || p.score > 0);
  const texts = textsIn([...train, ...(data.splits.unlabeled?.items ?? [])]);
  const built = await buildEncoder(recipe.student as ModelSettings, {
    texts,
    baseDir: ctx.baseDir,
    at: 'student',
  });
  const teacher = await openEmbedTeacher(ctx, pairs, texts);
  atEnd(() => teacher.close());
  const bed = embedBed(pairsOf(test), textsIn(test));
  const known = await teacherVectors(ctx, teacher, texts, 'training texts');
  const onTest = await teacherVectors(ctx, teacher, bed.texts, 'test texts');
  ctx.journal.event('signals', { rows: texts.length, asked: known.asked + onTest.asked });
  const reduction = fitted(known.vectors, built.width);
  const vectors = reduction ? reduction.apply(known.vectors) : known.vectors;

  const students = await trainEncoders(ctx, built, { texts, vectors, pairs, method, methodConfig, teacher });
  const options = intervalOptions(recipe);
  const arms = await measureAll(ctx, built, bed, {
    students,
    teacher,
    onTest: onTest.vectors,
    texts,
    options,
  });
  const [first] = students.distilled;
  const pad = padIdOf(built.tokenizer);
  const sample = bed.texts.slice(0, 32).map((t) => built.tokenizer.encode(t, { maxLength: built.maxLength }));
  const exported = await exportParts(
    targetOf(ctx),
    [
      {
        folder: '',
        model: built.model,
        params: first.params,
        outputs: ['last_hidden_state', SENTENCE],
        compared: SENTENCE,
        maxLength: built.maxLength,
        inputs: textInputs(sample, pad),
      },
    ],
    built.tokenizer,
  );
  addFileSizes(arms, exported.files);
  const metrics = embedMetrics(bed);
  const report = await reportOf(ctx, method, began, {
    metric: metrics[0].key,
    metrics,
    headline: embedHeadline(bed, arms, options),
    arms: arms.map(({ scores: _, ...arm }) => arm),
    comparisons: embedComparisons(bed, arms, options),
    data: facts(ctx, texts, bed),
    warnings: warnings(ctx, bed, reduction, built.width, known.vectors.shape[1]),
  });
  return {
    report,
    model: { folder: ctx.folder.model, ...exported },
    askedOfTeacher: known.asked + onTest.asked,
  };
}

/** The teacher's vectors brought to the student's width. */
function fitted(vectors: NDArray, width: number): Reduction | undefined {
  const wide = vectors.shape[1];
  if (wide === width) return undefined;
  if (wide < width)
    throw new DecantError('pairing', "the student's vectors are wider than the teacher's", {
      at: 'student.options',
      seen: `${width} and ${wide} numbers`,
      fix: `set student.options.projection: ${wide}`,
    });
  return reduceTo(vectors, width);
}

interface Jobs {
  texts: readonly string[];
  vectors: NDArray;
  pairs: readonly TextPair[];
  method: Method;
  methodConfig: unknown;
  teacher: EmbedTeacher;
}

/** The distilled student, and the same one trained on the pairs alone with as many updates, for every seed. */
function trainEncoders(ctx: RunContext, built: BuiltEncoder, jobs: Jobs): Promise<Students> {
  const settings = ctx.recipe.train as unknown as TrainSettings;
  const source = textSource(built, jobs.texts, jobs.vectors, settings.buckets);
  const shared = {
    model: built.model,
    start: built.start,
    settings,
    lora: ctx.recipe.student.lora,
    updates: updatesFor(settings, source.size),
  };
  const distilled: ArmPlan = {
    ...shared,
    method: jobs.method,
    config: jobs.methodConfig,
    source,
    probe: true,
    depends: contentHash([jobs.texts, jobs.teacher.id, built.tokenizer.files]),
  };
  const alone = (): ArmPlan => ({
    ...shared,
    method: contrastive,
    config: contrastive.config.parse({}),
    source: pairSource(built, jobs.pairs, settings.buckets),
    depends: contentHash(jobs.pairs),
  });
  return trainStudents(ctx, {
    distilled: (named, probe) => trainPlanned(ctx, distilled, named, probe),
    ...(jobs.pairs.length < 2 ? {} : { alone: (named) => trainPlanned(ctx, alone(), named) }),
  });
}

interface ToMeasure {
  students: Students;
  teacher: EmbedTeacher;
  onTest: NDArray;
  texts: readonly string[];
  options: { resamples: number; level: number };
}

async function measureAll(
  ctx: RunContext,
  built: BuiltEncoder,
  bed: EmbedBed,
  m: ToMeasure,
): Promise<MeasuredEncoder[]> {
  const taught = embedScores(bed, m.onTest);
  const arms: MeasuredEncoder[] = [
    {
      ...teacherFacts(m.teacher),
      values: embedValues(bed, [taught], undefined, m.options),
      scores: [taught],
    },
  ];
  for (const role of studentRoles) {
    const list = m.students[role];
    if (list.length === 0) continue;
    const scores = [];
    for (const s of list)
      scores.push(embedScores(bed, await embedTexts(ctx.engine, built, s.params, bed.texts)));
    arms.push({
      ...studentFacts(ctx, role, list, built.model),
      latency: role === 'distilled' ? await latency(ctx, built, list[0].params, bed.texts) : undefined,
      values: embedValues(bed, scores, taught, m.options),
      scores,
    });
  }
  if (ctx.recipe.evaluate.baselines.linear) {
    const scores = embedScores(bed, tfidfVectors(m.texts, bed.texts));
    arms.push({
      id: 'tfidf',
      role: 'linear',
      name: 'TF-IDF',
      about: 'cosine of word counts',
      seeds: ['-'],
      values: embedValues(bed, [scores], taught, m.options),
      scores: [scores],
    });
  }
  return arms;
}

/** TF-IDF rows of the test texts as plain vectors over the words that occur in them. */
function tfidfVectors(train: readonly string[], test: readonly string[]): NDArray {
  const sparse = transformTfidf(fitTfidf(train, { words: [1, 1], minDocuments: 1 }), test);
  const used = new Map<number, number>();
  for (const f of sparse.index) if (!used.has(f)) used.set(f, used.size);
  const width = Math.max(1, used.size);
  const out = new Float32Array(test.length * width);
  for (let r = 0; r < test.length; r++)
    for (let i = sparse.start[r]; i < sparse.start[r + 1]; i++)
      out[r * width + used.get(sparse.index[i])!] = sparse.value[i];
  return ndarray(out, [test.length, width]);
}

/** Time from texts to vectors at the recipe's batch sizes. */
async function latency(
  ctx: RunContext,
  built: BuiltEncoder,
  params: Params<NDArray>,
  texts: readonly string[],
) {
  const inference = createInference(ctx.engine, built.model, { outputs: [SENTENCE] });
  await inference.setParams(params);
  const inputs = Object.keys(built.model.inputs);
  const out = [];
  for (const batch of ctx.recipe.evaluate.latency.batches) {
    const stats = await measureLatency(
      async (run) => {
        const part = Array.from({ length: batch }, (_, i) => texts[(run * batch + i) % texts.length]);
        const all = built.encode(part).inputs(part.map((_, i) => i));
        await inference.run(Object.fromEntries(inputs.filter((f) => all[f]).map((f) => [f, all[f]])));
      },
      { runs: ctx.recipe.evaluate.latency.repeats, seconds: 3, batch },
    );
    const { p50, p95, throughput } = stats;
    out.push({ variant: 'float32', batch, p50, p95, throughput });
  }
  await inference.dispose();
  return out;
}

function facts(ctx: RunContext, texts: readonly string[], bed: EmbedBed): ReportData['data'] {
  const base = unlabelledFacts(ctx.data);
  return {
    ...base,
    splits: [
      ...base.splits,
      { name: 'training texts', rows: texts.length, about: 'equal texts once' },
      { name: 'test texts', rows: bed.texts.length },
    ],
  };
}

function warnings(
  ctx: RunContext,
  bed: EmbedBed,
  reduction: Reduction | undefined,
  width: number,
  wide: number,
): string[] {
  const out: string[] = [];
  if (reduction)
    out.push(
      `The teacher's ${wide} numbers were reduced to the student's ${width} by principal components, which keep ${percent(reduction.kept)} of the squared length.`,
    );
  if (bed.pairs.length === 0)
    out.push(
      'The test rows are single texts: how good the vectors are is unknown, only how like the teacher’s.',
    );
  return [...out, ...seedWarnings(ctx.recipe)];
}

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
