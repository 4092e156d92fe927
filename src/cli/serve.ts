import { resolve } from 'node:path';
import { listenForInterrupt } from '../run/interrupt.ts';
import { serveModel } from '../run/serve.ts';
import { openServedModel, type ServedModel } from '../run/served-model.ts';
import { DecantError } from '../util/errors.ts';
import type { ServeFlags } from './commands/serve.ts';
import { createOutput, type Io } from './io.ts';
import { dtypeOf, modelFolderOf } from './model-folder.ts';

/** `decant serve`: until ctrl-C. */
export async function serveCommand(folder: string, flags: ServeFlags, io: Io): Promise<void> {
  const output = createOutput(io, flags);
  const dtype = dtypeOf(flags.dtype);
  const key = flags.keyEnv === undefined ? undefined : io.env[flags.keyEnv];
  if (flags.keyEnv !== undefined && !key)
    throw new DecantError('usage', 'the environment variable of --key-env is not set', {
      at: '--key-env',
      seen: flags.keyEnv,
    });
  const model = await openServedModel(modelFolderOf(resolve(io.cwd, folder)), {
    dtype,
    plainChat: flags.plainChat,
  });
  const server = await serveModel(model, {
    host: flags.host,
    port: flags.port,
    key,
    concurrency: flags.concurrency,
    maxBody: flags.maxBody,
  });
  if (flags.host !== '127.0.0.1' && flags.host !== 'localhost' && key === undefined)
    output.note(
      'warning: other machines can reach this server and it asks for no key; set one with --key-env',
    );
  const routes = routesOf(model);
  output.result(
    { url: server.url, model: model.name, kind: model.kind, routes },
    () =>
      `${model.name} (${model.kind}) on ${server.url}\n${[...routes, 'GET /v1/models', 'GET /health', 'GET /metrics'].join(', ')}\nctrl-C stops it`,
  );
  const interrupt = listenForInterrupt({
    say: (m) => io.stderr.write(`${m}\n`),
    finishing: 'Finishing the requests in progress',
  });
  await new Promise<void>((done) => interrupt.signal.addEventListener('abort', () => done(), { once: true }));
  await server.close();
  interrupt.dispose();
}

const routesOf = ({ predictor, embedder, ranker, language }: ServedModel): string[] => [
  ...(predictor ? ['POST /classify'] : []),
  ...(embedder ? ['POST /v1/embeddings'] : []),
  ...(ranker ? ['POST /v1/rerank'] : []),
  ...(language ? ['POST /v1/completions'] : []),
  ...(predictor?.kind === 'text' || language?.chat ? ['POST /v1/chat/completions'] : []),
];
