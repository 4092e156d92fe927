import type { PreparedData, PrepareOptions } from '../data/prepare.ts';
import type { Method } from '../methods/method.ts';
import { rankingSection } from '../recipe/schema/data.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import { DecantError } from '../util/errors.ts';
import type { RunContext, RunOutcome } from './context.ts';
import type { RankData } from './rank/collection.ts';
import type { RunnerAbilities } from './settings-check.ts';

/** How one task of a recipe is carried out, from prepared data to the report's figures and the exported student. */
export interface TaskRunner extends RunnerAbilities {
  /** Reads the task's data, where rows of examples are not all there is (graphs, collections); else `prepareData` does. */
  readonly prepare?: (recipe: Recipe, options: PrepareOptions) => Promise<PreparedData>;
  /** Rows that a model learns from, where those are not the rows of the data. */
  readonly trainingRows?: (recipe: Recipe, data: PreparedData, model: 'student' | 'teacher') => number;
  /** `atEnd` registers what must be closed when the run ends, also after an error. */
  run(ctx: RunContext, method: Method, config: unknown, atEnd: AtEnd): Promise<RunOutcome>;
}

export type AtEnd = (close: () => void | Promise<void>) => void;

const classify: TaskRunner = {
  streaming: true,
  metrics: async ({ evaluate }) =>
    (await import('./classify-metrics.ts')).classificationMetrics(true, evaluate.topK),
  adapters: true,
  layers: true,
  trimVocabulary: true,
  slices: true,
  steps: true,
  async run(given, method, config, atEnd) {
    const { withCuratedRows } = await import('./data-steps.ts');
    const ctx = await withCuratedRows(given, method, config);
    const { runClassification } = await import('./classify.ts');
    const { classifierTeacher } = await import('./classify-teacher.ts');
    const open = async () => {
      const teacher = await classifierTeacher(ctx);
      atEnd(() => teacher.close());
      return teacher;
    };
    return runClassification(ctx, open, method, config);
  },
};

/** Nodes of a graph: rows of features whose teacher may be a graph network. */
const nodes: TaskRunner = {
  ...classify,
  streaming: false,
  steps: false,
  async run(ctx, method, config, atEnd) {
    const { runClassification } = await import('./classify.ts');
    const { nodeTeacher } = await import('./graph/teacher.ts');
    const open = async () => {
      const teacher = await nodeTeacher(ctx);
      atEnd(() => teacher.close());
      return teacher;
    };
    return runClassification(ctx, open, method, config);
  },
};

const generate: TaskRunner = {
  streaming: true,
  int4: true,
  packing: true,
  metrics: async () => (await import('./generate-report.ts')).languageMetrics,
  adapters: true,
  layers: true,
  slices: true,
  steps: true,
  run: async (ctx, method, config) => (await import('./generate.ts')).runGeneration(ctx, method, config),
};

const embed: TaskRunner = {
  adapters: true,
  metrics: async () => (await import('./embedding/report.ts')).embedMetrics(),
  run: async (ctx, method, config, atEnd) =>
    (await import('./embedding/run.ts')).runEmbedding(ctx, method, config, atEnd),
};

const rank: TaskRunner = {
  adapters: true,
  metrics: async ({ data }) => (await import('./rank/report.ts')).rankMetrics(data.ranking?.depth ?? 100),
  prepare: async (recipe, options) =>
    (await import('./rank/collection.ts')).prepareCollection(recipe, options),
  trainingRows: ({ data: { ranking } }, data, model) => {
    const { lists, negatives } = rankingSection.parse(ranking ?? {});
    const { train, teacher = train } = (data as RankData).collection;
    return (model === 'teacher' ? teacher : train).reduce(
      (n, q) => n + (q.triples.length > 0 && negatives === 1 ? q.triples.length : lists),
      0,
    );
  },
  run: async (ctx, method, config, atEnd) =>
    (await import('./rank/rank.ts')).runRanking(ctx, method, config, atEnd),
};

const prefer: TaskRunner = {
  adapters: true,
  layers: true,
  int4: true,
  metrics: async () => (await import('./prefer/report.ts')).preferenceMetrics,
  steps: true,
  async run(given, method, config) {
    const { onPolicy, withCuratedRows } = await import('./data-steps.ts');
    // steps over the student's own texts run in every round
    const ctx = onPolicy(given) ? given : await withCuratedRows(given, method, config);
    return (await import('./prefer/index.ts')).runPreference(ctx, method, config);
  },
};

const diffuse: TaskRunner = {
  adapters: true,
  metrics: async () => (await import('./diffusion/metrics.ts')).sampleMetrics,
  async run(ctx, method, config) {
    return (await import('./diffusion/run.ts')).runDiffusion(ctx, method, config);
  },
};

/**
 * Every task that can be run. A new one is a folder or file beside this one and a line here; what it takes to run is
 * imported when it runs, so that `decant plan` starts at once.
 */
const runners: Readonly<Record<string, TaskRunner>> = {
  classify,
  'image-classify': classify,
  'node-classify': nodes,
  generate,
  prefer,
  embed,
  rank,
  diffuse,
};

/** Errors: `recipe` for a task without a runner. */
export function runnerOf(task: string): TaskRunner {
  const runner = runners[task];
  if (!runner)
    throw new DecantError('recipe', 'this task cannot be run yet', {
      at: 'task',
      seen: task,
      allowed: Object.keys(runners).join(', '),
    });
  return runner;
}
