import { type AddCommand, examples } from '../command.ts';
import { createOutput } from '../io.ts';

/** `decant schema`: the recipe's JSON Schema, for editors. */
export const addSchema: AddCommand = (program, io) =>
  program
    .command('schema')
    .description('print the JSON Schema of recipes, for completion and checks in editors')
    .option('-o, --out <file>', 'write it to a file instead')
    .addHelpText(
      'after',
      examples([
        'decant schema -o recipe.schema.json',
        'then put "# yaml-language-server: $schema=recipe.schema.json" on top of a recipe',
      ]),
    )
    .action(async (flags: { out?: string; json?: boolean }) => {
      const { recipeJsonSchema } = await import('../../recipe/json-schema.ts');
      const { loadCatalogue } = await import('../catalogue.ts');
      const text = `${JSON.stringify(recipeJsonSchema(await loadCatalogue()), null, 2)}\n`;
      const out = createOutput(io, flags);
      if (!flags.out) {
        io.stdout.write(text);
        return;
      }
      const { resolve } = await import('node:path');
      const { writeFileAtomic } = await import('../../util/node/atomic.ts');
      writeFileAtomic(resolve(io.cwd, flags.out), text);
      out.result({ written: flags.out }, () => `wrote ${flags.out}`);
    });
