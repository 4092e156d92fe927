import type { StepContext, TextRecord, TextTeacher } from '../../data/steps/step.ts';
import type { Example } from '../../data/types.ts';
import { meanInterval } from '../../evaluate/bootstrap.ts';
import { seedMean } from '../../evaluate/paired-tests.ts';
import type { ReportMetric, ReportValue } from '../../evaluate/report/data.ts';
import { dataSteps } from '../../train/steps.ts';
import type { RunContext } from '../context.ts';
import { mean, spread } from '../spread.ts';
import type { PolicyRun, PreferenceJob } from './job.ts';
import type { IntervalOptions } from './report.ts';
import { policyWriter } from './rounds.ts';

export const judgedMetric: ReportMetric = {
  key: 'judged',
  label: 'Judged',
  about:
    'what the judge says of own answers to test prompts: mean score, or with the step prefer the share that it finds better than those of the student before (½ when undecided)',
  format: 'number',
  better: 'higher',
};

type Step = Readonly<Record<string, unknown>> & { step: string };
type Texts = readonly TextRecord[];

/** Judged answers of each seed's student before and after, by arm; nothing where no step judges. */
export async function judgedAnswers(
  ctx: RunContext,
  job: PreferenceJob,
  runs: readonly PolicyRun[],
  judge: TextTeacher | undefined,
  options: IntervalOptions,
): Promise<Readonly<Record<string, ReportValue>>> {
  const steps = ctx.recipe.data.steps as unknown as readonly Step[];
  const sample = steps.find((s) => s.step === 'sample');
  const verdict = steps.find((s) => s.step === 'judge' || s.step === 'prefer');
  const prompts = testPrompts(ctx);
  if (!judge || !sample || !verdict || prompts.length === 0) return {};
  const task = ctx.progress.task('test answers judged', runs.length, 'seeds');
  const scores: Record<'reference' | 'distilled', Float64Array[]> = { reference: [], distilled: [] };
  for (const [i, run] of runs.entries()) {
    const write = async (params: PolicyRun['policy']): Promise<Texts> => {
      const student = await policyWriter(job, params);
      const context = { ...empty, seed: `${ctx.recipe.data.seed}/judged/${run.seed}`, student };
      const asked = { ...sample, samples: 1, from: 'train', finished: false, keepGiven: false };
      try {
        return (await stepRun(asked, prompts, context)).kept;
      } finally {
        await student.close();
      }
    };
    const [before, after] = [await write(run.start), await write(run.policy)];
    const context = { ...empty, teacher: judge };
    const own = await compared(verdict, prompts, before, after, context);
    scores.reference.push(own.before);
    scores.distilled.push(own.after);
    task.update({ done: i + 1 });
  }
  task.finish();
  return Object.fromEntries(
    Object.entries(scores).map(([arm, perSeed]) => {
      const interval = meanInterval(seedMean(perSeed), options);
      return [arm, { ...spread(perSeed.map(mean)), low: interval.low, high: interval.high }];
    }),
  );
}

const empty: StepContext = { seed: 0, held: [], given: [], pool: [], rated: [] };

function testPrompts({ data, recipe }: RunContext): TextRecord[] {
  const all = (data.splits.test?.items ?? []).map(
    ({ file, line, prompt, meta }: Example): TextRecord => ({ file, line, prompt, meta }),
  );
  const distinct = [...new Map(all.map((r) => [r.prompt, r])).values()];
  return distinct.slice(0, recipe.prefer?.judged ?? 0);
}

const stepRun = async ({ step, ...options }: Step, rows: Texts, context: StepContext) =>
  dataSteps[step].run(rows, dataSteps[step].options.parse(options), context);

/** What an answer that is missing, or that the judge says nothing about, is worth. */
function lowestScore({ step, ...options }: Step): number {
  const { low, verdicts } = dataSteps[step].options.parse(options) as {
    low: number;
    verdicts?: Record<string, number>;
  };
  return verdicts ? Math.min(...Object.values(verdicts)) : low;
}

/** A figure per prompt for both: scores, or shares of won comparisons. */
async function compared(
  verdict: Step,
  prompts: Texts,
  before: Texts,
  after: Texts,
  context: StepContext,
): Promise<{ before: Float64Array; after: Float64Array }> {
  const answers = (rows: Texts) => new Map(rows.map((r) => [r.prompt, r]));
  const [old, now] = [answers(before), answers(after)];
  if (verdict.step === 'judge') {
    const scored = async (rows: Texts) => {
      const { kept } = await stepRun({ ...verdict, min: undefined }, rows, context);
      const score = new Map(kept.map((r) => [r.prompt, Number(r.facts!.score)]));
      return Float64Array.from(prompts, (p) => score.get(p.prompt) ?? lowestScore(verdict));
    };
    return { before: await scored(before), after: await scored(after) };
  }
  const both = prompts.flatMap((p) => [old.get(p.prompt), now.get(p.prompt)].filter((r) => r !== undefined));
  const { kept } = await stepRun({ ...verdict, pairs: 1 }, both, context);
  const winner = new Map(kept.map((r) => [r.prompt, r.chosen]));
  const share = (of: ReadonlyMap<string | undefined, TextRecord>) =>
    Float64Array.from(prompts, ({ prompt }) => {
      const won = winner.get(prompt);
      return won === undefined ? 0.5 : won === of.get(prompt)?.response ? 1 : 0;
    });
  return { before: share(old), after: share(now) };
}
