import type { NDArray } from '../../graph/index.ts';
import { distillation } from '../../methods/objective.ts';
import { type AnyModel, init } from '../../nn/model.ts';
import type { Params } from '../../nn/params.ts';
import { adam } from '../../optim/index.ts';
import type { Recipe } from '../../recipe/schema/recipe.ts';
import type { TokenRows } from '../../train/language.ts';
import { preferencePolicy, withMovingReference, withoutReference } from '../../train/policy.ts';
import { preferenceSource, type TokenLogps } from '../../train/preference.ts';
import { buildStep, initialState } from '../../train/step-graph.ts';
import { DecantError } from '../../util/errors.ts';
import { contentHash } from '../../util/node/hash.ts';
import { adaptedModel, untouchedParams } from '../adapt.ts';
import { type Surroundings, trainArm } from '../arm.ts';
import type { SeedOfRun } from '../arms.ts';
import type { RunContext } from '../context.ts';
import { paramsHash } from '../teacher.ts';
import { preferenceFigures } from './figures.ts';
import { type PreferenceJob, readBy } from './job.ts';
import { type PolicyScorer, policyScorer, responseLogps, type Scored } from './score.ts';

type Preferences = NonNullable<Recipe['prefer']>;
const preferencesOf = (recipe: Recipe): Pick<Preferences, 'reference' | 'decay'> =>
  recipe.prefer ?? { reference: 'start', decay: 0.99 };

/** The student as a policy on several responses, with its reference beside it where that one moves. */
function policyAround(recipe: Recipe, job: PreferenceJob): Surroundings {
  const { reference, decay } = preferencesOf(recipe);
  const moving = reference === 'moving' ? { decay } : undefined;
  return {
    model: (own) => preferencePolicy(own, { mismatched: job.rows.mismatched !== undefined, moving }),
    start: moving && withMovingReference,
    own: withoutReference,
  };
}

/** Builds the step of the first rows without running it, so that what does not fit is said before anything is trained. */
export async function tryLoss(recipe: Recipe, job: PreferenceJob): Promise<void> {
  const { lora } = recipe.student;
  const student = job.built.model as AnyModel;
  const model = policyAround(recipe, job).model(lora ? adaptedModel(student, lora) : student);
  const nothing: TokenLogps = (row) => new Float64Array(job.rows.flat.rows[row].ids.length);
  const { reference } = preferencesOf(recipe);
  const source = preferenceSource(job.rows, {
    reference: reference === 'moving' ? undefined : nothing,
    teacher: job.teacher && nothing,
  });
  const objective = distillation(model, job.method, job.config);
  const options = { optimizer: adam(), clip: 0, accumulate: true };
  const state = initialState(objective, init({ ...model, params: objective.params }, 0), options);
  const batch = await source.collate([0, Math.min(1, source.size - 1)]);
  buildStep(objective, state, batch, options, 'gather');
}

export interface TrainedPolicy {
  readonly params: Params<NDArray>;
  readonly seconds: number;
  /** Responses that were scored by teacher and reference, beside what the store had. */
  readonly asked: number;
  /** Identity of the student before. */
  readonly startId: string;
}

/** Trains one policy on the preferences, relative to its reference. */
export async function trainPolicy(
  ctx: RunContext,
  job: PreferenceJob,
  start: Params<NDArray>,
  at: SeedOfRun,
): Promise<TrainedPolicy> {
  const { recipe } = ctx;
  const { reference } = preferencesOf(recipe);
  const { teacher, built, rows } = job;
  const startId = `start:${contentHash([paramsHash(start), contentHash(job.tokenizer.files)])}`;
  let asked = 0;
  const score = async (what: string, id: string, scored: Scored, flat: TokenRows): Promise<TokenLogps> => {
    const shelf = ctx.signals.shelf({ teacher: id, signal: 'response-logp' });
    const task = ctx.progress.task(`${what}: responses`, flat.size, 'rows');
    const found = await responseLogps(ctx.engine, flat, scored, shelf, {
      batchSize: job.batchSize,
      check: () => {
        if (ctx.stopRequested())
          throw new DecantError('interrupted', 'stopped while responses were scored; what is known is kept', {
            fix: 'go on with: decant resume DIR',
          });
      },
      onProgress: (done, of) => task.update({ done: flat.size - of + done }),
    });
    task.finish();
    ctx.journal.event('signals', { of: what, rows: flat.size, asked: found.asked });
    asked += found.asked;
    return found.logps;
  };
  const taught = teacher && (await score('teacher', teacher.id, teacher, readBy(teacher, rows)));
  const own = { model: built.model, params: start };
  const source = preferenceSource(rows, {
    teacher: taught,
    reference:
      reference === 'moving'
        ? undefined
        : reference === 'teacher'
          ? taught
          : await score('reference', startId, own, rows.flat),
  });
  const trained = await trainArm(ctx, {
    ...at.arm('distilled', 'student'),
    model: built.model as AnyModel,
    within: policyAround(recipe, job),
    lora: recipe.student.lora,
    start,
    method: job.method,
    config: job.config,
    settings: job.settings,
    source,
    // a reference that is the teacher reaches the loss by its own columns
    probe: at.probe && teacher !== undefined && reference !== 'teacher',
    watch: job.validation && watchOn(ctx, job, referenceOf(recipe, job, start)),
    depends: [job.depends, startId, teacher?.id],
  });
  return { ...trained, asked, startId };
}

/** The model that figures are relative to: the teacher where the recipe says so, else the student before preferences. */
export const referenceOf = (recipe: Recipe, job: PreferenceJob, start: Params<NDArray>): Scored =>
  preferencesOf(recipe).reference === 'teacher' ? job.teacher! : { model: job.built.model, params: start };

/** Compares students with a reference. Adapters leave most of a student as it is: that part is held once for both. */
export function studentScorer(ctx: RunContext, job: PreferenceJob, reference: Scored): PolicyScorer {
  const { lora } = ctx.recipe.student;
  const model = job.built.model;
  const shared = lora && reference.model === model ? untouchedParams(model as AnyModel, lora) : [];
  return policyScorer(ctx.engine, model, reference, { batchSize: job.batchSize, shared });
}

/** Figures on the validation rows; the watched one is the share of wrong comparisons. */
function watchOn(ctx: RunContext, job: PreferenceJob, reference: Scored) {
  const scorer = studentScorer(ctx, job, reference);
  const average = (a: Float64Array): number => a.reduce((x, y) => x + y, 0) / a.length;
  return {
    metric: 'error',
    run: async (params: Params<NDArray>) => {
      const rows = job.validation!;
      const f = preferenceFigures(rows, await scorer.run(params, rows.flat));
      const accuracy = average(f.accuracy);
      return { accuracy, error: 1 - accuracy, margin: average(f.margin), kl: f.kl, perplexity: f.perplexity };
    },
    dispose: () => scorer.dispose(),
  };
}
