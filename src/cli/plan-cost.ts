import { isAbsolute, resolve } from 'node:path';
import type { DataReport } from '../data/report.ts';
import { architectureCatalogue, type ModelInfo } from '../nn/catalogue.ts';
import type { ParamSpecs } from '../nn/params.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import type { ApiTeacherSettings } from '../run/api-teacher.ts';

/** A model of a recipe before it exists. */
export interface PlannedModel {
  parameters: number;
  /** Upper bound: the vocabulary is as large as the recipe allows. */
  atMost: boolean;
  /** Multiplications of one forward pass of one row, roughly; 0 when unknown. */
  multiplications: number;
}

export interface PlannedCost {
  teacher?: PlannedModel;
  student?: PlannedModel;
  /** Updates of the teacher, where it is trained in place. */
  teacherSteps?: number;
  /** Of a teacher behind an API: the most it may cost, `none` without a limit; absent for other teachers. */
  budget?: { money?: number; tokens?: number } | 'none';
  /** Training, teacher's answers and the student without a teacher, over all seeds; within a factor of about three. */
  seconds?: number;
}

type Made = Pick<Recipe['student'], 'architecture' | 'options' | 'from' | 'maxLength' | 'tokenizer'>;

/** Sizes of the models and a rough time, from shapes alone: nothing is trained and no weights are read. */
export async function planCost(
  recipe: Recipe,
  report: DataReport,
  { steps, teacherRows, baseDir }: { steps: number; teacherRows?: number; baseDir: string },
): Promise<PlannedCost> {
  const student = await planned(recipe.student, recipe, report, baseDir);
  const { teacher: t } = recipe;
  const trained = t?.kind === 'trained' ? t : undefined;
  const folder = t?.kind === 'folder' ? { from: (t as { path: string }).path, options: {} } : undefined;
  const teacher =
    (trained ?? folder) && (await planned((trained ?? folder) as Made, recipe, report, baseDir));
  const kept = (split: string): number => report.splits[split]?.kept ?? 0;
  const lessons = teacherRows ?? (kept('teacher') || kept('train'));
  const teacherSteps =
    trained &&
    (trained.train.steps ??
      Math.ceil(lessons / (trained.train.batchSize * trained.train.accumulate)) *
        (trained.train.epochs ?? 10)) * trained.ensemble;
  const apis = apiTeachersOf(recipe);
  return {
    teacher,
    student,
    teacherSteps,
    ...(apis.length > 0 ? { budget: budgetOf(apis) } : {}),
    ...(student && (!trained || teacher)
      ? { seconds: seconds(recipe, { teacher, student, teacherSteps }, kept, steps) }
      : {}),
  };
}

/** The teachers of a recipe that stand behind an API: its own, or members of several. */
export function apiTeachersOf({ teacher }: Recipe): readonly ApiTeacherSettings[] {
  const { members = [] } = (teacher ?? {}) as { members?: { kind: string }[] };
  return [teacher, ...members].filter((t) => t?.kind === 'api') as unknown as ApiTeacherSettings[];
}

/** Budgets of all teachers together; `none` as soon as one has no limit. */
function budgetOf(teachers: readonly ApiTeacherSettings[]): PlannedCost['budget'] {
  if (teachers.some((t) => t.budget?.money === undefined && t.budget?.tokens === undefined)) return 'none';
  const sum = (unit: 'money' | 'tokens'): number | undefined =>
    teachers.some((t) => t.budget![unit] === undefined)
      ? undefined
      : teachers.reduce((n, t) => n + t.budget![unit]!, 0);
  return { money: sum('money'), tokens: sum('tokens') };
}

