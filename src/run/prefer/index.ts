import type { ReportData } from '../../evaluate/report/data.ts';
import { supervised } from '../../methods/logits/kd.ts';
import type { Method } from '../../methods/method.ts';
import { init } from '../../nn/model.ts';
import { type TrainSettings, updatesFor } from '../../train/job.ts';
import { languageSource } from '../../train/language.ts';
import { goodResponse } from '../../train/preference.ts';
import { DecantError } from '../../util/errors.ts';
import { trainArm } from '../arm.ts';
import type { RunOutcome } from '../classify.ts';
import { curves, dataFacts, environment } from '../classify-report.ts';
import type { RunContext } from '../context.ts';
import { exportWriter } from '../generate-export.ts';
import { sampleTexts } from '../generate-samples.ts';
import { sourceOf } from '../generate-teacher.ts';
import { type PolicyRun, type PreferenceJob, preferenceJob } from './job.ts';
import { measurePolicies } from './measure.ts';
import { policyComparisons, policyHeadline, preferenceMetrics } from './report.ts';
import { trainPolicy, tryLoss } from './train.ts';

/** A language model that learns which of several responses is better: from data to a student folder. */
export async function runPreference(ctx: RunContext, method: Method, config: unknown): Promise<RunOutcome> {
  const { recipe, data } = ctx;
  const began = performance.now();
  const job = await preferenceJob(ctx, method, config);
  await tryLoss(recipe, job);
  const runs: PolicyRun[] = [];
  for (const [i, seed] of recipe.seeds.entries()) runs.push(await policyRun(ctx, job, seed, i));
  const measured = await measurePolicies(ctx, job, runs);
  const [first] = runs;
  const { built, tokenizer, maxLength, teacher } = job;
  const exported = await exportWriter(
    ctx,
    { model: built.model, params: first.policy, tokenizer, maxLength },
    job.test.flat,
  );
  const bytesOf = (path: string): number | undefined => exported.files.find((f) => f.path === path)?.bytes;
  const sizes = { bytes: bytesOf('onnx/model.onnx'), int8Bytes: bytesOf('onnx/model_quantized.onnx') };
  const options = { resamples: recipe.evaluate.bootstrap, level: recipe.evaluate.level };
  const shown = data.splits.test!.items!.slice(0, Math.min(16, recipe.evaluate.examples));
  const student = { model: built.model, params: first.policy, tokenizer, maxLength };
  const samples = await sampleTexts(
    shown.map((e) => ({ ...e, response: goodResponse(e) })),
    { teacher: teacher ?? { ...student, params: first.start }, student },
  );
  const facts = dataFacts(data);
  const report: ReportData = {
    version: 1,
    title: recipe.name ?? ctx.folder.path.split('/').at(-1) ?? 'run',
    task: recipe.task,
    method: method.slug,
    created: new Date().toISOString(),
    metric: 'accuracy',
    metrics: preferenceMetrics,
    gold: { kind: 'all' },
    headline: policyHeadline(measured, options),
    arms: measured.map(({ figures: _, ...arm }) => ({ ...arm, ...(arm.role === 'teacher' ? {} : sizes) })),
    comparisons: policyComparisons(measured, options),
    curves: curves(ctx.folder.metrics),
    reliability: [],
    examples: teacher ? samples : samples.map((s) => ({ ...s, versus: 'Reference' })),
    data: { ...facts, splits: facts.splits.map(({ labelled: _, ...split }) => split) },
    environment: await environment(ctx, (performance.now() - began) / 1000),
    warnings:
      recipe.seeds.length === 1
        ? ['One seed: how much the result varies from training to training is unknown.']
        : [],
  };
  return {
    report,
    model: { folder: ctx.folder.model, ...exported },
    askedOfTeacher: runs.reduce((n, r) => n + r.asked, 0),
  };
}

async function policyRun(ctx: RunContext, job: PreferenceJob, seed: number, i: number): Promise<PolicyRun> {
  const { recipe } = ctx;
  const { built, good, settings } = job;
  const counted = recipe.seeds.length > 1 ? ` ${i + 1}/${recipe.seeds.length}` : '';
  const imitate = {
    seed,
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
      name: 'sft',
      title: `supervised start${counted}`,
      start,
      settings: sft as unknown as TrainSettings,
      source: sourceOf(good, job, sft),
      depends: job.depends,
    });
    start = trained.params;
    startSeconds = trained.seconds;
  }
  const policy = await trainPolicy(ctx, job, { seed, start, first: i === 0, title: `student${counted}` });
  const wanted = recipe.evaluate.baselines.withoutTeacher && good.size > 0;
  const alone = wanted
    ? await trainArm(ctx, {
        ...imitate,
        name: 'alone',
        title: `better responses alone${counted}`,
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
  };
}
