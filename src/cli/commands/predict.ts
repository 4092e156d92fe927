import { type AddCommand, examples, wholeNumber } from '../command.ts';

interface Flags {
  file?: string;
  column?: string;
  dtype?: 'fp32' | 'q8';
  top?: number;
  json?: boolean;
}

/** `decant predict`: text or a file in, JSON lines out. */
export const addPredict: AddCommand = (program, io) =>
  program
    .command('predict')
    .description('ask an exported student: texts or a file in, JSON lines out')
    .argument('<folder>', 'model folder, or the folder of a run')
    .argument('[texts...]', 'texts to classify')
    .option('-f, --file <path>', 'a CSV, JSONL, Parquet or text file instead')
    .option('-c, --column <name>', 'the column that holds the text (found by name when absent)')
    .option('--dtype <dtype>', 'fp32 or q8: which ONNX file', 'fp32')
    .option('-k, --top <n>', 'classes to list for each input', wholeNumber, 1)
    .addHelpText(
      'after',
      examples(
        ['decant predict runs/quickstart "where is my parcel?"', 'one text'],
        ['decant predict runs/quickstart -f tickets.csv -c body -k 3', 'a file, three classes each'],
      ),
    )
    .action(async (folder: string, texts: string[], flags: Flags) => {
      const { predictCommand } = await import('../predict.ts');
      await predictCommand(folder, texts, flags, io);
    });
