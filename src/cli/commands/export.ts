import { type AddCommand, examples, wholeNumber } from '../command.ts';

interface Flags {
  format: string;
  seed?: number;
  arm: string;
  out?: string;
  json?: boolean;
}

/** `decant export`: other formats, or another seed, of a run's student. */
export const addExport: AddCommand = (program, io) =>
  program
    .command('export')
    .description('export a student of a finished run again from its checkpoint, checked against it')
    .argument('<run>', 'folder of the run')
    .option('-f, --format <list>', 'fp32, int8, int4 (language models), with commas', 'fp32,int8')
    .option('--seed <n>', 'which seed (the first of the run when absent)', wholeNumber)
    .option('--arm <name>', 'distilled, or alone: the same student without a teacher', 'distilled')
    .option('-o, --out <dir>', 'folder to write (exports/ in the run when absent)')
    .addHelpText(
      'after',
      examples(
        ['decant export runs/quickstart -f int8', 'the int8 file alone'],
        ['decant export runs/quickstart --seed 2 -o student-2', "the second seed's student"],
      ),
    )
    .action(async (run: string, flags: Flags) => {
      const { exportCommand } = await import('../export.ts');
      await exportCommand(run, flags, io);
    });
