import { type AddCommand, collect, examples, wholeNumber } from '../command.ts';

export interface LabelFlags {
  teacher: string;
  provider?: string;
  baseUrl?: string;
  keyEnv?: string;
  classes?: string;
  prompt?: string;
  out?: string;
  set?: string[];
  limit?: number;
  concurrency: number;
  topLogprobs?: number;
  schema?: string;
  budgetTokens?: number;
  budgetMoney?: string;
  prices?: string;
  probabilities?: boolean;
  estimate?: boolean;
  writeBatch?: string;
  readBatch?: string;
  batch?: boolean;
  json?: boolean;
}

/** `decant label`: fill the store of a teacher behind an API. */
export const addLabel: AddCommand = (program, io) =>
  program
    .command('label')
    .description('have a model behind an API classify texts; every answer is kept and nothing is asked twice')
    .argument('<data>', 'a file or folder, dataset:NAME or hub:OWNER/NAME; #split names a split')
    .requiredOption('--teacher <model>', 'name of the model at the provider')
    .option('--provider <name>', 'openai, openrouter, groq, together, mistral, deepseek, ollama, vllm, ...')
    .option('--base-url <url>', 'address of an OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1')
    .option('--key-env <name>', 'environment variable that holds the key')
    .option('--classes <names>', 'the classes, separated by commas, or @FILE with one per line')
    .option('--prompt <text>', 'instruction; {text} and {classes} are replaced')
    .option(
      '-s, --set <path=value>',
      'set a key of the data, for example data.columns.text=question',
      collect,
    )
    .option('--limit <n>', 'only the first n rows', wholeNumber)
    .option('--concurrency <n>', 'requests in flight at most', wholeNumber, 8)
    .option('--top-logprobs <n>', 'log-probabilities asked for per token; 0: labels only', wholeNumber)
    .option('--schema <mode>', 'json_schema, json_object or none: declare it instead of probing the endpoint')
    .option('--budget-tokens <n>', 'stop before more tokens than this are used', wholeNumber)
    .option('--budget-money <x>', 'stop before more money than this is spent; needs --prices')
    .option('--prices <file>', 'price table, YAML or JSON')
    .option('--probabilities', 'write the probabilities of all classes')
    .option('--estimate', 'say what it would take, ask for nothing')
    .option('--batch', "ask through the provider's batch endpoint: cheaper, answered within a day")
    .option(
      '--write-batch <file>',
      "write what is still to be asked as the input file of OpenAI's batch endpoint",
    )
    .option('--read-batch <file>', "take the answers of the batch's output file first")
    .option('-o, --out <dir>', 'folder of the answers (labels/MODEL when absent)')
    .addHelpText(
      'after',
      examples(
        [
          'decant label texts.txt --teacher gpt-4o-mini --provider openai --key-env OPENAI_API_KEY --classes refund,card',
          '',
        ],
        ['decant label texts.csv --teacher llama3.2 --provider ollama --classes @classes.txt --estimate', ''],
      ),
    )
    .action(async (source: string, flags: LabelFlags) => {
      const { labelCommand } = await import('../label.ts');
      await labelCommand(source, flags, io);
    });
