import { type AddCommand, examples } from '../command.ts';

interface Flags {
  column?: string;
  label?: string;
  dtype: string;
  json?: boolean;
}

/** `decant eval`: metrics of an exported folder. */
export const addEval: AddCommand = (program, io) =>
  program
    .command('eval')
    .description(
      'measure an exported classifier, language model or ranker on a data source, or on the test rows of its run',
    )
    .argument('<folder>', 'model folder, or the folder of a run')
    .argument('[data]', 'a file, dataset:NAME, builtin:NAME or hub:OWNER/NAME; #SPLIT names one split')
    .option('-c, --column <name>', 'the column that holds the text (found by name when absent)')
    .option(
      '-l, --label <name>',
      'the column that holds the class, or the response to a prompt (found by name when absent)',
    )
    .option('--dtype <dtype>', 'fp32, q8 or (language models) q4: which ONNX file', 'fp32')
    .addHelpText(
      'after',
      examples(
        ['decant eval runs/quickstart', 'on the test rows of the run'],
        [
          'decant eval runs/quickstart tickets.csv -c body -l queue --dtype q8',
          'the int8 file on other rows',
        ],
      ),
    )
    .action(async (folder: string, data: string | undefined, flags: Flags) => {
      const { evalCommand } = await import('../eval.ts');
      await evalCommand(folder, data, flags, io);
    });
