import { setTimeout as sleep } from 'node:timers/promises';
import { DecantError } from '../../util/errors.ts';
import { redactText } from '../../util/redact.ts';
import { type SignalStore, signalKey, sourceId } from '../store/index.ts';
import { keyToHex } from '../store/key.ts';
import { isUnusable, type Question, usageOf } from './dialect.ts';
import type { Endpoint } from './endpoint.ts';
import { type Attempt, post } from './http.ts';
import type { Ledger, LedgerTotals } from './ledger.ts';
import { createPace, type Pace } from './pace.ts';
import type { StoredMeta } from './stored-answer.ts';
import { backoff, quotaPause, retryAfter } from './wait.ts';
import { type Quirk, quirkOf, withQuirks } from './wire.ts';

export interface ClientOptions {
  endpoint: Endpoint;
  model: string;
  /** Every whole answer is put here before it is used. */
  store: SignalStore;
  ledger: Ledger;
  /** Requests in flight at most; default 8. */
  concurrency?: number;
  /** Seconds until an answer must have arrived; default 120. */
  timeout?: number;
  /** Further attempts after a failed one; default 6. */
  retries?: number;
  /** Further questions after a whole answer that cannot be used; default 2. */
  repairs?: number;
  /** Seconds before the first repeat (doubling, with jitter), and the longest wait; default 0.5 and 60. */
  backoff?: { first: number; longest: number };
}

export type Answer<T> =
  /** `key`: what it is stored under, see {@link storedTokens}. */
  | { ok: true; value: T; raw: string; key: string; fromStore: boolean }
  /**
   * No usable answer. `refused`: the server refuses this question, or its answers do not fit, and asking again will not
   * help; otherwise every attempt failed on the way.
   */
  | { ok: false; problem: string; refused: boolean };

export interface ApiClient {
  readonly model: string;
  readonly pace: Pace;
  /**
   * The answer from the store, else from the endpoint. Errors: `budget` before a request that would exceed it;
   * `teacher` when no further request can succeed (key refused, unknown model, endpoint gone).
   */
  ask<T>(question: Question<T>): Promise<Answer<T>>;
  /** Hexadecimal key of a question: what its answer is stored under. */
  key(question: Question<unknown>): string;
  has(question: Question<unknown>): boolean;
  /** Stores an answer that was obtained elsewhere (a batch file). */
  put(question: Question<unknown>, raw: string): Promise<void>;
  totals(): LedgerTotals;
}

/** Refusals for load: nothing was done, ask less. 529 is Anthropic's. */
const OVERLOADED = new Set([429, 503, 529]);

/** Questions in a row that may stay without an answer before the endpoint counts as gone. */
const GIVE_UP = 5;
/** Questions in a row whose answers may be unusable, each after its repairs, before more of them would be money for nothing. */
const MISUNDERSTOOD = 20;

/**
 * Client of an OpenAI-compatible endpoint that asks nothing twice: questions are hashed, whole answers are journalled
 * in the signal store before they are used, equal questions in flight are asked once, and each attempt stands in the
 * ledger. One idempotency key per question, the same for all its attempts in this and in later processes.
 */
