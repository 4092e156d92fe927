import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { tasks } from '../data/roles.ts';
import { parseReference } from '../data/sources/open.ts';
import type { Task } from '../data/types.ts';
import { parseRecipe } from '../recipe/parse.ts';
import { DecantError } from '../util/errors.ts';
import { writeFileAtomic } from '../util/node/atomic.ts';
import { didYouMean } from '../util/suggest.ts';
import { type InitAnswers, initRecipe } from './init-recipe.ts';
import type { Io } from './io.ts';

/** Writes a recipe from flags, asking for what is missing when there is a terminal. */
export async function writeInit(
  file: string,
  flags: { task?: string; data?: string; teacher?: string; force?: boolean; json?: boolean },
  io: Io,
): Promise<{ file: string; found: boolean } & InitAnswers> {
  const path = resolve(io.cwd, file);
  if (existsSync(path) && !flags.force)
    throw new DecantError('usage', 'the file exists', {
      at: file,
      fix: 'choose another name, or --force to replace it',
    });
  if (flags.task !== undefined && !tasks.includes(flags.task as Task))
    throw new DecantError('usage', 'unknown task', {
      at: '--task',
      seen: flags.task,
      allowed: tasks.join(', '),
      fix: didYouMean(flags.task, tasks),
    });
  const given: Partial<InitAnswers> = {
    task: flags.task as Task | undefined,
    data: flags.data,
    teacher: flags.teacher,
  };
  const missing = (['task', 'data', 'teacher'] as const).filter((key) => given[key] === undefined);
  if (missing.length > 0 && (!io.stdin.isTTY || flags.json))
    throw new DecantError('usage', 'not a terminal, so nothing can be asked', {
      at: 'init',
      fix: `give ${missing.map((m) => `--${m}`).join(', ')}`,
    });
  const answers =
    missing.length > 0 ? await (await import('./ask.ts')).askInit(given) : (given as InitAnswers);
  const reference = parseReference(answers.data);
  const stem = basename(file).replace(/\.ya?ml$/i, '');
  const named = stem !== 'recipe' && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(stem);
  const text = initRecipe(answers, named ? stem : undefined);
  // What init writes must be valid; this fails in a test before it fails for a user.
  parseRecipe(text, { file });
  writeFileAtomic(path, text);
  const found = reference.kind !== 'path' || existsSync(resolve(dirname(path), reference.name));
  return { file, found, ...answers };
}
