import { type AddCommand, collect, examples } from '../command.ts';
import type { Io } from '../io.ts';

interface RunFlags {
  set?: string[];
  out?: string;
  resume?: boolean;
  json?: boolean;
}

/** `decant run`: a recipe from data to a student folder. */
export const addRun: AddCommand = (program, io) =>
  program
    .command('run')
    .description('run a recipe: teacher, students, measurement, export, report')
    .argument('<recipe>', 'the recipe, a YAML file')
    .option('-s, --set <path=value>', 'set a key of the recipe, for example train.epochs=3', collect)
    .option('-o, --out <dir>', 'folder of the run (runs/NAME when absent)')
    .option('--resume', 'go on with the run in the folder')
    .addHelpText(
      'after',
      examples(
        ['decant run recipe.yaml', 'everything, into runs/NAME'],
        ['decant run recipe.yaml -o out -s seeds=[1,2,3]', 'three seeds, into out'],
        ['decant run recipe.yaml -o out --resume', 'go on after ctrl-C or a crash'],
      ),
    )
    .action(async (recipe: string, flags: RunFlags) => {
      const { runCommand } = await import('../run.ts');
      await runCommand(recipe, flags, io);
    });

/** `decant resume`: go on with a run folder. */
export const addResume: AddCommand = (program, io: Io) =>
  program
    .command('resume')
    .description('go on with an interrupted run, to the same bits')
    .argument('<dir>', 'folder of the run')
    .addHelpText('after', examples(['decant resume runs/quickstart', 'go on where it stopped']))
    .action(async (dir: string, flags: { json?: boolean }) => {
      const { resumeCommand } = await import('../run.ts');
      await resumeCommand(dir, flags, io);
    });