export function createApiClient(options: ClientOptions): ApiClient {
  const { endpoint, model, store, ledger } = options;
  const timeout = 1000 * (options.timeout ?? 120);
  const retries = options.retries ?? 6;
  const repairs = options.repairs ?? 2;
  const { first, longest } = options.backoff ?? { first: 0.5, longest: 60 };
  const pace = createPace(options.concurrency ?? 8);
  const source = sourceId({ teacher: `${endpoint.baseURL} ${model}`, signal: 'reply' });
  const flying = new Map<string, Promise<Whole>>();
  let fatal: DecantError | undefined;
  let unanswered = 0;
  let unusable = 0;

  /** What a question is stored under; asked anew after an unusable answer, it is another question. */
  const keyOf = (q: Question<unknown>, repair = 0): Uint8Array =>
    signalKey(source, { path: q.path, body: q.body, ...(repair > 0 ? { repair } : {}) });

  const stored = (key: Uint8Array): string | undefined => {
    const signal = store.getKey(key);
    return signal?.form === 'text' ? signal.text : undefined;
  };

  const { dialect } = endpoint;
  const metaOf = (path: string): StoredMeta => ({
    path,
    at: new Date().toISOString(),
    ...(dialect.name === 'openai' ? {} : { dialect: dialect.name }),
  });
  const quirks = new Set<Quirk>();
  const asOpenAI = (path: string, text: string): unknown => {
    const json = parse(text);
    try {
      return json === undefined ? undefined : dialect.answer(path, json);
    } catch {
      return json; // of a shape that the dialect does not know: read as it is, it will not fit
    }
  };

  const stop = (what: string, details: { at?: string; seen?: unknown; fix?: string }): DecantError => {
    fatal = new DecantError('teacher', what, details);
    return fatal;
  };

  /** Attempts until a whole answer is journalled, or `problem`: why there is none. */
  async function obtain(
    q: Question<unknown>,
    key: Uint8Array,
    hex: string,
  ): Promise<Whole | { problem: string; refused: boolean }> {
    let why = '';
    for (let attempt = 0; attempt <= retries; attempt++) {
      const wire = dialect.request(q.path, withQuirks(q.body, quirks));
      if ('cannot' in wire) return { problem: wire.cannot, refused: true };
      const body = JSON.stringify(wire.body);
      const tried = await pace.run(async () => {
        if (fatal) throw fatal;
        const id = ledger.ask(hex, model, q.estimate);
        const begun = performance.now();
        const reply = await post(endpoint, wire.path, body, { timeout, idempotencyKey: hex });
        return { id, begun, reply, whole: settle(id, q.path, reply) };
      }, attempt);
      const { reply, begun, whole } = tried;
      if (whole) {
        unanswered = 0;
        pace.faster();
        if (reply.kind === 'answer') pace.hold(Math.min(quotaPause(reply.headers) ?? 0, 1000 * longest));
        await store.putKey(source, key, {
          form: 'text',
          text: whole.text,
          meta: metaOf(q.path),
        });
        return whole;
      }
      why = reply.kind === 'answer' ? `status ${reply.status}: ${excerpt(reply.text)}` : reply.why;
      if (reply.kind === 'answer') {
        const { status } = reply;
        const code = errorCode(reply.text);
        if (status === 401 || status === 403 || (status >= 300 && status < 400))
          throw stop('the endpoint refuses every request', {
            at: `${endpoint.baseURL}/${q.path}`,
            seen: why,
            fix: 'check teacher.keyEnv and teacher.baseURL',
          });
        if (code === 'insufficient_quota')
          throw stop('the account has no credit left', { at: endpoint.baseURL, seen: why });
        if (status >= 400 && status < 500 && ![408, 409, 425, 429].includes(status)) {
          if (status === 404 && ++unanswered >= GIVE_UP)
            throw stop('the endpoint knows neither this path nor this model', {
              at: `${endpoint.baseURL}/${q.path}`,
              seen: why,
              fix: 'check teacher.baseURL and teacher.model',
            });
          const quirk = quirkOf(reply.text, q.body);
          if (quirk !== undefined && (status === 400 || status === 422)) {
            // asked again, once per quirk, unless this very body was without it
            const fresh = !quirks.has(quirk);
            quirks.add(quirk);
            if (fresh || JSON.stringify(withQuirks(q.body, quirks)) !== body) {
              attempt--;
              continue;
            }
          }
          return { problem: why, refused: true };
        }
        if (OVERLOADED.has(status)) {
          pace.slower(begun);
          const asked = retryAfter(reply.headers) ?? quotaPause(reply.headers);
          if (asked !== undefined) {
            if (asked > 10 * 60_000)
              throw stop('the server asks to wait for more than ten minutes', {
                at: endpoint.baseURL,
                seen: `${Math.round(asked / 1000)} s`,
                fix: 'run the command again later: it goes on where it stopped',
              });
            pace.hold(asked);
            await sleep(asked * (1 + 0.1 * Math.random()));
            continue;
          }
        }
      }
      if (attempt < retries) await sleep(backoff(attempt, 1000 * first, 1000 * longest));
    }
    if (++unanswered >= GIVE_UP)
      throw stop('the endpoint does not answer', {
        at: endpoint.baseURL,
        seen: why,
        fix: 'check teacher.baseURL and that the server runs; the same command later goes on where it stopped',
      });
    return { problem: `no answer after ${retries + 1} attempts; the last: ${why}`, refused: false };
  }

  /** Books what came of an attempt; the text of an answer that arrived whole. */
  function settle(id: number, path: string, reply: Attempt): Whole | undefined {
    if (reply.kind === 'unsent') ledger.free(id, reply.why);
    else if (reply.kind === 'lost') ledger.lost(id, reply.why);
    else if (reply.status === 200) {
      const json = asOpenAI(path, reply.text);
      if (json !== undefined) {
        ledger.paid(id, usageOf(json));
        return { text: reply.text, json };
      }
      ledger.lost(id, 'the body is not whole JSON');
    } else if (reply.status >= 500 && reply.status !== 501 && !OVERLOADED.has(reply.status))
      // a gateway may say this after the model has answered
      ledger.lost(id, `status ${reply.status}`);
    else ledger.free(id, `status ${reply.status}`);
    return undefined;
  }

  /** Bodies and causes as they may be shown: short, without keys. */
  const excerpt = (text: string): string =>
    redactText(text.replace(/\s+/g, ' ').slice(0, 200), endpoint.secrets());

  return {
    model,
    pace,
    async ask<T>(q: Question<T>): Promise<Answer<T>> {
      let [problem, last] = ['', ''];
      for (let repair = 0; repair <= repairs; repair++) {
        const key = keyOf(q, repair);
        const hex = keyToHex(key);
        const kept = stored(key);
        let whole: Whole | undefined =
          kept === undefined ? undefined : { text: kept, json: asOpenAI(q.path, kept) };
        const fromStore = whole !== undefined;
        if (whole === undefined) {
          const known = flying.get(hex);
          const got = known ?? obtain(q, key, hex).then(orThrow);
          if (!known) {
            flying.set(hex, got);
            got.finally(() => flying.delete(hex)).catch(() => undefined);
          }
          try {
            whole = await got;
          } catch (error) {
            if (error instanceof NoAnswer)
              return { ok: false, problem: error.message, refused: error.refused };
            throw error;
          }
        }
        const value = q.read(whole.json);
        if (!isUnusable(value)) {
          unusable = 0;
          return { ok: true, value, raw: whole.text, key: hex, fromStore };
        }
        problem = value.unusable;
        last = writtenIn(whole);
      }
      if (++unusable >= MISUNDERSTOOD)
        throw stop(`no answer to ${unusable} questions in a row can be used: ${problem}`, {
          at: `${endpoint.baseURL}/${q.path}`,
          seen: excerpt(last),
          fix: 'tell the teacher more clearly what to answer (teacher.prompt), or take another model',
        });
      return {
        ok: false,
        problem: `unusable answers, ${repairs + 1} times; the last: ${problem}`,
        refused: true,
      };
    },
    key: (q) => keyToHex(keyOf(q)),
    has: (q) => store.hasKey(keyOf(q)),
    put: (q, raw) =>
      store.putKey(source, keyOf(q), {
        form: 'text',
        text: endpoint.secrets().reduce((t, key) => t.replaceAll(key, '[redacted]'), raw),
        meta: { ...metaOf(q.path), imported: true },
      }),
    totals: () => ledger.totals(),
  };
}

/** A body that arrived whole, and what it says. */
interface Whole {
  text: string;
  json: unknown;
}

/** Carries "no answer" through the promise that equal questions share. */
class NoAnswer extends Error {
  readonly refused: boolean;
  constructor(problem: string, refused: boolean) {
    super(problem);
    this.refused = refused;
  }
}

/** The text of an answer, for a message; the body where there is none. */
function writtenIn({ text, json }: Whole): string {
  const [choice] =
    (json as { choices?: { message?: { content?: unknown }; text?: unknown }[] }).choices ?? [];
  const written = choice?.message?.content ?? choice?.text;
  return typeof written === 'string' ? written : text;
}

const orThrow = (got: Whole | { problem: string; refused: boolean }): Whole => {
  if ('text' in got) return got;
  throw new NoAnswer(got.problem, got.refused);
};

function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

const errorCode = (text: string): string | undefined =>
  (parse(text) as { error?: { code?: string } } | undefined)?.error?.code ?? undefined;
