import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadCatalogue } from '../src/cli/catalogue.ts';
import { builtins } from '../src/data/builtins.ts';
import { datasets } from '../src/data/datasets.ts';
import { loadRecipe } from '../src/recipe/load.ts';

const files = readdirSync('recipes', { recursive: true, encoding: 'utf8' }).filter((f) =>
  f.endsWith('.yaml'),
);

/** Every reference to a known set, with the split it names. */
function references(value: unknown): { kind: string; name: string; split?: string }[] {
  if (typeof value === 'string') {
    const [, kind, name, split] = /^(dataset|builtin):([^#]+)(?:#(.+))?$/.exec(value) ?? [];
    return kind ? [{ kind, name, split }] : [];
  }
  return value && typeof value === 'object' ? Object.values(value).flatMap(references) : [];
}

describe('the recipes of the project', async () => {
  const catalogue = await loadCatalogue();

  it.each(files)('%s parses, and names sets and splits that exist', async (file) => {
    const { recipe } = await loadRecipe(`recipes/${file}`, { catalogue });
    for (const { kind, name, split } of references(recipe.data)) {
      const tasks = kind === 'builtin' ? builtins[name]?.tasks : datasets[name]?.tasks;
      expect(tasks, `${kind}:${name}`).toBeDefined();
      // columns that a recipe maps itself can make other tasks of a set
      if (Object.keys(recipe.data.columns).length === 0)
        expect(tasks, `${kind}:${name}`).toContain(recipe.task);
      const known = kind === 'builtin' ? builtins[name].splits : Object.keys(datasets[name].splits);
      if (split) expect(known, `${kind}:${name}`).toContain(split);
    }
  });
});
