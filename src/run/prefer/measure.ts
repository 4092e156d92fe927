import type { NDArray } from '../../graph/index.ts';
import { countParams, type Params } from '../../nn/params.ts';
import { teacherFacts } from '../arms.ts';
import type { RunContext } from '../context.ts';
import type { LanguageTeacher } from '../generate-teacher.ts';
import { type PreferenceFigures, preferenceFigures } from './figures.ts';
import { type PolicyRun, type PreferenceJob, readBy } from './job.ts';
import { type MeasuredPolicy, policyValues } from './report.ts';
import { policyScorer } from './score.ts';
import { referenceOf, studentScorer } from './train.ts';

/** Measures every policy on the test rows, each relative to the reference of its own seed. */
export async function measurePolicies(
  ctx: RunContext,
  job: PreferenceJob,
  runs: readonly PolicyRun[],
): Promise<MeasuredPolicy[]> {
  const { recipe } = ctx;
  const { test, built, teacher } = job;
  const options = { resamples: recipe.evaluate.bootstrap, level: recipe.evaluate.level };
  const figures: Record<'start' | 'policy' | 'alone', PreferenceFigures[]> = {
    start: [],
    policy: [],
    alone: [],
  };
  const models = runs.reduce((n, r) => n + (r.alone ? 3 : 2), 0);
  const task = ctx.progress.task('test responses', models, 'models');
  let done = 0;
  for (const run of runs) {
    const scorer = studentScorer(ctx, job, referenceOf(recipe, job, run.start));
    const measure = async (params: Params<NDArray>): Promise<PreferenceFigures> => {
      const found = preferenceFigures(test, await scorer.run(params, test.flat));
      task.update({ done: ++done });
      return found;
    };
    try {
      figures.start.push(await measure(run.start));
      figures.policy.push(await measure(run.policy));
      if (run.alone) figures.alone.push(await measure(run.alone.params));
    } finally {
      await scorer.dispose();
    }
  }
  task.finish();
  const average = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  const about = String(recipe.student.architecture ?? recipe.student.from);
  const shared = { about, seeds: runs.map((r) => r.seed), parameters: countParams(built.model.params) };
  const arms: MeasuredPolicy[] = [
    {
      ...shared,
      id: 'distilled',
      role: 'distilled',
      name: 'Student, with preferences',
      trainSeconds: average(runs.map((r) => r.seconds)),
      values: policyValues(figures.policy, options),
      figures: figures.policy,
    },
    {
      ...shared,
      id: 'reference',
      role: 'other',
      name: recipe.prefer?.sft ? 'Student before (supervised)' : 'Student before',
      trainSeconds: average(runs.map((r) => r.startSeconds)),
      values: policyValues(figures.start, options),
      figures: figures.start,
    },
  ];
  if (figures.alone.length > 0)
    arms.push({
      ...shared,
      id: 'alone',
      role: 'alone',
      name: 'Better responses alone',
      trainSeconds: average(runs.map((r) => r.alone?.seconds ?? 0)),
      values: policyValues(figures.alone, options),
      figures: figures.alone,
    });
  return teacher ? [await measureTeacher(ctx, job, teacher), ...arms] : arms;
}

/** The teacher by what needs no reference: which response it finds likelier, and its perplexity. */
async function measureTeacher(
  ctx: RunContext,
  job: PreferenceJob,
  teacher: LanguageTeacher,
): Promise<MeasuredPolicy> {
  const scorer = policyScorer(ctx.engine, teacher.model, teacher, {
    batchSize: job.batchSize,
    shared: Object.keys(teacher.model.params),
  });
  try {
    const found = preferenceFigures(job.test, await scorer.run(teacher.params, readBy(teacher, job.test)));
    const values = policyValues([found], {
      resamples: ctx.recipe.evaluate.bootstrap,
      level: ctx.recipe.evaluate.level,
    });
    return {
      ...teacherFacts(teacher),
      values: { ...(values.ranking ? { ranking: values.ranking } : {}), perplexity: values.perplexity },
      figures: [found],
    };
  } finally {
    await scorer.dispose();
  }
}
