import type { PreparedData } from '../data/prepare.ts';
import type { TextRecord } from '../data/steps/step.ts';
import type { Curation } from '../methods/curation.ts';
import type { Method } from '../methods/method.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import type { ApiTeacherSettings } from '../run/api-teacher.ts';
import { textsIn } from '../run/embedding/pairs.ts';
import {
  type Capabilities,
  chatQuestion,
  classifierQuestion,
  embeddingQuestion,
  TEXTS_PER_REQUEST,
} from '../teachers/api/index.ts';
import { type Asked, foreseeStep } from '../teachers/steps/asked.ts';
import { dataSteps } from '../train/steps.ts';

/** Requests of one kind, and the tokens that are guessed for them before they are sent. */
export interface PlannedQuestions {
  /** `step judge`, `class of each row`, ... */
  what: string;
  questions: number;
  inputTokens: number;
  outputTokens: number;
}

interface Given {
  readonly settings: ApiTeacherSettings;
  readonly recipe: Recipe;
  readonly data: PreparedData;
  readonly method: Method | undefined;
  readonly capabilities: Capabilities;
}

/** Everything that a run asks of a teacher behind an API, at most: repeated rows and stored answers are not asked. */
export async function plannedQuestions(given: Given): Promise<PlannedQuestions[]> {
  const { asked, rows } = await foreseeRows(given);
  return [
    ...asked.map(({ what, times, ...one }) => textQuestions(given, what, one, times)),
    ...classQuestions(given, rows),
    ...vectorQuestions(given),
  ].filter((q) => q.questions > 0);
}

interface AskedBy extends Asked {
  readonly what: string;
  /** How often the run asks this: once, or in every round of every seed. */
  readonly times: number;
}

/** The training rows through `data.steps` and the method's own steps, without running them: what is asked on the way. */
async function foreseeRows({ recipe, data, method }: Given): Promise<{
  asked: AskedBy[];
  rows: readonly TextRecord[] | undefined;
}> {
  const given: readonly TextRecord[] | undefined = data.splits.train.items;
  const pool = data.splits.unlabeled?.items ?? [];
  const asked: AskedBy[] = [];
  const listed = recipe.data.steps as unknown as readonly ({ step: string } & Record<string, unknown>)[];
  if (!given || (listed.length === 0 && !method?.curate)) return { asked, rows: undefined };
  const onPolicy = listed.some(({ step }) => dataSteps[step].needs.includes('student'));
  const rounds = onPolicy ? recipe.seeds.length * (recipe.prefer?.rounds ?? 1) : 1;
  const through = (
    name: string,
    options: Readonly<Record<string, unknown>>,
    rows: readonly TextRecord[],
    times = rounds,
  ): readonly TextRecord[] => {
    const step = dataSteps[name];
    const foreseen = foreseeStep(step, rows, step.options.parse(options), pool);
    if (foreseen.asked) asked.push({ what: `step ${name}`, times, ...foreseen.asked });
    return foreseen.rows;
  };
  let rows = given;
  for (const { step, ...options } of listed) rows = through(step, options, rows);
  if (method?.curate) {
    const curation = {
      seed: recipe.data.seed,
      held: [],
      given,
      pool,
      rated: data.splits.rated?.items ?? [],
      rows,
      step: async (step, options, from) => through(step.name, options, from),
    } satisfies Curation;
    rows = await method.curate(curation, method.config.parse(recipe.method.options));
  }
  const verdict = listed.find(({ step }) => step === 'judge' || step === 'prefer');
  if (onPolicy && verdict) {
    // test answers before and after, for the report
    const prompts = new Map((data.splits.test?.items ?? []).map((r) => [r.prompt, r]));
    const judged = [...prompts.values()].slice(0, recipe.prefer?.judged ?? 0);
    const { step, ...options } = verdict;
    through(
      step,
      { ...options, ...(step === 'prefer' ? { pairs: 1 } : {}) },
      [...judged, ...judged],
      recipe.seeds.length,
    );
  }
  return { asked, rows };
}

const summed = (
  what: string,
  estimates: readonly { input: number; output: number }[],
  times = 1,
): PlannedQuestions => ({
  what,
  questions: times * estimates.length,
  inputTokens: Math.round(times * estimates.reduce((n, e) => n + e.input, 0)),
  outputTokens: Math.round(times * estimates.reduce((n, e) => n + e.output, 0)),
});

/** Questions of steps: every sample is a request of its own. */
function textQuestions(
  { settings }: Given,
  what: string,
  { questions, samples, maxTokens }: Asked,
  times: number,
): PlannedQuestions {
  const system = settings.prompt === undefined ? [] : [{ role: 'system' as const, content: settings.prompt }];
  const estimates = questions.map(
    (content) =>
      chatQuestion([...system, { role: 'user', content }], { model: settings.model, maxTokens }).estimate,
  );
  return summed(what, estimates, times * samples);
}

/** The class of every row of training, pool and test, of rows of average length. */
function classQuestions(
  { settings, recipe, data, capabilities }: Given,
  rows: readonly TextRecord[] | undefined,
): PlannedQuestions[] {
  const { classes, report } = data;
  if (recipe.task !== 'classify' || !classes) return [];
  const { question } = classifierQuestion(settings.model, capabilities, {
    classes,
    prompt: settings.prompt,
    maxTokens: settings.maxTokens,
    topLogprobs: settings.topLogprobs,
  });
  return (['train', 'unlabeled', 'test'] as const).flatMap((name) => {
    const split = report.splits[name];
    if (!split) return [];
    const text = 'x'.repeat(Math.ceil(split.characters?.mean ?? 0));
    const { estimate } = question({ file: '', line: 0, text });
    const count = name === 'train' && rows ? rows.length : split.kept;
    return [summed(`class of rows of ${name}`, [estimate], count)];
  });
}

/** Vectors of every distinct text of training and pool, and of the test rows. */
function vectorQuestions({ settings, recipe, data }: Given): PlannedQuestions[] {
  if (recipe.task !== 'embed') return [];
  const { train, unlabeled, test } = data.splits;
  const parts = {
    'training texts': textsIn([...(train.items ?? []), ...(unlabeled?.items ?? [])]),
    'test texts': textsIn(test?.items ?? []),
  };
  return Object.entries(parts).map(([name, texts]) => {
    const requests = Array.from({ length: Math.ceil(texts.length / TEXTS_PER_REQUEST) }, (_, i) =>
      texts.slice(i * TEXTS_PER_REQUEST, (i + 1) * TEXTS_PER_REQUEST),
    );
    return summed(
      `vectors of ${name}`,
      requests.map((r) => embeddingQuestion(r, { model: settings.model }).estimate),
    );
  });
}
