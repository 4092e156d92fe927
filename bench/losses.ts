/**
 * Forward KL, reverse KL and JSD from hidden states and head weights, forwards and backwards: time and peak memory above
 * the inputs, chunked and whole, against PyTorch. Each measurement runs in a process of its own.
 *
 *   npm run bench:losses -- [--json FILE] [--tokens 4096] [--width 512] [--vocab 32000,150000] [--reps 3]
 *                           [--threads N] [--chunk N] [--kinds forward_kl,reverse_kl,jsd] [--forms chunked,recompute,whole]
 *                           [--skip-peer]
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as ort from 'onnxruntime-node';
import { gradients, linear, mul, spec, sum, type Tensor, trace } from '../src/graph/index.ts';
import { writeOnnx } from '../src/graph/onnx/writer.ts';
import { inputName } from '../src/graph/trace.ts';
import {
  chunkedDivergence,
  chunkedSum,
  forwardKl,
  generalizedJsd,
  reverseKl,
  temperedLogp,
} from '../src/losses/index.ts';
import { createRng } from '../src/util/rng.ts';

type Kind = 'forward_kl' | 'reverse_kl' | 'jsd';
/** `chunked`: one pass, Σ w_t d_t. `recompute`: chunked and un-reduced. `whole`: logits of all tokens at once. */
type Form = 'chunked' | 'recompute' | 'whole';

interface Case {
  kind: Kind;
  form: Form;
  tokens: number;
  width: number;
  vocab: number;
  threads: number;
  reps: number;
  chunk?: number;
}

interface Measured {
  ms: number;
  mib: number;
  name?: string;
}

/** A line of /proc/self/status in MiB; NaN where there is no such file (memory is measured on Linux only). */
const status = (key: string): number => {
  try {
    const text = readFileSync('/proc/self/status', 'utf8');
    return Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(text)?.[1]) / 1024;
  } catch {
    return Number.NaN;
  }
};

const median = (x: number[]): number => [...x].sort((a, b) => a - b)[Math.floor(x.length / 2)];

function lossOf({ kind, form, chunk }: Case) {
  const plain = { forward_kl: forwardKl, reverse_kl: reverseKl, jsd: generalizedJsd }[kind];
  return (h: Tensor, w: Tensor, ht: Tensor, wt: Tensor, weights: Tensor): Tensor => {
    const [student, teacher] = [
      { hidden: h, head: w },
      { hidden: ht, head: wt },
    ];
    if (form === 'chunked') return chunkedSum({ kind }, student, teacher, weights, { chunk });
    if (form === 'recompute')
      return sum(mul(weights, chunkedDivergence({ kind }, student, teacher, { chunk })));
    const logp = (x: Tensor, head: Tensor): Tensor =>
      temperedLogp(linear(x, head, undefined, { transW: true }));
    return sum(mul(weights, plain(logp(h, w), logp(ht, wt))));
  };
}

