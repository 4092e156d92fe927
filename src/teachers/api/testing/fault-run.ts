import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Example } from '../../../data/types.ts';
import { readJsonl } from '../../../util/node/jsonl.ts';
import { openSignalStore } from '../../store/index.ts';
import { apiClassifier, type Labelled } from '../classify.ts';
import { type ClientOptions, createApiClient } from '../client.ts';
import { endpointOf } from '../endpoint.ts';
import { type LedgerLine, type LedgerOptions, type LedgerTotals, openLedger } from '../ledger.ts';
import { mapOrdered } from '../ordered.ts';
import { losing, spoiling, startProxy } from './faulty-proxy.ts';
import { startServer, trueClass } from './server.ts';

export const KEY = 'sk-planted-0123456789abcdefghij';
export const classes = ['refund', 'card_arrival', 'card_lost', 'exchange rate', 'top up'];

export const textsOf = (n: number): Example[] =>
  Array.from({ length: n }, (_, i) => ({ file: 'generated', line: i + 1, text: `message number ${i}` }));

/** One labelling session over a folder: client, store and ledger as a process would open them. */
export async function session(
  folder: string,
  baseURL: string,
  options: Partial<ClientOptions> & {
    ledgerOptions?: LedgerOptions;
    env?: Readonly<Record<string, string | undefined>>;
  } = {},
) {
  const store = openSignalStore(join(folder, 'signals'), { write: true });
  const ledger = openLedger(join(folder, 'ledger.jsonl'), options.ledgerOptions);
  const client = createApiClient({
    endpoint: endpointOf({ baseURL, keyEnv: 'TEST_KEY' }, options.env ?? { TEST_KEY: KEY }),
    model: 'tiny',
    store,
    ledger,
    concurrency: 16,
    timeout: 2,
    retries: 12,
    repairs: 8,
    backoff: { first: 0.002, longest: 0.05 },
    ...options,
  });
  const close = async (): Promise<void> => {
    ledger.close();
    await store.close();
  };
  return { client, ledger, store, close };
}

export interface FaultReport {
  labels: (string | undefined)[];
  wanted: string[];
  /** Answers of the server beyond one per text. */
  repeats: number;
  injected: Record<string, number>;
  losses: number;
  spoilt: number;
  /** Answers that took too long although no fault was injected: a busy machine. */
  late: number;
  totals: LedgerTotals;
  lines: LedgerLine[];
  /** Requests that reached the server when everything was asked for again, in a new session. */
  askedAgain: number;
  seconds: number;
  /** Every file below the folder, as text. */
  files: string;
}

/** Labels `n` texts through a proxy with faults, then labels them again from the store alone. */
export async function faultRun(options: {
  n: number;
  rate: number;
  seed: number;
  honoursIdempotency?: boolean;
  concurrency?: number;
}): Promise<FaultReport> {
  const folder = mkdtempSync(join(tmpdir(), 'decant-api-'));
  const server = await startServer({ key: KEY, honoursIdempotency: options.honoursIdempotency });
  const proxy = await startProxy(server.baseURL, options);
  const examples = textsOf(options.n);
  const capabilities = { chat: true, completions: false, topk: 5, schema: 'json_schema' } as const;
  const label = async (): Promise<Labelled[]> => {
    const run = await session(folder, proxy.baseURL, { concurrency: options.concurrency ?? 16 });
    const classifier = apiClassifier(run.client, capabilities, { classes });
    const out: Labelled[] = [];
    for await (const one of mapOrdered(examples, 128, classifier.label)) out.push(one);
    totals = run.ledger.totals();
    await run.close();
    return out;
  };
  let totals!: LedgerTotals;
  const begun = performance.now();
  try {
    const first = await label();
    const seconds = (performance.now() - begun) / 1000;
    const before = server.requests;
    const spent = totals;
    const second = await label();
    if (JSON.stringify(second.map(labelName)) !== JSON.stringify(first.map(labelName)))
      throw new Error('the store gives other labels');
    const { values } = readJsonl<LedgerLine>(join(folder, 'ledger.jsonl'));
    const count = (kinds: readonly string[]): number =>
      [...proxy.injected].reduce((n, [fault, k]) => (kinds.includes(fault) ? n + k : n), 0);
    return {
      labels: first.map(labelName),
      wanted: examples.map((e) => trueClass(e.text!, classes)),
      repeats: [...server.answered.values()].reduce((n, k) => n + k - 1, 0),
      injected: Object.fromEntries(proxy.injected),
      losses: count(losing),
      spoilt: count(spoiling),
      late:
        values.filter((l) => l.t === 'lost' && l.why.startsWith('no whole answer')).length -
        count(['stalled']),
      totals: spent,
      lines: values,
      askedAgain: server.requests - before,
      seconds,
      files: everything(folder),
    };
  } finally {
    await proxy.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const labelName = (l: Labelled): string | undefined =>
  l.ok && l.reading.label !== undefined ? classes[l.reading.label] : undefined;

/** All bytes of all files of a folder. */
export function everything(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((f) => join(folder, f))
    .filter((f) => statSync(f).isFile())
    .map((f) => readFileSync(f, 'latin1'))
    .join('\n');
}
