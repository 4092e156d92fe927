import type { Example } from '../data/types.ts';
import { measureLatency } from '../evaluate/latency.ts';
import { fitLinearBaseline, linearBaselineLogits } from '../evaluate/linear-baseline.ts';
import type { ReportLatency } from '../evaluate/report/data.ts';
import type { NDArray } from '../graph/index.ts';
import { createInference } from '../nn/inference.ts';
import type { AnyModel } from '../nn/model.ts';
import type { Params } from '../nn/params.ts';
import type { Teacher } from '../teachers/teacher.ts';
import type { Encoded } from '../train/encoded.ts';
import { type StudentRole, type Students, studentFacts, teacherFacts } from './arms.ts';
import type { BuiltModel } from './build.ts';
import type { TrainedStudent } from './classify.ts';
import { armValues } from './classify-metrics.ts';
import type { MeasuredArm } from './classify-report.ts';
import type { RunContext } from './context.ts';
import { textOf } from './text.ts';

const labelOf = (e: Example): number => e.label ?? -1;

export interface MeasureInput {
  teacher: Teacher & { seconds?: number };
  teacherLogits: NDArray;
  arms: Students<TrainedStudent>;
  built: BuiltModel;
  test: readonly Example[];
  labels: Int32Array;
  gold: readonly number[];
  train: readonly Example[];
}

/** Every arm with its metrics: teacher, students, and the linear baseline where the task has one. */
export async function measure(ctx: RunContext, m: MeasureInput): Promise<MeasuredArm[]> {
  const { recipe } = ctx;
  const classes = ctx.data.classes!.length;
  const options = {
    topK: recipe.evaluate.topK,
    resamples: recipe.evaluate.bootstrap,
    level: recipe.evaluate.level,
  };
  const arm = (
    base: Omit<MeasuredArm, 'values' | 'outputs' | 'seeds'>,
    seeds: readonly (number | string)[],
    logits: readonly NDArray[],
    versus: NDArray | undefined,
  ): MeasuredArm => ({
    ...base,
    seeds: [...seeds],
    outputs: { seeds, logits },
    values: armValues({ seeds, logits }, m.labels, m.gold, versus, classes, options),
  });
  const out: MeasuredArm[] = [
    arm(
      {
        ...teacherFacts(m.teacher),
        // a teacher that is not a model on this machine may cost money: it is not asked again only to be timed
        latency:
          m.teacher.parameters === undefined ? undefined : await teacherLatency(ctx, m.teacher, m.test),
      },
      ['-'],
      [m.teacherLogits],
      undefined,
    ),
  ];
  const student = (role: StudentRole, latency?: ReportLatency[]): void => {
    const list = m.arms[role];
    if (list.length === 0) return;
    const facts = studentFacts(ctx, role, list, list[0].model);
    out.push(
      arm(
        { ...facts, latency },
        facts.seeds,
        list.map((t) => t.logits),
        m.teacherLogits,
      ),
    );
  };
  student(
    'distilled',
    await studentLatency(ctx, m.built.model, m.arms.distilled[0].params, m.built.encode(m.test)),
  );
  student('alone');
  const labelled = m.train.filter((e) => labelOf(e) >= 0 && textOf(e) !== '');
  if (recipe.evaluate.baselines.linear && labelled.length > 0 && textOf(m.test[0]) !== '') {
    const task = ctx.progress.task('linear baseline', 1, 'fit');
    const baseline = fitLinearBaseline(labelled.map(textOf), labelled.map(labelOf), classes, {
      seed: recipe.data.seed,
    });
    const logits = linearBaselineLogits(baseline, m.test.map(textOf));
    task.finish();
    out.push(
      arm(
        {
          id: 'linear',
          role: 'linear',
          name: 'TF-IDF + logistic regression',
          about: `C = ${baseline.c}`,
          parameters: baseline.parameters,
        },
        [recipe.data.seed],
        [logits],
        m.teacherLogits,
      ),
    );
  }
  return out;
}

/** Time per call of the teacher, tokenizing included, at the recipe's batch sizes. */
async function teacherLatency(
  ctx: RunContext,
  teacher: Teacher,
  rows: readonly Example[],
): Promise<ReportLatency[]> {
  const out: ReportLatency[] = [];
  for (const batch of ctx.recipe.evaluate.latency.batches) {
    const take = (run: number): Example[] =>
      Array.from({ length: batch }, (_, i) => rows[(run * batch + i) % rows.length]);
    const stats = await measureLatency((run) => teacher.logits!(take(run)), {
      runs: ctx.recipe.evaluate.latency.repeats,
      seconds: 3,
      batch,
    });
    out.push({
      variant: 'float32',
      batch,
      p50: stats.p50,
      p95: stats.p95,
      throughput: (1000 * batch) / stats.p50,
    });
  }
  return out;
}

/** Time per call of the student's forward pass on this machine, at the recipe's batch sizes. */
async function studentLatency(
  ctx: RunContext,
  model: AnyModel,
  params: Params<NDArray>,
  rows: Encoded,
): Promise<ReportLatency[]> {
  const inference = createInference(ctx.engine, model);
  await inference.setParams(params);
  const inputs = Object.keys(model.inputs);
  const out: ReportLatency[] = [];
  for (const batch of ctx.recipe.evaluate.latency.batches) {
    const stats = await measureLatency(
      async (run) => {
        const ids = Array.from({ length: batch }, (_, i) => (run * batch + i) % rows.size);
        const all = rows.inputs(ids);
        await inference.run(Object.fromEntries(inputs.filter((f) => all[f]).map((f) => [f, all[f]])));
      },
      { runs: ctx.recipe.evaluate.latency.repeats, seconds: 3, batch },
    );
    out.push({
      variant: 'float32',
      batch,
      p50: stats.p50,
      p95: stats.p95,
      throughput: (1000 * batch) / stats.p50,
    });
  }
  await inference.dispose();
  return out;
}
