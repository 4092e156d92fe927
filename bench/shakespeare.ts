// npx tsx bench/shakespeare.ts [--steps 3000] [--seed 1] [--threads 2] [--json FILE] [--peers float32,float64,disturbed]
// A character GPT on tiny Shakespeare, here and in PyTorch: same weights, batches, steps. Compares validation losses along the
// way; float64 and disturbed (weights moved by a relative 1e-7) say how far PyTorch gets from itself. Prints a sample.
// Needs DECANT_DATA, and python3 with torch and transformers.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as ort from 'onnxruntime-node';
import { createTokenizer } from '../src/data/tokenizer/tokenizer.ts';
import { trainTokenizer } from '../src/data/tokenizer/train.ts';
import type { Engine } from '../src/engine/engine.ts';
import { createNodeEngine } from '../src/engine/node/engine.ts';
import { decoderOnnx, exportDecoder } from '../src/export/decoder.ts';
import { generate } from '../src/generate/generate.ts';
import { openDecoderSession } from '../src/generate/session.ts';
import { ndarray } from '../src/graph/index.ts';
import { supervised } from '../src/methods/logits/kd.ts';
import { distillation } from '../src/methods/objective.ts';
import { createInference } from '../src/nn/inference.ts';
import { init } from '../src/nn/model.ts';
import { gpt2 } from '../src/nn/models/gpt2.ts';
import { adamW, cosine, decayMatrices, warmup } from '../src/optim/index.ts';
import { type BatchSource, batchRows } from '../src/train/batches.ts';
import { train } from '../src/train/loop.ts';
import type { NDArray, Params } from '../src/train/types.ts';
import { diskFolder } from '../src/util/node/disk-folder.ts';
import { createRng } from '../src/util/rng.ts';

const { values: flags } = parseArgs({
  options: {
    steps: { type: 'string', default: '3000' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    peers: { type: 'string', default: 'float32' },
    json: { type: 'string' },
  },
});
const threads = Number(flags.threads);
const steps = Number(flags.steps);
const s = { batch: 8, length: 128, beta2: 0.99, weightDecay: 0.01, clip: 1, every: Math.ceil(steps / 8) };
const peakRate = 2e-3;
const rises = Math.min(100, Math.ceil(steps / 10));
const rate = warmup(cosine({ from: peakRate, to: peakRate / 10, steps: steps - rises }), rises);

const data = process.env.DECANT_DATA;
if (!data) throw new Error('set DECANT_DATA to the folder of public data sets');
const text = readFileSync(join(data, 'tinyshakespeare/input.txt'), 'utf8');
const cut = Math.floor(0.9 * text.length);
const files = trainTokenizer('char', [text], { vocabSize: 128 });
const tokenizer = createTokenizer(files.tokenizer, files.tokenizerConfig);
const encode = (part: string): Int32Array => Int32Array.from(tokenizer.encode(part, { addSpecial: false }));
const [own, held] = [encode(text.slice(0, cut)), encode(text.slice(cut))];

const window = s.length + 1;
const rng = createRng(`windows/${flags.seed}`);
const starts = Array.from({ length: steps * s.batch }, () => rng.int(own.length - window));
const rows = (from: Int32Array, at: readonly number[]): Int32Array => {
  const out = new Int32Array(at.length * window);
  for (const [i, a] of at.entries()) out.set(from.subarray(a, a + window), i * window);
  return out;
};
const valid = rows(
  held,
  Array.from({ length: 256 }, (_, i) => Math.floor((i * (held.length - window)) / 256)),
);
/** Tokens of windows without the last, and without the first. */
const sides = (all: Int32Array): { inputs: NDArray; labels: NDArray } => {
  const n = all.length / window;
  const side = (shift: number): NDArray =>
    ndarray(
      Int32Array.from(
        { length: n * s.length },
        (_, i) => all[Math.floor(i / s.length) * window + (i % s.length) + shift],
      ),
      [n, s.length],
    );
  return { inputs: side(0), labels: side(1) };
};
const ones = (...shape: number[]): NDArray =>
  ndarray(new Float32Array(shape.reduce((a, b) => a * b)).fill(1), shape);
const source: BatchSource = {
  size: starts.length,
  collate(chosen) {
    const { inputs, labels } = sides(
      rows(
        own,
        chosen.map((i) => starts[i]),
      ),
    );
    return {
      'input/input_ids': inputs,
      labels,
      'mask/examples': ones(chosen.length),
      'mask/tokens': ones(chosen.length, s.length),
    };
  },
};

const model = gpt2({
  vocab_size: tokenizer.size,
  n_positions: s.length,
  n_embd: 128,
  n_layer: 4,
  n_head: 4,
  resid_pdrop: 0,
  embd_pdrop: 0,
  attn_pdrop: 0,
});
const start = init(model as never, `shakespeare/${flags.seed}`);

async function validation(engine: Engine, params: Params<NDArray>): Promise<number> {
  const inference = createInference(engine, model as never);
  await inference.setParams(params);
  let total = 0;
  for (let i = 0; i < valid.length; i += s.batch * window) {
    const { inputs, labels } = sides(valid.subarray(i, i + s.batch * window));
    const { logits } = await inference.run({ input_ids: inputs });
    const vocab = logits.shape[2];
    const x = logits.data as Float32Array;
    (labels.data as Int32Array).forEach((label, t) => {
      let sum = 0;
      for (let v = 0; v < vocab; v++) sum += Math.exp(x[t * vocab + v]);
      total += Math.log(sum) - x[t * vocab + label];
    });
  }
  await inference.dispose();
  return total / ((valid.length / window) * s.length);
}

/** Validation losses by finished updates, from 0 on. */
type Curve = { losses: Record<string, number>; seconds: number };

async function trainHere(): Promise<Curve & { params: Params<NDArray> }> {
  const engine = createNodeEngine({ threads });
  const losses: Record<string, number> = { 0: await validation(engine, start) };
  const began = performance.now();
  const { params } = await train({
    engine,
    objective: distillation(model as never, supervised, supervised.config.parse({})),
    params: start,
    source,
    batchSize: s.batch,
    steps,
    optimizer: adamW({ weightDecay: s.weightDecay, beta2: s.beta2, decayMask: decayMatrices }),
    lr: rate,
    clip: s.clip,
    seed: flags.seed,
    evaluation: {
      every: s.every,
      async run(now, step) {
        const loss = await validation(engine, now);
        losses[step] = loss;
        console.log(`step ${step}: ${loss.toFixed(4)}`);
        return { loss };
      },
    },
  });
  await engine.close();
  return { params, losses, seconds: (performance.now() - began) / 1000 };
}

/** Weights, batches in the order of training, and settings, for the peer. */
async function writeInputs(folder: string): Promise<void> {
  await exportDecoder(diskFolder(folder), { model, params: start, formats: [], ...files });
  const order = batchRows(source, s.batch, flags.seed);
  const sequence = Array.from({ length: steps }, (_, step) => order(step).map((i) => starts[i])).flat();
  writeFileSync(join(folder, 'batches.bin'), rows(own, sequence));
  writeFileSync(join(folder, 'valid.bin'), valid);
  const rates = Array.from({ length: steps }, (_, step) => rate(step));
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ ...s, rates }));
}

