import { timingSafeEqual } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve as listen } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import PQueue from 'p-queue';
import { z } from 'zod';
import { DecantError, isDecantError } from '../util/errors.ts';
import { classifierRoutes, texts } from './serve-classifier.ts';
import { languageRoutes } from './serve-language.ts';
import { createMetrics } from './serve-metrics.ts';
import { rerankRoutes } from './serve-rerank.ts';
import type { ServedModel } from './served-model.ts';

export interface ServeOptions {
  /** Default 127.0.0.1: this machine only. */
  host?: string;
  /** 0: any free port. Default 8080. */
  port?: number;
  /** Requests must carry it as a bearer token, when given. */
  key?: string;
  /** Largest request body, bytes; default 1 MiB. */
  maxBody?: number;
  /** Requests worked on at once; default 4. */
  concurrency?: number;
  /** Requests that may wait; more are refused with 503. Default 64. */
  queue?: number;
}

export interface RunningServer {
  readonly url: string;
  /** Takes no new requests, finishes those in progress, then stops. */
  close(): Promise<void>;
}

/** What handlers leave for the middleware: a promise of the end of a streamed answer. */
export interface ServeEnv {
  Variables: { streaming?: Promise<unknown> };
}

const embeddingsBody = z.object({
  input: texts,
  model: z.string().optional(),
  encoding_format: z.enum(['float', 'base64']).optional(),
  user: z.string().optional(),
});

/** The HTTP interface of a model, without a socket: what `serve` listens with, and what tests call. */
export function createApp(model: ServedModel, options: ServeOptions = {}): Hono<ServeEnv> {
  const app = new Hono<ServeEnv>();
  const metrics = createMetrics();
  const concurrency = options.concurrency ?? 4;
  const queue = new PQueue({ concurrency });
  const limit = options.queue ?? 64;
  app.use(async (c, next) => {
    const began = performance.now();
    await next();
    metrics.count(c.req.path, c.res.status, (performance.now() - began) / 1000);
  });
  app.get('/health', (c) => c.json({ status: 'ok', model: model.name, kind: model.kind }));
  app.get('/metrics', (c) => c.text(metrics.text(queue.size, queue.pending)));
  app.use(async (c, next) => {
    if (
      options.key !== undefined &&
      !sameText(c.req.header('authorization') ?? '', `Bearer ${options.key}`)
    ) {
      return failure(c, 401, 'invalid_api_key', 'the request carries no valid key');
    }
    return next();
  });
  app.use(
    bodyLimit({
      maxSize: options.maxBody ?? 1 << 20,
      onError: (c) =>
        failure(c, 413, 'body_too_large', `the body is larger than ${options.maxBody ?? 1 << 20} bytes`),
    }),
  );
  app.use(async (c, next) => {
    if (queue.pending >= concurrency && queue.size >= limit) {
      c.header('retry-after', '1');
      return failure(c, 503, 'overloaded', `${limit} requests are waiting already`);
    }
    const release = await new Promise<() => void>((got) => {
      void queue.add(() => new Promise<void>((done) => got(done)));
    });
    try {
      await next();
    } finally {
      // an answer that is streamed keeps its place until it has ended
      const streaming = c.get('streaming');
      if (streaming) void streaming.finally(release);
      else release();
    }
  });
  app.get('/v1/models', (c) =>
    c.json({ object: 'list', data: [{ id: model.name, object: 'model', created: 0, owned_by: 'decant' }] }),
  );
  if (model.predictor) classifierRoutes(app, model.name, model.predictor);
  const { embedder } = model;
  if (embedder) {
    app.post('/v1/embeddings', async (c) => {
      const body = await read(c, embeddingsBody);
      const list = typeof body.input === 'string' ? [body.input] : body.input;
      const { vectors, tokens } = await embedder.embed(list);
      return c.json({
        object: 'list',
        model: model.name,
        data: vectors.map((v, index) => ({
          object: 'embedding',
          index,
          embedding: body.encoding_format === 'base64' ? base64(v) : Array.from(v),
        })),
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      });
    });
  }
  if (model.ranker) rerankRoutes(app, model.name, model.ranker);
  if (model.language) languageRoutes(app, model.name, model.language);
  app.notFound((c) => failure(c, 404, 'not_found', `there is no ${c.req.method} ${c.req.path}`));
  app.onError((error, c) => {
    if (error instanceof z.ZodError) {
      const [issue] = error.issues;
      return failure(c, 400, 'invalid_request', `${issue.path.join('.') || 'body'}: ${issue.message}`);
    }
    if (isDecantError(error))
      return failure(
        c,
        error.code === 'internal' || error.code === 'engine' ? 500 : 400,
        error.code,
        error.message,
      );
    return failure(c, 500, 'internal', 'something went wrong inside the server');
  });
  return app;
}

/** Reads and checks a JSON body. */
export async function read<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  let json: unknown;
  try {
    json = await c.req.json();
  } catch (cause) {
    throw new DecantError('usage', 'the body is not JSON', { cause });
  }
  return schema.parse(json);
}

/** An error in the form that OpenAI clients understand. */
export const failure = (
  c: Context,
  status: 400 | 401 | 404 | 413 | 500 | 503,
  code: string,
  message: string,
): Response =>
  c.json(
    { error: { message, type: status >= 500 ? 'server_error' : 'invalid_request_error', code } },
    status,
  );

const base64 = (v: Float32Array): string =>
  Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString('base64');

function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

/** Serves a model over HTTP until closed. Errors: `usage` when the port is taken. */
export async function serveModel(model: ServedModel, options: ServeOptions = {}): Promise<RunningServer> {
  const app = createApp(model, options);
  const hostname = options.host ?? '127.0.0.1';
  const server = listen({ fetch: app.fetch, hostname, port: options.port ?? 8080 });
  await new Promise<void>((ready, failed) => {
    server.once('listening', () => ready());
    server.once('error', (cause: NodeJS.ErrnoException) =>
      failed(
        new DecantError('usage', `cannot listen: ${cause.code ?? cause.message}`, {
          at: `${hostname}:${options.port ?? 8080}`,
          fix: 'choose another --port or --host',
          cause,
        }),
      ),
    );
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${hostname}:${port}`,
    close: async () => {
      // connections that clients keep open would hold the server back
      const idle = setInterval(() => (server as Server).closeIdleConnections(), 50);
      await new Promise<void>((done) => server.close(() => done()));
      clearInterval(idle);
      await model.close();
    },
  };
}
