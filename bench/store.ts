/**
 * Measures the signal store: time to write, open and read many small records, and size per token and exactness of
 * each form on generated teacher distributions. `npm run bench:store -- [--json FILE] [records] [vocab] [k]`
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ndarray, toNumbers } from '../src/graph/ndarray.ts';
import {
  decodeSignal,
  type Encoding,
  encodeSignal,
  openSignalStore,
  type Signal,
  type TopKSignal,
  topKFromLogits,
} from '../src/teachers/store/index.ts';
import { createRng } from '../src/util/rng.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' } },
});
const [records, vocab, k] = [1_000_000, 32_000, 64].map((d, i) => Number(positionals[i] ?? d));
const rows: { bench: 'store'; case: string; metric: string; unit: string; ours: number }[] = [];
const add = (name: string, metric: string, unit: string, ours: number): void => {
  rows.push({ bench: 'store', case: name, metric, unit, ours });
};

/** Seconds a piece of work takes. */
async function timed(what: string, work: () => unknown): Promise<void> {
  const begun = performance.now();
  const cpu = process.cpuUsage();
  await work();
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  add(what, 'wall', 's', seconds);
  add(what, 'processor', 's', (user + system) / 1e6);
  console.log(
    `${what.padEnd(44)} ${seconds.toFixed(2).padStart(7)} s wall ${((user + system) / 1e6).toFixed(2).padStart(7)} s processor`,
  );
}

