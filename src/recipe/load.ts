import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { stringify } from 'yaml';
import { mustExist } from '../data/sources/bytes.ts';
import { DecantError } from '../util/errors.ts';
import { type ParsedRecipe, type ParseOptions, parseRecipe } from './parse.ts';
import { type Recipe, recipeSchema } from './schema/recipe.ts';

export interface LoadedRecipe extends ParsedRecipe {
  /** As the user named it. */
  file: string;
  /** Folder that the recipe's relative paths start from. */
  baseDir: string;
}

/** Reads a recipe file. Errors: `recipe`, also when the file is missing or not UTF-8 text. */
export async function loadRecipe(
  file: string,
  options: Omit<ParseOptions, 'file'> & { shownAs?: string } = {},
): Promise<LoadedRecipe> {
  let text: string;
  try {
    await mustExist(file);
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (cause) {
    const e = cause as DecantError;
    throw e instanceof DecantError
      ? new DecantError('recipe', e.message.slice(e.message.indexOf(': ') + 2).split(';')[0], {
          at: file,
          fix: e.details.fix?.startsWith('did') ? e.details.fix : 'write one with "decant init"',
          cause,
        })
      : new DecantError('recipe', 'is not UTF-8 text', { at: file, fix: 'save it as UTF-8', cause });
  }
  const shown = options.shownAs ?? file;
  return { ...parseRecipe(text, { ...options, file: shown }), file: shown, baseDir: dirname(resolve(file)) };
}

/** The resolved recipe as YAML: every default written out, in the order of the schema; reading it gives the same text and hash. */
export function serializeRecipe(recipe: Recipe, hash: string): string {
  const plain: unknown = JSON.parse(JSON.stringify(recipe));
  // defaults that depend on the task came in last; parsing puts every key where the schema has it
  const { data = plain } = recipeSchema.safeParse(plain);
  return `# Resolved recipe: every default is written out. Hash ${hash}\n${stringify(data, { lineWidth: 100 })}`;
}