async function planned(
  model: Made,
  _recipe: Recipe,
  report: DataReport,
  baseDir: string,
): Promise<PlannedModel | undefined> {
  const row = rowOf(report);
  if (model.from !== undefined) {
    if (/^hub:|\.onnx$/.test(model.from)) return undefined;
    const path = isAbsolute(model.from) ? model.from : resolve(baseDir, model.from);
    const [{ openCheckpoint }, { diskFolder }] = await Promise.all([
      import('../export/checkpoint.ts'),
      import('../util/node/disk-folder.ts'),
    ]);
    const shapes = (await openCheckpoint(diskFolder(path)))?.shapes;
    return shapes && sized(new Map(Object.entries(shapes).map(([n, s]) => [n, s])), row, false);
  }
  const entry = architectureCatalogue[model.architecture ?? ''];
  const options = entry?.options.safeParse(model.options);
  if (!options?.success) return undefined;
  const tokens = Math.min(512, Math.ceil(row.tokens / 8) * 8);
  const info: ModelInfo = {
    ...(report.classes ? { classes: report.classes.length } : {}),
    ...(row.image ? { imageSize: row.image[0], channels: row.image[2] } : {}),
    features: row.features,
    dimensions: row.features,
    ...(row.text
      ? {
          vocabSize: model.tokenizer?.vocabSize ?? 4096,
          maxLength: model.maxLength ?? tokens,
          padId: 0,
          eosId: 0,
        }
      : {}),
  };
  const specs: ParamSpecs = entry.make(options.data as never, info).params;
  const shapes = Object.entries(specs)
    .filter(([, p]) => p.tiedTo === undefined)
    .map(([name, p]): [string, readonly number[]] => [name, p.shape]);
  const perText = /^(bag|sentence-bag|dual-bag)$/.test(model.architecture!);
  return sized(new Map(shapes), { ...row, tokens: perText ? 1 : tokens }, row.text);
}

interface Row {
  text: boolean;
  /** Positions that weights are used at. */
  tokens: number;
  image?: [number, number, number];
  features: number;
}

/** One input of the data, in numbers. */
function rowOf(report: DataReport): Row {
  const { input, words } = report.splits.train ?? {};
  const image = input && 'image' in input ? input.image : undefined;
  const features = input && 'features' in input ? input.features : image ? image[0] * image[1] * image[2] : 0;
  // about 1.3 tokens a word, and two special ones
  return { text: !input, tokens: words ? Math.ceil(1.3 * words.p95) + 2 : 1, image, features };
}

function sized(shapes: ReadonlyMap<string, readonly number[]>, row: Row, atMost: boolean): PlannedModel {
  let parameters = 0;
  let multiplications = 0;
  for (const [name, shape] of shapes) {
    const count = shape.reduce((a, b) => a * b, 1);
    parameters += count;
    // kernels are used at every pixel (a quarter of them, after strides and pooling), tables are only looked up
    if (shape.length === 4) multiplications += (count * (row.image ? row.image[0] * row.image[1] : 1)) / 4;
    else if (shape.length >= 2 && !/embed|wte|wpe/.test(name)) multiplications += count * row.tokens;
  }
  return { parameters, atMost, multiplications };
}

// Measured with the quickstart on two cores of a server; other models and machines differ by a factor of three or so.
const STEP = 1.2e-3;
const PER_PARAMETER = 1.5e-9;
const PER_MULTIPLICATION = 1.5e-10;
const REFERENCE_LOOP = 0.8e-3;

function seconds(
  recipe: Recipe,
  { teacher, student, teacherSteps }: PlannedCost,
  kept: (split: string) => number,
  steps: number,
): number {
  // forward and backward together are about three forward passes
  const step = (m: PlannedModel, rows: number): number =>
    STEP + PER_PARAMETER * m.parameters + 3 * PER_MULTIPLICATION * m.multiplications * rows;
  const { batchSize, accumulate } = recipe.train;
  const arms = recipe.evaluate.baselines.withoutTeacher ? 2 : 1;
  // a step on preferences runs the student on each of a row's responses, two of pairs
  const rows = batchSize * accumulate * (recipe.task === 'prefer' ? 2 : 1);
  let total = recipe.seeds.length * arms * steps * step(student!, rows);
  const { sft } = recipe.prefer ?? {};
  if (sft) {
    const own = sft.batchSize * sft.accumulate;
    const before = sft.steps ?? Math.ceil(kept('train') / own) * (sft.epochs ?? 10);
    total += recipe.seeds.length * before * step(student!, own);
  }
  if (teacher) {
    const asked = kept('train') + kept('unlabeled') + kept('test');
    total += asked * (2e-5 + PER_MULTIPLICATION * teacher.multiplications);
    const own = recipe.teacher?.kind === 'trained' ? recipe.teacher.train : undefined;
    if (own) total += teacherSteps! * step(teacher, own.batchSize * own.accumulate);
  }
  return total * slowness();
}

/** How much slower than the machine of the constants this one is, from a loop of a few milliseconds. */
function slowness(): number {
  const a = new Float32Array(1 << 16).fill(1.5);
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < 3; repeat++) {
    const began = performance.now();
    for (let pass = 0; pass < 8; pass++) for (let i = 0; i < a.length; i++) a[i] = a[i] * 0.999 + 0.001;
    best = Math.min(best, (performance.now() - began) / 1000);
  }
  return Math.min(10, Math.max(0.2, best / REFERENCE_LOOP));
}