async function speed(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'decant-bench-store-'));
  const source = { teacher: 'bench', signal: 'topk', settings: { k: 4 } };
  try {
    await timed(`write ${records.toLocaleString('en')} top-4 records`, async () => {
      const store = openSignalStore(folder, { write: true });
      const shelf = store.shelf(source);
      const rng = createRng('speed');
      let last: Promise<void> | undefined;
      for (let i = 0; i < records; i++) {
        const logp = Float32Array.from([-0.2, -2 - rng.uniform(), -4, -6]);
        const ids = Int32Array.from([rng.int(vocab), 1, 2, 3]);
        last = shelf.put(`input ${i}`, {
          form: 'topk',
          rows: 1,
          k: 4,
          vocab,
          ids,
          logp,
          logTail: new Float32Array(1),
        });
        if (i % 10_000 === 0) await last;
      }
      await last;
      await store.close();
    });
    const store = openSignalStore(folder);
    await timed('open: read and verify everything, index', () => {
      openSignalStore(folder);
    });
    await timed('read all in order, decoded', () => {
      let n = 0;
      for (const record of store.records()) if (record.read().form === 'topk') n++;
      if (n !== records) throw new Error(`read ${n} of ${records}`);
    });
    await timed(`read ${Math.min(records, 100_000).toLocaleString('en')} at random, by input`, () => {
      const shelf = store.shelf(source);
      const rng = createRng('random');
      const n = Math.min(records, 100_000);
      for (let i = 0; i < n; i++)
        if (!shelf.get(`input ${rng.int(records)}`)) throw new Error('a record is missing');
    });
    const { bytes, liveBytes } = store.stats();
    add('on disk', 'bytes a record', 'B', liveBytes / records);
    console.log(
      `on disk ${(bytes / 1e6).toFixed(1)} MB, ${(liveBytes / records).toFixed(1)} bytes a record; resident memory ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Next-token logits in the manner of a language model: Zipf-like frequencies, context-dependent sharpness. */
function teacherLogits(rows: number): Float32Array {
  const rng = createRng('teacher');
  const out = new Float32Array(rows * vocab);
  for (let r = 0; r < rows; r++) {
    const sharp = 0.8 + 1.4 * rng.uniform();
    const start = rng.int(vocab);
    for (let c = 0; c < vocab; c++)
      out[r * vocab + ((start + c * 7919) % vocab)] = -sharp * Math.log(1 + c) + 0.9 * rng.normal();
  }
  return out;
}

/** Σ p (log p - log q) over k + 1 outcomes of every row, and the largest difference of a log-probability. */
function compareTopK(p: TopKSignal, q: TopKSignal): { max: number; kl: number } {
  let max = 0;
  let kl = 0;
  for (let r = 0; r < p.rows; r++) {
    if (p.logTail[r] > Number.NEGATIVE_INFINITY) kl += Math.exp(p.logTail[r]) * (p.logTail[r] - q.logTail[r]);
    for (let i = r * p.k; i < (r + 1) * p.k; i++) {
      max = Math.max(max, Math.abs(p.logp[i] - q.logp[i]));
      kl += Math.exp(p.logp[i]) * (p.logp[i] - q.logp[i]);
    }
  }
  return { max, kl: kl / p.rows };
}

function compareLogits(a: Float64Array, b: Float64Array, rows: number): { max: number; kl: number } {
  let max = 0;
  let kl = 0;
  for (let r = 0; r < rows; r++) {
    const p = a.subarray(r * vocab, (r + 1) * vocab);
    const q = b.subarray(r * vocab, (r + 1) * vocab);
    const z = (x: Float64Array): number => {
      const top = x.reduce((m, v) => Math.max(m, v), Number.NEGATIVE_INFINITY);
      return top + Math.log(x.reduce((s, v) => s + Math.exp(v - top), 0));
    };
    const zp = z(p);
    const zq = z(q);
    for (let c = 0; c < vocab; c++) {
      max = Math.max(max, Math.abs(p[c] - q[c]));
      kl += Math.exp(p[c] - zp) * (p[c] - zp - (q[c] - zq));
    }
  }
  return { max, kl: kl / rows };
}

function exactness(): void {
  const tokens = 200;
  const logits = ndarray(teacherLogits(tokens), [tokens, vocab]);
  const top = topKFromLogits(logits, k);
  const tail = top.logTail.reduce((s, v) => s + Math.exp(v), 0) / tokens;
  console.log(
    `\n${tokens} tokens, vocabulary ${vocab}, k ${k}; mass outside the top ${k}: ${tail.toFixed(3)}`,
  );
  console.log(`${'form'.padEnd(34)} bytes/token  max |Δ log p|      KL (nats)   µs/token (write, read)`);
  const cases: [string, Signal, Encoding][] = [
    ['dense float32', { form: 'logits', logits }, {}],
    ['dense float16', { form: 'logits', logits }, { precision: 'float16' }],
    ['top-k float32', top, {}],
    ['top-k float16', top, { precision: 'float16' }],
    ...([4, 5, 6, 8] as const).map((bits): [string, Signal, Encoding] => [
      `packed: 4 exact, cubic, ${bits} bits`,
      top,
      { packed: { exact: 4, degree: 3, bits } },
    ]),
    ['packed: 8 exact, quintic, 10 bits', top, { packed: { exact: 8, degree: 5, bits: 10 } }],
  ];
  for (const [name, signal, encoding] of cases) {
    let [write, read] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    let { form, payload } = encodeSignal(signal, encoding);
    let back = decodeSignal(form, payload);
    for (let repeat = 0; repeat < 5; repeat++) {
      const t0 = performance.now();
      ({ form, payload } = encodeSignal(signal, encoding));
      const t1 = performance.now();
      back = decodeSignal(form, payload);
      write = Math.min(write, t1 - t0);
      read = Math.min(read, performance.now() - t1);
    }
    const { max, kl } =
      back.form === 'logits'
        ? compareLogits(toNumbers(logits), toNumbers(back.logits), tokens)
        : compareTopK(top, back as TopKSignal);
    add(name, 'bytes a token', 'B', payload.length / tokens);
    add(name, 'largest difference of a log-probability', 'nats', max);
    add(name, 'KL', 'nats', Math.max(0, kl));
    add(name, 'write', 'µs', (write * 1000) / tokens);
    add(name, 'read', 'µs', (read * 1000) / tokens);
    console.log(
      `${name.padEnd(34)} ${(payload.length / tokens).toFixed(1).padStart(11)}  ${max.toExponential(1).padStart(13)}  ${Math.max(0, kl).toExponential(1).padStart(13)}   ${((write * 1000) / tokens).toFixed(1)}, ${((read * 1000) / tokens).toFixed(1)}`,
    );
  }
}

await speed();
exactness();
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, null, 1)}\n`);
