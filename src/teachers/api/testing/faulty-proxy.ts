import { createServer, type ServerResponse } from 'node:http';
import { createRng } from '../../../util/rng.ts';
import { listen, readBody, stop } from './server.ts';

export const faults = [
  '429-retry-after',
  '429-bare',
  '429-skewed-date',
  '500-before',
  '500-after',
  '503',
  'slow',
  'stalled',
  'cut',
  'truncated',
  'wrong-schema',
  'empty-choices',
  'missing-logprobs',
  'duplicated-chunk',
] as const;
export type Fault = (typeof faults)[number];

/** Faults that keep an answer, which the server has charged for, from the client: it has to ask again. */
export const losing: readonly Fault[] = ['500-after', 'stalled', 'cut', 'truncated', 'duplicated-chunk'];
/** Faults that make a whole answer unusable. */
export const spoiling: readonly Fault[] = ['wrong-schema', 'empty-choices'];

export interface FaultyProxy {
  readonly baseURL: string;
  /** Faults injected, by kind. */
  readonly injected: Map<Fault, number>;
  close(): Promise<void>;
}

/** Stands between client and server and injects a fault into a share of the requests, by a seeded choice. */
export async function startProxy(
  upstream: string,
  options: { rate: number; seed: number; only?: readonly Fault[] },
): Promise<FaultyProxy> {
  const rng = createRng(options.seed);
  const kinds = options.only ?? faults;
  const injected = new Map<Fault, number>();
  const server = createServer(async (req, res) => {
    res.on('error', () => undefined);
    const body = await readBody(req);
    const fault = rng.uniform() < options.rate ? rng.pick(kinds) : undefined;
    if (fault) injected.set(fault, (injected.get(fault) ?? 0) + 1);
    const refused = JSON.stringify({ error: { message: 'not now', code: 'rate_limit_exceeded' } });
    const skew = new Date(Date.now() - 5 * 3_600_000).toUTCString();
    if (fault === '429-retry-after') return end(res, 429, refused, { 'retry-after': '0.01' });
    if (fault === '429-bare') return end(res, 429, refused);
    if (fault === '429-skewed-date') {
      // five hours behind: compared with the client's clock the wait is over, or (ahead) would last for hours
      const ahead = new Date(Date.now() + 5 * 3_600_000).toUTCString();
      const date = rng.uniform() < 0.5 ? skew : ahead;
      return end(res, 429, refused, { date, 'retry-after': date });
    }
    if (fault === '500-before') return end(res, 500, 'oops');
    if (fault === '503') return end(res, 503, refused);
    const { authorization = '', 'idempotency-key': once } = req.headers;
    const reply = await fetch(`${upstream}${req.url!.replace(/^\/v1/, '')}`, {
      method: 'POST',
      body,
      headers: { authorization, ...(typeof once === 'string' ? { 'idempotency-key': once } : {}) },
    });
    const text = await reply.text();
    const half = Math.floor(text.length / 2);
    switch (fault) {
      case '500-after':
        return end(res, 500, 'oops');
      case 'slow':
        res.writeHead(200);
        res.write(text.slice(0, half));
        setTimeout(() => res.end(text.slice(half)), 20);
        return;
      case 'stalled':
        res.writeHead(200);
        res.write(text.slice(0, half));
        return;
      case 'cut':
        res.writeHead(200, { 'content-length': Buffer.byteLength(text) });
        res.write(text.slice(0, half), () => res.destroy());
        return;
      case 'truncated':
        return end(res, 200, text.slice(0, half));
      case 'duplicated-chunk':
        res.writeHead(200);
        res.write(text.slice(0, half));
        res.write(text.slice(0, half));
        return void res.end(text.slice(half));
      case 'wrong-schema':
      case 'empty-choices':
      case 'missing-logprobs':
        return end(res, reply.status, spoil(text, fault));
      default:
        return end(res, reply.status, text);
    }
  });
  return { baseURL: await listen(server), injected, close: () => stop(server) };
}

function spoil(text: string, fault: 'wrong-schema' | 'empty-choices' | 'missing-logprobs'): string {
  const json = JSON.parse(text) as { choices: { message: { content: string }; logprobs: unknown }[] };
  if (fault === 'empty-choices') json.choices = [];
  else if (fault === 'missing-logprobs') json.choices[0].logprobs = null;
  else json.choices[0].message.content = '{"verdict": 7}';
  return JSON.stringify(json);
}

function end(res: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  res.writeHead(status, headers);
  res.end(text);
}
