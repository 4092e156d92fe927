// npx tsx bench/shakespeare.ts [--steps 300] [--threads 2] [--json FILE]    (needs DECANT_DATA, python3 with torch and transformers)
// A character GPT on tiny Shakespeare, here and in PyTorch: same weights, batches, steps. Compares validation losses.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as ort from 'onnxruntime-node';
import { createTokenizer } from '../src/data/tokenizer/tokenizer.ts';
import { trainTokenizer } from '../src/data/tokenizer/train.ts';
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
import { adamW, decayMatrices } from '../src/optim/index.ts';
import { type BatchSource, batchRows } from '../src/train/batches.ts';
import { train } from '../src/train/loop.ts';
import type { NDArray, Params } from '../src/train/types.ts';
import { diskFolder } from '../src/util/node/disk-folder.ts';
import { createRng } from '../src/util/rng.ts';

const { values: flags } = parseArgs({
  options: {
    steps: { type: 'string', default: '300' },
    threads: { type: 'string', default: '2' },
    json: { type: 'string' },
  },
});
const threads = Number(flags.threads);
const s = {
  steps: Number(flags.steps),
  batch: 16,
  length: 64,
  lr: 3e-3,
  warmup: 20,
  beta2: 0.99,
  weightDecay: 0.01,
  clip: 1,
};
const data = process.env.DECANT_DATA;
if (!data) throw new Error('set DECANT_DATA to the folder of public data sets');
const text = readFileSync(join(data, 'tinyshakespeare/input.txt'), 'utf8');
const cut = Math.floor(0.9 * text.length);
const files = trainTokenizer('char', [text], { vocabSize: 128 });
const tokenizer = createTokenizer(files.tokenizer, files.tokenizerConfig);
const encode = (part: string): Int32Array => Int32Array.from(tokenizer.encode(part, { addSpecial: false }));
const [own, held] = [encode(text.slice(0, cut)), encode(text.slice(cut))];

const window = s.length + 1;
const rng = createRng('windows');
const starts = Array.from({ length: s.steps * s.batch }, () => rng.int(own.length - window));
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
const start = init(model as never, 'shakespeare');
const source: BatchSource = {
  size: starts.length,
  collate(chosen) {
    const { inputs, labels } = sides(
      rows(
        own,
        chosen.map((i) => starts[i]),
      ),
    );
    const ones = (shape: number[]): NDArray =>
      ndarray(new Float32Array(shape.reduce((a, b) => a * b)).fill(1), shape);
    return {
      'input/input_ids': inputs,
      labels,
      'mask/examples': ones([chosen.length]),
      'mask/tokens': ones([chosen.length, s.length]),
    };
  },
};

const folder = mkdtempSync(join(tmpdir(), 'decant-shakespeare-'));
await exportDecoder(diskFolder(folder), { model, params: start, formats: [], ...files });
const order = batchRows(source, s.batch, 'order');
const sequence = Array.from({ length: s.steps }, (_, step) => order(step).map((i) => starts[i])).flat();
writeFileSync(join(folder, 'batches.bin'), rows(own, sequence));
writeFileSync(join(folder, 'valid.bin'), valid);
writeFileSync(join(folder, 'settings.json'), JSON.stringify(s));

const engine = createNodeEngine({ threads });
async function validation(params: Params<NDArray>): Promise<number> {
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

const first = await validation(start);
const began = performance.now();
const { params } = await train({
  engine,
  objective: distillation(model as never, supervised, supervised.config.parse({})),
  params: start,
  source,
  batchSize: s.batch,
  steps: s.steps,
  optimizer: adamW({ weightDecay: s.weightDecay, beta2: s.beta2, decayMask: decayMatrices }),
  lr: (step) => s.lr * Math.min(1, (step + 1) / s.warmup),
  clip: s.clip,
  seed: 'order',
});
const seconds = (performance.now() - began) / 1000;
const loss = await validation(params);
await engine.close();

console.log(`trained in ${seconds.toFixed(0)} s: validation loss ${loss.toFixed(4)}`);
const script = fileURLToPath(new URL('peers/shakespeare_torch.py', import.meta.url));
const peer = spawnSync('python3', [script, folder, String(threads)], {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
  // threads that wait by spinning starve each other where the cores are shared
  env: { ...process.env, OMP_WAIT_POLICY: 'passive', KMP_BLOCKTIME: '0' },
});
const torch = JSON.parse(peer.stdout.trim().split('\n').at(-1)!) as {
  first: number;
  loss: number;
  seconds: number;
};
const session = await openDecoderSession(ort as never, decoderOnnx({ model, params }), {
  contextLength: s.length,
});
const [[sample]] = await generate(session, [tokenizer.encode('ROMEO:\n', { addSpecial: false })], {
  maxTokens: s.length,
  temperature: 0.7,
  decoder: tokenizer,
});
await session.close();
rmSync(folder, { recursive: true, force: true });
const apart = Math.abs(loss / torch.loss - 1);
console.log(`before training: ${first.toFixed(5)}, PyTorch ${torch.first.toFixed(5)}`);
console.log(
  `after ${s.steps} steps: ${loss.toFixed(4)} (${seconds.toFixed(0)} s), PyTorch ${torch.loss.toFixed(4)} (${torch.seconds.toFixed(0)} s), ${(100 * apart).toFixed(2)} % apart`,
);
console.log(`ROMEO:\n${sample.text}`);
if (flags.json) {
  const row = { bench: 'shakespeare', case: `gpt 4x128, ${s.steps} steps`, threads };
  writeFileSync(
    flags.json,
    `${JSON.stringify([{ ...row, metric: 'validation loss', unit: 'nats', ours: loss, peer: torch.loss, peerName: 'PyTorch', ratio: torch.loss / loss }], null, 2)}\n`,
  );
}
if (apart > 0.01) process.exitCode = 1;
