import { type AddCommand, examples } from '../command.ts';
import { createOutput, textTable } from '../io.ts';

/** `decant compare`: runs side by side. */
export const addCompare: AddCommand = (program, io) =>
  program
    .command('compare')
    .description('show finished runs side by side')
    .argument('<runs...>', 'folders of runs')
    .addHelpText('after', examples(['decant compare runs/a runs/b', 'the distilled students of two runs']))
    .action(async (runs: string[], flags: { json?: boolean }) => {
      const { compareRuns } = await import('../compare.ts');
      const output = createOutput(io, flags);
      const { rows, header, table } = await compareRuns(runs, io.cwd);
      output.result(rows, () => textTable(header, table));
    });
