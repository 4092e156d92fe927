import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { redactText } from '../../util/redact.ts';
import type { Endpoint } from './endpoint.ts';

/** Headers of an answer; null where there is none of the name. */
export interface ResponseHeaders {
  get(name: string): string | null;
}

/** What came of one attempt. */
export type Attempt =
  /** Headers and the whole body arrived. */
  | { kind: 'answer'; status: number; headers: ResponseHeaders; text: string }
  /** No connection: the server has seen nothing. */
  | { kind: 'unsent'; why: string }
  /** The request went out and its answer did not arrive whole: the server may have charged for it. */
  | { kind: 'lost'; why: string };

export interface PostOptions {
  /** Milliseconds until the whole answer must have arrived. */
  timeout: number;
  idempotencyKey?: string;
  /** Bytes of the longest body accepted; default 64 MiB. */
  maxBytes?: number;
}

export interface RequestOptions extends PostOptions {
  method: 'GET' | 'POST';
  headers?: Readonly<Record<string, string>>;
  body?: string | Buffer;
}

/** Connections are kept for the next request; idle ones are closed before most servers would (after 5 s). */
const agents = {
  'http:': new http.Agent({ keepAlive: true, timeout: 4000 }),
  'https:': new https.Agent({ keepAlive: true, timeout: 4000 }),
};

/** One POST of JSON, without retries. Never throws: failures of every kind are values. */
export const post = (
  endpoint: Endpoint,
  path: string,
  body: string,
  options: PostOptions,
): Promise<Attempt> =>
  request(endpoint, path, {
    ...options,
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
  });

/**
 * One request, without retries; never throws. Redirects are not followed, so that the key goes to one host only.
 * Written on node:http, where a request takes half the processor time that it takes with fetch.
 */
export function request(endpoint: Endpoint, path: string, options: RequestOptions): Promise<Attempt> {
  const { timeout, idempotencyKey, maxBytes = 64 << 20, body, method } = options;
  return new Promise((done) => {
    let connected = false;
    let failure: string | undefined;
    const fail = (error: Error): void => {
      clearTimeout(timer);
      const why = hideSecrets(failure ?? reasonOf(error), endpoint);
      done({ kind: connected ? 'lost' : 'unsent', why });
    };
    const url = new URL(`${endpoint.baseURL}/${path}`);
    const secure = url.protocol === 'https:';
    const req = (secure ? https : http).request(url, {
      method,
      agent: agents[secure ? 'https:' : 'http:'],
      headers: {
        accept: 'application/json',
        ...options.headers,
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        ...endpoint.headers(),
      },
    });
    const timer = setTimeout(() => {
      failure = `no whole answer within ${timeout / 1000} s`;
      req.destroy(new Error(failure));
    }, timeout);
    req.once('socket', (socket: Socket) => {
      if (!socket.connecting) connected = true;
      else
        socket.once(secure ? 'secureConnect' : 'connect', () => {
          connected = true;
        });
    });
    req.on('error', fail);
    req.once('response', (response: IncomingMessage) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes > maxBytes) {
          failure = `the answer is longer than ${maxBytes} bytes`;
          response.destroy(new Error(failure));
        } else parts.push(part);
      });
      response.once('error', fail);
      response.once('end', () => {
        clearTimeout(timer);
        if (!response.complete) return fail(new Error('the connection was cut'));
        const text = (parts.length === 1 ? parts[0] : Buffer.concat(parts)).toString('utf8');
        done({
          kind: 'answer',
          status: response.statusCode ?? 0,
          headers: headersOf(response),
          text: hideSecrets(text, endpoint),
        });
      });
    });
    req.end(body);
  });
}

const headersOf = (response: IncomingMessage): ResponseHeaders => ({
  get(name) {
    const value = response.headers[name.toLowerCase()];
    return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value;
  },
});

/** A body that repeats the key (some servers quote it in errors) loses it before anybody sees it. */
function hideSecrets(text: string, endpoint: Endpoint): string {
  for (const secret of endpoint.secrets())
    if (text.includes(secret)) text = text.replaceAll(secret, '[redacted]');
  return text;
}

/** What the commonest codes mean to whoever reads them. */
const MEANINGS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens at this address',
  ENOTFOUND: 'there is no host of this name',
  EAI_AGAIN: 'names of hosts are not found: is there a network?',
  ENETUNREACH: 'there is no way to this network',
  EHOSTUNREACH: 'there is no way to this host',
  ECONNRESET: 'the server cut the connection',
  EPROTO: 'the server speaks no TLS here: http instead of https?',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the server speaks no TLS here: http instead of https?',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is its own; NODE_EXTRA_CA_CERTS names one to trust',
  CERT_HAS_EXPIRED: 'the certificate has expired',
};
const explained = (code: string): string => (MEANINGS[code] ? `${MEANINGS[code]} (${code})` : code);

/** The code of an error, else its message, with those of its causes; they say nothing about the request. */
function reasonOf(error: unknown): string {
  const names: string[] = [];
  for (let e = error as Error & { code?: string; cause?: unknown }; e; e = e.cause as typeof e) {
    names.push(explained(e.code ?? e.message ?? e.name));
    if (names.length > 4) break;
  }
  return redactText(names.join(': '));
}
