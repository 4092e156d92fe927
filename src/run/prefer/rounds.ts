import type { TextTeacher } from '../../data/steps/step.ts';
import type { ReportStep } from '../../evaluate/report/data.ts';
import type { NDArray } from '../../graph/index.ts';
import type { Params } from '../../nn/params.ts';
import { contentHash } from '../../util/node/hash.ts';
import type { SeedOfRun } from '../arms.ts';
import type { RunContext } from '../context.ts';
import { asksTeacher, curatedRun, onPolicy } from '../data-steps.ts';
import { modelWriter, type Writer } from '../model-writer.ts';
import { openRemoteWriter, writesRemotely } from '../open-writer.ts';
import { paramsHash } from '../teacher.ts';
import type { PreferenceJob } from './job.ts';
import { type TrainedPolicy, trainPolicy } from './train.ts';

/** The judge of a run whose student answers itself, opened once for all rounds; undefined where nobody is asked. */
export async function openJudge(ctx: RunContext, job: PreferenceJob): Promise<Writer | undefined> {
  return onPolicy(ctx) && writesRemotely(ctx) && asksTeacher(ctx, job.method)
    ? openRemoteWriter(ctx)
    : undefined;
}

/** A policy as one that writes. */
export const policyWriter = (job: PreferenceJob, params: Params<NDArray>): Promise<Writer> =>
  modelWriter({
    name: 'the student',
    id: `student:${contentHash([paramsHash(params), contentHash(job.tokenizer.files)])}`,
    model: job.built.model,
    params,
    tokenizer: job.tokenizer,
  });

/**
 * On-policy training: in every round the student of the round before answers, steps make pairs of its answers, and it learns
 * from them, relative to itself as it was. What was sampled, judged and trained is kept: an interrupted run goes on.
 */
export async function trainInRounds(
  ctx: RunContext,
  job: PreferenceJob,
  start: Params<NDArray>,
  at: SeedOfRun,
  judge: TextTeacher | undefined,
): Promise<TrainedPolicy & { steps: readonly ReportStep[] }> {
  const rounds = ctx.recipe.prefer?.rounds ?? 1;
  const steps: ReportStep[] = [];
  let policy: TrainedPolicy | undefined;
  let seconds = 0;
  let asked = 0;
  for (let round = 1; round <= rounds; round++) {
    const from = policy?.params ?? start;
    const student = await policyWriter(job, from);
    const made = await curatedRun(ctx, job.method, job.config, judge, {
      student,
      name: `seed ${at.seed} round ${round}`,
    }).finally(() => student.close());
    steps.push(...(made.data.steps ?? []));
    const rows = job.rowsOf(made.data.splits.train.items!);
    const last = round === rounds;
    policy = await trainPolicy(ctx, { ...job, rows }, from, {
      ...at,
      arm: (name, title) => at.arm(last ? name : `${name}-${round}`, `${title}, round ${round} of ${rounds}`),
    });
    seconds += policy.seconds;
    asked += policy.asked;
  }
  return { ...policy!, seconds, asked, steps };
}