async function measure(c: Case): Promise<Measured> {
  const { graph } = trace(
    (h: Tensor, w: Tensor, ht: Tensor, wt: Tensor, weights: Tensor) => {
      const loss = lossOf(c)(h, w, ht, wt, weights);
      return [loss, ...gradients(loss, [h, w])];
    },
    [[c.tokens, c.width], [c.vocab, c.width], [c.tokens, c.width], [c.vocab, c.width], [c.tokens]].map((s) =>
      spec(s),
    ),
  );
  const rng = createRng('bench');
  const block = Float32Array.from({ length: 1 << 16 }, () => rng.normal());
  const feeds: Record<string, ort.Tensor> = {};
  graph.inputs.forEach((t, k) => {
    const shape = t.shape as number[];
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    // repeated noise, shifted per input: logits of a few units
    for (let i = 0; i < data.length; i += block.length)
      data.set(block.subarray(0, Math.min(block.length, data.length - i)), i);
    const scale = k === 4 ? 0 : k % 2 === 0 ? 1 : 0.1;
    for (let i = 0; i < data.length; i++)
      data[i] = k === 4 ? 1 / c.tokens : data[i] * scale + 1e-3 * ((i * (k + 7)) % 11);
    feeds[inputName(t)] = new ort.Tensor('float32', data, shape);
  });
  const session = await ort.InferenceSession.create(writeOnnx(graph), {
    intraOpNumThreads: c.threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  globalThis.gc?.();
  const before = status('VmRSS');
  if (before > 0) writeFileSync('/proc/self/clear_refs', '5'); // the high-water mark starts here
  const times: number[] = [];
  let peak = 0;
  for (let i = 0; i <= c.reps; i++) {
    const begun = performance.now();
    await session.run(feeds);
    if (i > 0 || c.reps === 0) times.push(performance.now() - begun);
    if (i === 0) peak = status('VmHWM') - before;
  }
  return { ms: median(times), mib: peak };
}

/** What a whole `[tokens, vocab]` run needs at least, in MiB: about seven such matrices. */
const wholeNeeds = (c: Case): number => (7 * 4 * c.tokens * c.vocab) / 2 ** 20;
const available = (): number => freemem() / 2 ** 20;

function child(file: string, args: string[], command = process.execPath): Measured | undefined {
  try {
    const out = execFileSync(
      command,
      command === process.execPath ? [...process.execArgv, '--expose-gc', file, ...args] : [file, ...args],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 1 << 24,
      },
    );
    return JSON.parse(out.trim().split('\n').pop() ?? '') as Measured;
  } catch (e) {
    console.error(
      String((e as { stderr?: string }).stderr ?? e)
        .trim()
        .split('\n')
        .slice(-2)
        .join('\n'),
    );
    return undefined;
  }
}

async function main(): Promise<void> {
  const { values: o } = parseArgs({
    options: {
      case: { type: 'string' },
      json: { type: 'string' },
      tokens: { type: 'string', default: '4096' },
      width: { type: 'string', default: '512' },
      vocab: { type: 'string', default: '32000,150000' },
      kinds: { type: 'string', default: 'forward_kl,reverse_kl,jsd' },
      reps: { type: 'string', default: '3' },
      threads: { type: 'string', default: String(availableParallelism()) },
      chunk: { type: 'string' },
      forms: { type: 'string', default: 'chunked,recompute,whole' },
      'skip-peer': { type: 'boolean', default: false },
    },
  });
  if (o.case) {
    console.log(JSON.stringify(await measure(JSON.parse(o.case))));
    return;
  }
  const self = fileURLToPath(import.meta.url);
  const peerFile = fileURLToPath(new URL('./peers/losses.py', import.meta.url));
  const rows: object[] = [];
  for (const vocab of o.vocab.split(',').map(Number)) {
    for (const kind of o.kinds.split(',') as Kind[]) {
      const base: Case = {
        kind,
        form: 'chunked',
        tokens: Number(o.tokens),
        width: Number(o.width),
        vocab,
        threads: Number(o.threads),
        reps: Number(o.reps),
        chunk: o.chunk ? Number(o.chunk) : undefined,
      };
      const fits = available() > wholeNeeds(base);
      if (!fits)
        console.error(
          `vocabulary ${vocab}: whole logits need ${Math.round(wholeNeeds(base))} MiB, not free here`,
        );
      const peer = !o['skip-peer'] && fits ? child(peerFile, [JSON.stringify(base)], 'python3') : undefined;
      if (!peer && !o['skip-peer'] && fits) console.error('no PyTorch here: its columns stay empty');
      for (const form of o.forms.split(',') as Form[]) {
        if (form === 'whole' && !fits) continue;
        const ours = child(self, ['--case', JSON.stringify({ ...base, form })]);
        if (!ours) continue;
        const name = `${kind} ${form}, ${base.tokens} tokens, width ${base.width}, vocabulary ${vocab}`;
        for (const [metric, unit, a, b] of [
          ['time, forward and backward', 'ms', ours.ms, peer?.ms],
          ['peak memory above the inputs', 'MiB', ours.mib, peer?.mib],
        ] as const) {
          const ratio = b === undefined ? undefined : b / a;
          rows.push({
            bench: 'losses',
            case: name,
            threads: base.threads,
            metric,
            unit,
            ours: a,
            peer: b,
            peerName: peer?.name,
            ratio,
          });
          console.log(
            `${name.padEnd(64)} ${metric.padEnd(30)} ${a.toFixed(0).padStart(7)} ${unit.padEnd(3)} ${b === undefined ? '' : `peer ${b.toFixed(0)}  ratio ${ratio!.toFixed(2)}`}`,
          );
        }
      }
    }
  }
  if (o.json) writeFileSync(o.json, `${JSON.stringify(rows, null, 2)}\n`);
}

await main();
