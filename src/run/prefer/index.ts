import type { TextTeacher } from '../../data/steps/step.ts';
import { supervised } from '../../methods/logits/kd.ts';
import type { Method } from '../../methods/method.ts';
import { init } from '../../nn/model.ts';
import { type TrainSettings, updatesFor } from '../../train/job.ts';
import { languageSource } from '../../train/language.ts';
import { goodResponse } from '../../train/preference.ts';
import { DecantError } from '../../util/errors.ts';
import { trainArm } from '../arm.ts';
import { eachSeed, type SeedOfRun } from '../arms.ts';
import type { RunContext, RunOutcome } from '../context.ts';
import { onPolicy } from '../data-steps.ts';
import { exportWriter } from '../generate-export.ts';
import { sampleTexts } from '../generate-samples.ts';
import { sourceOf } from '../generate-teacher.ts';
import { addFileSizes, intervalOptions, reportOf, seedWarnings, unlabelledFacts } from '../report-parts.ts';
import { type PolicyRun, type PreferenceJob, preferenceJob } from './job.ts';
import { judgedAnswers, judgedMetric } from './judged.ts';
import { measurePolicies } from './measure.ts';
import { policyComparisons, policyHeadline, preferenceMetrics } from './report.ts';
import { openJudge, trainInRounds } from './rounds.ts';
import { trainPolicy, tryLoss } from './train.ts';

/** A language model that learns which of several responses is better: from data to a student folder. */
export async function runPreference(ctx: RunContext, method: Method, config: unknown): Promise<RunOutcome> {
  const { recipe, data } = ctx;
  const began = performance.now();
  const job = await preferenceJob(ctx, method, config);
  await tryLoss(recipe, job);
  const judge = await openJudge(ctx, job);
  const options = intervalOptions(recipe);
  const { runs, judged } = await (async () => {
    const runs = await eachSeed(ctx, (at) => policyRun(ctx, job, at, judge));
    return { runs, judged: await judgedAnswers(ctx, job, runs, judge, options) };
  })().finally(() => judge?.close());
  const measured = await measurePolicies(ctx, job, runs);
  for (const arm of measured) if (judged[arm.id]) arm.values.judged = judged[arm.id];
  const [first] = runs;
  const { built, tokenizer, maxLength, teacher } = job;
  const exported = await exportWriter(
    ctx,
    { model: built.model, params: first.policy, tokenizer, maxLength },
    job.test.flat,
  );
  addFileSizes(measured, exported.files, ['distilled', 'alone', 'other']);
  const shown = data.splits.test!.items!.slice(0, Math.min(16, recipe.evaluate.examples));
  const student = { model: built.model, params: first.policy, tokenizer, maxLength };
  const samples = await sampleTexts(
    shown.map((e) => ({ ...e, response: goodResponse(e) })),
    { teacher: teacher ?? { ...student, params: first.start }, student },
  );
  const report = await reportOf(ctx, method, began, {
    metric: 'accuracy',
    metrics: onPolicy(ctx) ? [...preferenceMetrics, judgedMetric] : preferenceMetrics,
    headline: policyHeadline(measured, options),
    arms: measured.map(({ figures: _, ...arm }) => arm),
    comparisons: policyComparisons(measured, options),
    examples: teacher ? samples : samples.map((s) => ({ ...s, versus: 'Reference' })),
    data: unlabelledFacts({
      ...data,
      ...(onPolicy(ctx) ? { steps: runs.flatMap((r) => r.steps ?? []) } : {}),
    }),
    warnings: seedWarnings(recipe),
  });
  return {
    report,
    model: { folder: ctx.folder.model, ...exported },
    askedOfTeacher: runs.reduce((n, r) => n + r.asked, 0),
  };
}

async function policyRun(
  ctx: RunContext,
  job: PreferenceJob,
  at: SeedOfRun,
  judge: TextTeacher | undefined,
): Promise<PolicyRun> {
  const { recipe } = ctx;
  const { built, good, settings } = job;
  const { seed } = at;
  const imitate = {
    model: built.model as never,
    method: supervised,
    config: supervised.config.parse({}),
  };
  let start = built.start ?? init(built.model as never, `${seed}/init`);
  let startSeconds = 0;
  const { sft } = recipe.prefer ?? {};
  if (sft) {
    if (good.size === 0)
      throw new DecantError('data', 'no training row has a response that is good', {
        at: 'prefer.sft',
        fix: 'leave prefer.sft out, or give good responses',
      });
    const trained = await trainArm(ctx, {
      ...imitate,
      ...at.arm('sft', 'supervised start'),
      // weights that are fresh are nothing to adapt: they are trained as a whole first
      lora: recipe.student.from ? recipe.student.lora : undefined,
      start,
      settings: sft as unknown as TrainSettings,
      source: sourceOf(good, job, sft),
      depends: job.depends,
    });
    start = trained.params;
    startSeconds = trained.seconds;
  }
  const { steps, ...policy } = onPolicy(ctx)
    ? await trainInRounds(ctx, job, start, at, judge)
    : { ...(await trainPolicy(ctx, job, start, at)), steps: undefined };
  const wanted = recipe.evaluate.baselines.withoutTeacher && good.size > 0;
  const alone = wanted
    ? await trainArm(ctx, {
        ...imitate,
        ...at.arm('alone', 'better responses alone'),
        lora: recipe.student.lora,
        start,
        settings,
        updates: updatesFor(settings, job.rows.size),
        source: languageSource(good),
        depends: [job.depends, policy.startId],
      })
    : undefined;
  return {
    seed,
    start,
    startSeconds,
    policy: policy.params,
    seconds: policy.seconds,
    alone,
    asked: policy.asked,
    steps,
  };
}
