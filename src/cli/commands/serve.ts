import { type AddCommand, examples, wholeNumber } from '../command.ts';

export interface ServeFlags {
  host: string;
  port: number;
  keyEnv?: string;
  dtype: string;
  concurrency: number;
  maxBody: number;
  plainChat?: boolean;
  json?: boolean;
}

/** `decant serve`: a student over HTTP. */
export const addServe: AddCommand = (program, io) =>
  program
    .command('serve')
    .description(
      'serve a student over HTTP: classify, embeddings, rerank, and OpenAI-compatible chat and completions',
    )
    .argument('<folder>', 'model folder, or the folder of a run')
    .option('--host <host>', 'address to listen on; only this machine by default', '127.0.0.1')
    .option('-p, --port <port>', 'port, 0 for any free one', wholeNumber, 8080)
    .option('--key-env <name>', 'environment variable with the key that requests must carry')
    .option('--dtype <dtype>', 'fp32 or q8: which ONNX file', 'fp32')
    .option('--concurrency <n>', 'requests worked on at once', wholeNumber, 4)
    .option(
      '--plain-chat',
      'chat with a language model without a template: the last user message is its prompt',
    )
    .option('--max-body <bytes>', 'largest request body', wholeNumber, 1 << 20)
    .addHelpText(
      'after',
      examples(
        ['decant serve runs/quickstart', 'POST /classify {"input": "where is my parcel?"}'],
        ['decant serve runs/my-lm --key-env SERVE_KEY', 'POST /v1/completions, with a key'],
      ),
    )
    .action(async (folder: string, flags: ServeFlags) => {
      const { serveCommand } = await import('../serve.ts');
      await serveCommand(folder, flags, io);
    });
