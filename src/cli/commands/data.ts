import { type AddCommand, collect, examples } from '../command.ts';
import type { InspectFlags } from '../inspect.ts';
import { createOutput } from '../io.ts';

/** `decant data`: what is in a data source, and what is wrong with it. */
export const addData: AddCommand = (program, io) =>
  program
    .command('data')
    .description(
      'read a data source or the data of a recipe: counts, problems with line numbers, classes, lengths',
    )
    .argument('<source>', 'a file or folder, dataset:NAME, builtin:NAME, hub:OWNER/NAME, or a recipe.yaml')
    .option('-t, --task <task>', 'what the rows are for; guessed from the columns when absent')
    .option(
      '-s, --set <path=value>',
      'set a key of the recipe, for example data.columns.text=question',
      collect,
    )
    .option('-p, --problems <file>', 'write every problem to this file, one JSON object a line')
    .addHelpText(
      'after',
      examples(
        ['decant data tickets.csv', 'what is in a table'],
        ['decant data tickets.csv --set data.columns.label=queue', 'with a column named'],
        ['decant data dataset:banking77', 'a public set below DECANT_DATA'],
        ['decant data recipe.yaml -p problems.jsonl', 'the data of a recipe, all problems to a file'],
      ),
    )
    .action(async (source: string, flags: InspectFlags & { json?: boolean }) => {
      const { inspectData } = await import('../inspect.ts');
      const { showData } = await import('../show-data.ts');
      const out = createOutput(io, flags);
      const { report } = await inspectData(source, flags, io);
      out.result(report, () => showData(report, out.colour));
    });
