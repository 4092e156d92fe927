import type { DataSpec, SplitSpec } from '../data/spec.ts';
import type { Task } from '../data/types.ts';
import type { Recipe } from './schema/recipe.ts';

type Split = Recipe['data']['train'];

const splitSpec = (value: Split): SplitSpec => (typeof value === 'string' ? { source: value } : value);

/** Steps after which rows are preference pairs. */
const makesPairs = new Set(['prefer', 'pair']);

/** The data section of a resolved recipe in the form that `prepareData` takes. */
export function dataSpecOf(recipe: Recipe): DataSpec {
  const { train, validation, test, unlabeled, teacher, rated, normalize, steps, ...rest } = recipe.data;
  const held = (value: Split | number | undefined): SplitSpec | number | undefined =>
    value === undefined || typeof value === 'number' ? value : splitSpec(value);
  return {
    ...rest,
    normalize: { ...normalize, whitespace: normalize.whitespace ?? 'collapse' },
    train: splitSpec(train),
    validation: held(validation),
    test: held(test),
    prompts: recipe.task === 'prefer' && steps.some(({ step }) => makesPairs.has(step as string)),
    unlabeled: unlabeled === undefined ? undefined : splitSpec(unlabeled),
    teacher: teacher === undefined ? undefined : splitSpec(teacher),
    rated: rated === undefined ? undefined : splitSpec(rated),
  };
}

export const taskOf = (recipe: Recipe): Task => recipe.task as Task;