async function trainThere(folder: string, kind: string): Promise<Curve> {
  const script = fileURLToPath(new URL('peers/shakespeare_torch.py', import.meta.url));
  const peer = spawn('python3', [script, folder, String(threads), kind], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // threads that wait by spinning starve each other where the cores are shared
    env: { ...process.env, OMP_WAIT_POLICY: 'passive', KMP_BLOCKTIME: '0' },
  });
  return (await json(peer.stdout)) as Curve;
}

/** Text beyond the context: the last half of it goes on as the next prompt. */
async function sample(params: Params<NDArray>, prompt: string, length: number): Promise<string> {
  const session = await openDecoderSession(ort as never, decoderOnnx({ model, params }), {
    contextLength: s.length,
    threads,
  });
  let written = tokenizer.encode(prompt, { addSpecial: false });
  for (let part = 0; written.length < length; part++) {
    const [[next]] = await generate(session, [written.slice(-s.length / 2)], {
      maxTokens: s.length / 2,
      temperature: 0.7,
      seed: `${flags.seed}/${part}`,
    });
    written = [...written, ...next.ids];
  }
  await session.close();
  return tokenizer.decode(written);
}

const folder = mkdtempSync(join(tmpdir(), 'decant-shakespeare-'));
await writeInputs(folder);
const kinds = flags.peers.split(',');
// all at the same time: their times are not compared
const [ours, ...peers] = await Promise.all([trainHere(), ...kinds.map((kind) => trainThere(folder, kind))]);
console.log(`trained in ${ours.seconds.toFixed(0)} s\n${await sample(ours.params, 'ROMEO:\n', 600)}\n`);
const report: object[] = [];
let apart = 0;
for (const [i, kind] of kinds.entries()) {
  const peer = peers[i];
  console.log(`\nPyTorch, ${kind} (${peer.seconds.toFixed(0)} s)\nstep   Decant   PyTorch   apart`);
  for (const [step, loss] of Object.entries(peer.losses)) {
    const own = ours.losses[step];
    console.log(
      `${step.padStart(4)}   ${own.toFixed(5)}   ${loss.toFixed(5)}   ${(100 * (own / loss - 1)).toFixed(3)} %`,
    );
  }
  const [here, there] = [ours.losses[steps], peer.losses[steps]];
  if (kind === 'float32') apart = Math.abs(here / there - 1);
  report.push({
    bench: 'shakespeare',
    case: `gpt 4x128, ${steps} steps, seed ${flags.seed}`,
    threads,
    metric: 'validation loss',
    unit: 'nats',
    ours: here,
    peer: there,
    peerName: `PyTorch ${kind}`,
    ratio: there / here,
    curve: { ours: ours.losses, peer: peer.losses },
  });
}
rmSync(folder, { recursive: true, force: true });
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
if (apart > 0.01) process.exitCode = 1;
