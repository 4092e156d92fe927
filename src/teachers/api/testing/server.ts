import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sha256 } from '../../../util/node/hash.ts';

/**
 * A small OpenAI-like server for tests, on the loopback interface only. Its answers are a function of the request:
 * the class is chosen by a hash of the text, with log-probabilities per character that make a proper distribution
 * over the classes. It counts how often it has answered each question, which is what the tests are about.
 */
export interface TestServer {
  readonly baseURL: string;
  /** Answers given, by the text asked about. */
  readonly answered: Map<string, number>;
  /** Requests that carried no valid key. */
  readonly refused: number;
  /** Tokens charged. */
  readonly tokens: number;
  readonly requests: number;
  close(): Promise<void>;
}

export interface TestServerOptions {
  key?: string;
  latency?: number;
  /** Repeats of an idempotency key get the first answer and are not charged. */
  honoursIdempotency?: boolean;
  logprobs?: boolean;
  schema?: boolean;
}

export interface ChatBody {
  model: string;
  messages: { role: string; content: string }[];
  logprobs?: boolean;
  top_logprobs?: number;
  response_format?: { json_schema?: { schema: { properties: Record<string, { enum: string[] }> } } };
}

/** The class that the server names for a text. */
export const trueClass = (text: string, classes: readonly string[]): string =>
  classes[Number.parseInt(sha256(text).slice(0, 8), 16) % classes.length];

export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const answered = new Map<string, number>();
  const remembered = new Map<string, string>();
  let refused = 0;
  let tokens = 0;
  let requests = 0;
  const server = createServer(async (req, res) => {
    requests++;
    const body = await readBody(req);
    if (options.latency) await new Promise((done) => setTimeout(done, options.latency));
    const given = req.headers.authorization ?? '';
    if (options.key !== undefined && given !== `Bearer ${options.key}`) {
      refused++;
      // as some servers do, it quotes what it was given
      return send(res, 401, {
        error: { message: `Incorrect API key provided: ${given}`, code: 'invalid_api_key' },
      });
    }
    const once = req.headers['idempotency-key'];
    if (options.honoursIdempotency && typeof once === 'string' && remembered.has(once))
      return sendText(res, 200, remembered.get(once)!);
    const json = JSON.parse(body) as ChatBody & { input?: string[] };
    if (req.url?.endsWith('/embeddings')) {
      const data = json.input!.map((t, index) => ({ index, embedding: embed(t) })).reverse();
      return send(res, 200, { object: 'list', data, usage: { prompt_tokens: json.input!.length } });
    }
    if (!req.url?.endsWith('/chat/completions'))
      return send(res, 404, { error: { message: 'no such path' } });
    if (options.schema === false && json.response_format)
      return send(res, 400, { error: { message: 'response_format is not supported' } });
    if ((options.logprobs === false && json.logprobs) || (json.top_logprobs ?? 0) > 5)
      return send(res, 400, { error: { message: 'top_logprobs must be at most 5' } });
    const text = json.messages.at(-1)!.content;
    answered.set(text, (answered.get(text) ?? 0) + 1);
    const reply = JSON.stringify(answer(json, text));
    tokens += (JSON.parse(reply) as { usage: { total_tokens: number } }).usage.total_tokens;
    if (typeof once === 'string') remembered.set(once, reply);
    return sendText(res, 200, reply);
  });
  const baseURL = await listen(server);
  return {
    baseURL,
    answered,
    get refused() {
      return refused;
    },
    get tokens() {
      return tokens;
    },
    get requests() {
      return requests;
    },
    close: () => stop(server),
  };
}

export function answer(json: ChatBody, text: string): unknown {
  const properties = json.response_format?.json_schema?.schema.properties;
  const [member, { enum: classes }] = Object.entries(properties ?? { '': { enum: ['red', 'blue'] } })[0];
  const label = trueClass(text, classes);
  const content = member ? JSON.stringify({ [member]: label }) : label;
  const spelled = classes.map((c) => (member ? JSON.stringify({ [member]: c }) : c));
  // the class named has twice the weight of all others together
  const weight = spelled.map((s) => (s === content ? 2 : 1 / (classes.length - 1)));
  const mass = (prefix: string): number =>
    spelled.reduce((sum, s, i) => (s.startsWith(prefix) ? sum + weight[i] : sum), 0);
  const prompt = json.messages.reduce((n, m) => n + Math.ceil(m.content.length / 4), 0);
  const top = (at: number) => {
    const prefix = content.slice(0, at);
    const next = [...new Set(spelled.filter((s) => s.startsWith(prefix)).map((s) => s[at]))];
    return next
      .map((token) => ({ token, logprob: Math.log(mass(prefix + token) / mass(prefix)) }))
      .sort((a, b) => b.logprob - a.logprob);
  };
  const logprobs = json.logprobs
    ? {
        content: [...content].map((token, i) => ({
          token,
          logprob: top(i).find((t) => t.token === token)!.logprob,
          top_logprobs: top(i).slice(0, json.top_logprobs ?? 0),
        })),
      }
    : null;
  return {
    id: 'chatcmpl-test',
    object: 'chat.completion',
    model: json.model,
    choices: [{ index: 0, message: { role: 'assistant', content }, logprobs, finish_reason: 'stop' }],
    usage: {
      prompt_tokens: prompt,
      completion_tokens: content.length,
      total_tokens: prompt + content.length,
    },
  };
}

const embed = (text: string): number[] =>
  [0, 8, 16].map((at) => Number.parseInt(sha256(text).slice(at, at + 8), 16) / 2 ** 32);

export async function readBody(req: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of req) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

const send = (res: ServerResponse, status: number, json: unknown): void =>
  sendText(res, status, JSON.stringify(json));

function sendText(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(text);
}

export async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

export const stop = (server: Server): Promise<void> =>
  new Promise((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });
