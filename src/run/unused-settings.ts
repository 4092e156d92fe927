import type { Recipe } from '../recipe/schema/recipe.ts';
import { DecantError } from '../util/errors.ts';

/** Settings of the recipe format that a run does not act on yet: where they stand, and whether one is set. */
const UNUSED: readonly [path: string, isSet: (r: Recipe) => boolean][] = [
  ['student.lora', (r) => r.student.lora !== undefined],
  ['train.dropout', (r) => r.train.dropout !== undefined],
  ['train.engine', (r) => r.train.engine !== 'auto' && r.train.engine !== 'node'],
  ['train.checkpointEvery', (r) => r.train.checkpointEvery !== 60],
  ['train.earlyStopping.minDelta', (r) => (r.train.earlyStopping?.minDelta ?? 0) !== 0],
  ['evaluate.metrics', (r) => r.evaluate.metrics !== undefined],
  ['evaluate.slices', (r) => r.evaluate.slices.length > 0],
  ['export.card', (r) => !r.export.card],
  ['export.licence', (r) => r.export.licence !== undefined],
];

/** Refuses a recipe that asks for something the run would leave out in silence. Errors: `recipe`. */
export function refuseUnused(recipe: Recipe): void {
  const found = UNUSED.filter(([, isSet]) => isSet(recipe)).map(([path]) => path);
  if (found.length === 0) return;
  throw new DecantError('recipe', 'a run does not act on this setting yet, and will not pretend to', {
    at: found.join(', '),
    fix: 'remove it, so that the run does what its recipe says',
  });
}
