import { DecantError } from '../util/errors.ts';

export type Shapes = Record<string, readonly number[]>;

/** What differs between the tensors a model needs and those a checkpoint has. */
export interface ShapeDifferences {
  missing: string[];
  unexpected: string[];
  wrong: { name: string; expected: readonly number[]; found: readonly number[] }[];
}

/** Compares `{ name: shape }` of a model with that of a checkpoint. */
export function compareShapes(expected: Shapes, found: Shapes): ShapeDifferences {
  const names = Object.keys(expected);
  return {
    missing: names.filter((n) => !Object.hasOwn(found, n)),
    unexpected: Object.keys(found).filter((n) => !Object.hasOwn(expected, n)),
    wrong: names
      .filter((n) => Object.hasOwn(found, n) && `${found[n]}` !== `${expected[n]}`)
      .map((n) => ({ name: n, expected: expected[n], found: found[n] })),
  };
}

/**
 * Throws one error that lists every missing tensor and every wrong shape (and, unless allowed, every unexpected
 * tensor) of a checkpoint.
 */
export function assertShapes(
  expected: Shapes,
  found: Shapes,
  options: { at: string; allowUnexpected?: boolean; allowMissing?: boolean },
): void {
  const { missing, unexpected, wrong } = compareShapes(expected, found);
  const lines = wrong.map((w) => `  shape of ${w.name}: [${w.found}] instead of [${w.expected}]`);
  if (!options.allowMissing) lines.push(...missing.map((n) => `  missing: ${n} [${expected[n]}]`));
  if (!options.allowUnexpected) lines.push(...unexpected.map((n) => `  unexpected: ${n} [${found[n]}]`));
  if (lines.length === 0) return;
  throw new DecantError('model', `the weights do not fit the model:\n${lines.join('\n')}\n`, {
    at: options.at,
    fix: 'check that config.json belongs to these weights and names the right architecture',
  });
}
