import { tasks } from '../../data/roles.ts';
import { type AddCommand, examples } from '../command.ts';
import { createOutput } from '../io.ts';

interface Flags {
  task?: string;
  data?: string;
  teacher?: string;
  force?: boolean;
  json?: boolean;
}

/** `decant init`: a commented recipe after three questions. */
export const addInit: AddCommand = (program, io) =>
  program
    .command('init')
    .description('write a commented recipe, after three questions (or three flags)')
    .argument('[file]', 'the recipe to write', 'recipe.yaml')
    .option('-t, --task <task>', `what the student is to do: ${tasks.join(', ')}`)
    .option('-d, --data <source>', 'a file or folder, dataset:NAME, builtin:NAME or hub:OWNER/NAME')
    .option('-T, --teacher <teacher>', 'trained, none, folder:PATH, onnx:FILE, hub:OWNER/NAME or api:MODEL')
    .option('-f, --force', 'replace the file when it exists')
    .addHelpText(
      'after',
      examples(
        ['decant init', 'asks on the terminal'],
        ['decant init -t classify -d tickets.csv -T trained', 'asks nothing'],
        ['decant init mine.yaml -t generate -d rows.jsonl -T api:gpt-x', 'a teacher behind an API'],
      ),
    )
    .action(async (file: string, flags: Flags) => {
      const { writeInit } = await import('../init.ts');
      const out = createOutput(io, flags);
      const written = await writeInit(file, flags, io);
      if (!written.found) out.note(`note: there is nothing at ${written.data} yet`);
      out.result(written, () =>
        [
          `wrote ${written.file}`,
          `next: decant plan ${written.file}`,
          'for completion in editors: decant schema -o recipe.schema.json',
        ].join('\n'),
      );
    });
