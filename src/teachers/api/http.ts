import { redactText } from '../../util/redact.ts';
import type { Endpoint } from './endpoint.ts';

/** What came of one attempt. */
export type Attempt =
  /** Headers and the whole body arrived. */
  | { kind: 'answer'; status: number; headers: Headers; text: string }
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

const UNSENT =
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|CERT|ERR_TLS/;

/**
 * One POST of JSON, without retries. Never throws: failures of every kind are values. Redirects are not followed, so
 * that the key goes to one host only.
 */
export async function post(
  endpoint: Endpoint,
  path: string,
  body: string,
  { timeout, idempotencyKey, maxBytes = 64 << 20 }: PostOptions,
): Promise<Attempt> {
  try {
    const response = await fetch(`${endpoint.baseURL}/${path}`, {
      method: 'POST',
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeout),
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        ...endpoint.headers(),
      },
    });
    const text = await readText(response, maxBytes);
    if (text === undefined) return { kind: 'lost', why: `the answer is longer than ${maxBytes} bytes` };
    return {
      kind: 'answer',
      status: response.status,
      headers: response.headers,
      text: hideSecrets(text, endpoint),
    };
  } catch (error) {
    const why = hideSecrets(reasonOf(error, timeout), endpoint);
    return { kind: UNSENT.test(why) ? 'unsent' : 'lost', why };
  }
}

async function readText(response: Response, maxBytes: number): Promise<string | undefined> {
  if (!response.body) return '';
  const reader = response.body.getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    bytes += next.value.length;
    if (bytes > maxBytes) {
      await reader.cancel();
      return undefined;
    }
    parts.push(next.value);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** A body that repeats the key (some servers quote it in errors) loses it before anybody sees it. */
function hideSecrets(text: string, endpoint: Endpoint): string {
  for (const secret of endpoint.secrets())
    if (text.includes(secret)) text = text.replaceAll(secret, '[redacted]');
  return text;
}

/** The names and codes of an error and its causes; messages of fetch say nothing about the request. */
function reasonOf(error: unknown, timeout: number): string {
  const names: string[] = [];
  for (let e = error as Error & { code?: string; cause?: unknown }; e; e = e.cause as typeof e) {
    if (e.name === 'TimeoutError') return `no whole answer within ${timeout / 1000} s`;
    names.push(e.code ?? e.message ?? e.name);
    if (names.length > 4) break;
  }
  return redactText(names.join(': '));
}
