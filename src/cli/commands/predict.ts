import { type AddCommand, collect, examples, number, wholeNumber } from '../command.ts';

interface Flags {
  file?: string;
  column?: string;
  dtype?: string;
  top?: number;
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  seed?: number;
  stop?: string[];
  json?: boolean;
}

/** `decant predict`: text or a file in, JSON lines out. */
export const addPredict: AddCommand = (program, io) =>
  program
    .command('predict')
    .description('ask an exported student: texts or a file in, JSON lines out')
    .argument('<folder>', 'model folder, or the folder of a run')
    .argument('[texts...]', 'texts to classify, to continue, or to embed; of a ranker a query and documents')
    .option('-f, --file <path>', 'a CSV, JSONL, Parquet or text file instead')
    .option('-c, --column <name>', 'the column that holds the text (found by name when absent)')
    .option('--dtype <dtype>', 'fp32, q8 or (language models) q4: which ONNX file', 'fp32')
    .option('-k, --top <n>', 'classes to list for each input', wholeNumber, 1)
    .option(
      '-n, --max-tokens <n>',
      'longest answer of a language model (64, or half its context)',
      wholeNumber,
    )
    .option('-t, --temperature <t>', 'of a language model; 0: the likeliest token', number)
    .option('--top-p <p>', 'nucleus of sampling', number)
    .option('--seed <n>', 'seed of sampling', wholeNumber)
    .option('--stop <text>', 'a text that ends an answer; may be given several times', collect)
    .addHelpText(
      'after',
      examples(
        ['decant predict runs/quickstart "where is my parcel?"', 'one text'],
        ['decant predict runs/quickstart -f tickets.csv -c body -k 3', 'a file, three classes each'],
        ['decant predict runs/reranker "lost card" "block it" "opening hours"', 'documents by relevance'],
        ['decant predict runs/names-lm "Ann" -n 8 -t 0.8 --seed 3', 'a language model goes on'],
      ),
    )
    .action(async (folder: string, texts: string[], flags: Flags) => {
      const { predictCommand } = await import('../predict.ts');
      await predictCommand(folder, texts, flags, io);
    });
