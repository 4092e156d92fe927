import { expect, it } from 'vitest';
import { parseRecipe } from '../recipe/parse.ts';
import { refuseUnused } from './unused-settings.ts';

const base = `version: 1
task: classify
data: { train: builtin:support-requests }
teacher: { kind: trained, architecture: bag }
student: { architecture: bag }
method: kd
`;
const recipe = (...set: string[]) => parseRecipe(base, { file: 'r.yaml', set }).recipe;

it('lets a recipe of defaults pass', () => {
  expect(() => refuseUnused(recipe())).not.toThrow();
});

it('names every setting that the run would ignore', () => {
  expect(() => refuseUnused(recipe('student.lora={rank: 4}'))).toThrow(/^student\.lora: a run does not act/);
  expect(() => refuseUnused(recipe('train.dropout=0.3', 'export.licence=MIT'))).toThrow(
    /^train\.dropout, export\.licence:/,
  );
});
