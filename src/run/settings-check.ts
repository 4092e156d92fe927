import type { ReportData, ReportMetric } from '../evaluate/report/data.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import { DecantError } from '../util/errors.ts';
import { didYouMean } from '../util/suggest.ts';

/** What a task's runner can act on, beyond what every run does. */
export interface RunnerAbilities {
  /** Metrics of its report, in the order they are shown; the first one is the headline's. */
  readonly metrics?: (recipe: Recipe) => Promise<readonly ReportMetric[]>;
  /** Whether its students can be trained through adapters (`student.lora`). */
  readonly adapters?: boolean;
  /** Whether its students can take chosen layers of a model (`student.layers`). */
  readonly layers?: boolean;
  /** Whether their vocabulary can be cut to the data (`student.trimVocabulary`). */
  readonly trimVocabulary?: boolean;
  /** Whether its report has a table by slices (`evaluate.slices`). */
  readonly slices?: boolean;
  /** Whether its training rows go through steps (`data.steps`). */
  readonly steps?: boolean;
  /** Whether its students can be exported with 4-bit weights (`export.formats: [int4]`). */
  readonly int4?: boolean;
  /** Whether it can lay several rows side by side (`train.packing`). */
  readonly packing?: boolean;
  /** Whether it trains from rows on the disk (`data.streaming`). */
  readonly streaming?: boolean;
}

/** Settings that a run of this recipe could not honour, found before anything is spent. Errors: `recipe`. */
export async function checkSettings(recipe: Recipe, runner: RunnerAbilities): Promise<void> {
  if (recipe.train.engine === 'web')
    throw new DecantError('recipe', 'the web engine runs in a browser, and a run happens in Node', {
      at: 'train.engine',
      seen: 'web',
      allowed: 'auto, node, reference',
      fix: 'leave train.engine out; to train in a page, use the library from decant/browser',
    });
  const unable = (at: string, what: string): DecantError =>
    new DecantError('recipe', `task ${recipe.task} has no ${what}`, { at, fix: 'remove the setting' });
  if (recipe.student.lora && !runner.adapters) throw unable('student.lora', 'training through adapters');
  if (recipe.student.layers && !runner.layers) throw unable('student.layers', 'student of chosen layers');
  if (recipe.student.trimVocabulary && !runner.trimVocabulary)
    throw unable('student.trimVocabulary', 'vocabulary to cut: teacher and student share it');
  if (recipe.evaluate.slices.length > 0 && !runner.slices)
    throw unable('evaluate.slices', 'results by slice');
  if (recipe.data.steps.length > 0 && !runner.steps) throw unable('data.steps', 'steps over its rows');
  if (recipe.data.streaming && !runner.streaming)
    throw new DecantError('recipe', `task ${recipe.task} holds its rows in memory`, {
      at: 'data.streaming',
      seen: recipe.data.streaming,
      allowed: 'tasks classify, image-classify and generate',
      fix: 'leave data.streaming out, or train on a sample with data.train: {source, limit}',
    });
  if ((recipe.teacher as { firstStage?: boolean } | undefined)?.firstStage && recipe.task !== 'rank')
    throw unable('teacher.firstStage', 'first stage that finds candidates');
  if ((recipe.export.formats as string[]).includes('int4') && !runner.int4)
    throw unable('export.formats', '4-bit files: int4 is for language models');
  const teacherTrain = (recipe.teacher as { train?: { packing?: boolean } } | undefined)?.train;
  if ((recipe.train.packing || teacherTrain?.packing) && !runner.packing)
    throw unable('train.packing', 'rows of tokens to pack');
  const wanted = recipe.evaluate.metrics;
  if (!wanted) return;
  const known = (await runner.metrics?.(recipe))?.map((m) => m.key);
  if (!known) throw unable('evaluate.metrics', 'choice of figures');
  const unknown = wanted.find((m) => !known.includes(m));
  if (unknown !== undefined)
    throw new DecantError('recipe', 'unknown metric', {
      at: `evaluate.metrics.${wanted.indexOf(unknown)}`,
      seen: unknown,
      allowed: known.join(', '),
      fix: didYouMean(unknown, known),
    });
}

/** The report with the metrics that the recipe asks for, and the headline's own; all of them when it asks for none. */
export function withChosenMetrics(report: ReportData, wanted: readonly string[] | undefined): ReportData {
  if (!wanted) return report;
  const keys = new Set([report.metric, ...wanted]);
  const kept = <T>(values: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(values).filter(([key]) => keys.has(key)));
  return {
    ...report,
    metrics: report.metrics.filter((m) => keys.has(m.key)),
    arms: report.arms.map((arm) => ({ ...arm, values: kept(arm.values) })),
    reliability: keys.has('ece') ? report.reliability : [],
  };
}
