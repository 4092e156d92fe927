/**
 * Measures the client of API teachers: throughput against a server of its own with a fixed latency, own work per
 * request, and reading stored answers back. The server runs in a process of its own, so that its work is not counted.
 *
 *   npm run bench:api -- [--json FILE] [--requests 3200] [--stored 1000000]
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Example } from '../src/data/types.ts';
import {
  apiClassifier,
  createApiClient,
  endpointOf,
  mapOrdered,
  openLedger,
} from '../src/teachers/api/index.ts';
import { startServer } from '../src/teachers/api/testing/server.ts';
import { openSignalStore } from '../src/teachers/store/index.ts';

const LATENCY = 50;
const classes = ['refund', 'card_arrival', 'card_lost', 'exchange rate', 'top up'];

/** A line of the result; the peer is the limit, and a ratio above 1 means that it is kept. */
interface Row {
  bench: 'api';
  case: string;
  threads: 1;
  metric: string;
  unit: string;
  ours: number;
  peer: number;
  peerName: string;
  ratio: number;
}
const rows: Row[] = [];
function add(
  name: string,
  metric: string,
  unit: string,
  ours: number,
  limit: number,
  better: 'more' | 'less',
): void {
  const ratio = better === 'more' ? ours / limit : limit / ours;
  rows.push({
    bench: 'api',
    case: name,
    threads: 1,
    metric,
    unit,
    ours,
    peer: limit,
    peerName: 'limit',
    ratio,
  });
}

if (process.send) {
  const server = await startServer({ latency: LATENCY });
  process.send(server.baseURL);
} else {
  const { values: flags } = parseArgs({
    options: {
      json: { type: 'string' },
      requests: { type: 'string', default: '3200' },
      stored: { type: 'string', default: '1000000' },
    },
  });
  const child = fork(fileURLToPath(import.meta.url), { execArgv: ['--import', 'tsx'] });
  const baseURL = await new Promise<string>((done) => child.once('message', (m) => done(String(m))));
  try {
    for (const concurrency of [8, 32]) await throughput(baseURL, concurrency, Number(flags.requests));
    await readBack(Number(flags.stored));
    if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
  } finally {
    child.kill();
  }
}

/** Requests per second of node:http alone: the same server, nothing kept, nothing checked. */
async function bareRate(baseURL: string, concurrency: number, requests: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const body = JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'text' }] });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const one = (): Promise<void> =>
    new Promise((done, fail) => {
      const sent = request(`${baseURL}/chat/completions`, { method: 'POST', agent, headers }, (reply) =>
        reply.resume().once('end', done).once('error', fail),
      );
      sent.once('error', fail).end(body);
    });
  const run = async (n: number): Promise<void> => {
    let left = n;
    const worker = async (): Promise<void> => {
      while (left-- > 0) await one();
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  };
  await run(4 * concurrency);
  const begun = performance.now();
  await run(requests);
  agent.destroy();
  return (1000 * requests) / (performance.now() - begun);
}

async function throughput(baseURL: string, concurrency: number, requests: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'decant-bench-api-'));
  const store = openSignalStore(join(folder, 'signals'), { write: true });
  const ledger = openLedger(join(folder, 'ledger.jsonl'));
  const client = createApiClient({
    endpoint: endpointOf({ baseURL }, {}),
    model: 'tiny',
    store,
    ledger,
    concurrency,
  });
  const capabilities = { chat: true, completions: false, topk: 5, schema: 'json_schema' } as const;
  const teacher = apiClassifier(client, capabilities, { classes });
  const texts = (from: number, n: number): Example[] =>
    Array.from({ length: n }, (_, i) => ({ file: '', line: 0, text: `text ${from + i}` }));
  const ask = async (examples: readonly Example[]): Promise<void> => {
    for await (const one of mapOrdered(examples, 4 * concurrency, teacher.label))
      if (!one.ok) throw new Error(one.problem);
  };
  await ask(texts(0, 4 * concurrency)); // connections and compiled code
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await ask(texts(1_000_000, requests));
  const ms = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpu);
  const ideal = (1000 * concurrency) / LATENCY;
  const rate = (1000 * requests) / ms;
  const own = (user + system) / 1000 / requests;
  const name = `concurrency ${concurrency}, ${LATENCY} ms latency`;
  add(name, 'share of the possible throughput', '%', (100 * rate) / ideal, 95, 'more');
  const bare = await bareRate(baseURL, concurrency, requests);
  add(name, 'share of the throughput of node:http alone', '%', (100 * rate) / bare, 95, 'more');
  add(name, 'own work per request', 'ms', own, 2, 'less');
  console.log(
    `concurrency ${String(concurrency).padStart(2)}: ${rate.toFixed(0)} requests/s of ${ideal.toFixed(0)} possible (${((100 * rate) / ideal).toFixed(1)} %; node:http alone ${bare.toFixed(0)}, ${((100 * rate) / bare).toFixed(1)} %), own work ${own.toFixed(2)} ms processor time per request`,
  );
  ledger.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
}

async function readBack(n: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'decant-bench-api-'));
  try {
    let store = openSignalStore(folder, { write: true });
    const shelf = store.shelf({ teacher: 'bench', signal: 'reply' });
    const answer = (i: number): string =>
      JSON.stringify({
        id: `chatcmpl-${i}`,
        model: 'tiny',
        choices: [{ message: { content: '{"label":"refund"}' }, finish_reason: 'stop', logprobs: null }],
        usage: { prompt_tokens: 60, completion_tokens: 9, total_tokens: 69 },
      });
    for (let i = 0; i < n; i++) {
      const done = shelf.put(`q${i}`, { form: 'text', text: answer(i), meta: { path: 'chat/completions' } });
      if (i % 10_000 === 9999) await done;
    }
    await store.close();
    const begun = performance.now();
    const cpu = process.cpuUsage();
    store = openSignalStore(folder);
    let read = 0;
    for (const record of store.records()) {
      const signal = record.read();
      if (signal.form === 'text' && JSON.parse(signal.text).choices.length === 1) read++;
    }
    const { user, system } = process.cpuUsage(cpu);
    add(`${n} stored answers`, 'read back', 's', (performance.now() - begun) / 1000, 20, 'less');
    console.log(
      `${read.toLocaleString('en')} stored answers opened, read back and parsed in ${((performance.now() - begun) / 1000).toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s processor time), ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB resident`,
    );
    await store.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
