// npm run bench:generate -- [--json FILE] [--cases gpt4,gpt12] [--batches 1,16] [--threads 2] [--rounds 3] [--length 256]
// Greedy decoding of one exported folder: Decant, transformers.js, and Decant without a cache, taking turns.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { AutoModelForCausalLM, Tensor } from '@huggingface/transformers';
import * as ort from 'onnxruntime-node';
import { trainTokenizer } from '../src/data/tokenizer/train.ts';
import { exportDecoder } from '../src/export/decoder.ts';
import { generate } from '../src/generate/generate.ts';
import { argmax } from '../src/generate/sampling.ts';
import { type DecoderSession, openDecoderSession } from '../src/generate/session.ts';
import { init } from '../src/nn/model.ts';
import { gpt2 } from '../src/nn/models/gpt2.ts';
import { diskFolder } from '../src/util/node/disk-folder.ts';
import { createRng } from '../src/util/rng.ts';

const { values: flags } = parseArgs({
  options: {
    json: { type: 'string' },
    cases: { type: 'string', default: 'gpt4,gpt12' },
    batches: { type: 'string', default: '1,16' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    length: { type: 'string', default: '256' },
  },
});
const [threads, rounds, length] = [flags.threads, flags.rounds, flags.length].map(Number);
const LAYERS: Record<string, number> = { gpt4: 4, gpt12: 12 };
const VOCAB = 512;
const PROMPT = 8;
/** Without a cache, every 16th length is timed and stands for its neighbours. */
const STRIDE = 16;

const rows: object[] = [];
const round4 = (x: number): number => Number(x.toPrecision(4));
const median = (x: number[]): number => [...x].sort((a, b) => a - b)[Math.floor(x.length / 2)];
const seconds = async (f: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await f();
  return (performance.now() - began) / 1000;
};

async function withoutCache(
  session: DecoderSession,
  prompts: number[][],
  answers: number[][],
): Promise<number> {
  let total = 0;
  for (let n = STRIDE / 2; n < length; n += STRIDE) {
    const ids = prompts.map((p, i) => [...p, ...answers[i].slice(0, n)]);
    total += await seconds(async () => {
      const { logits, vocab } = await session.step(ids);
      for (const i of ids.keys()) argmax(logits.subarray(i * vocab, (i + 1) * vocab));
    });
  }
  return total * STRIDE;
}

for (const name of flags.cases.split(',')) {
  const model = gpt2({ vocab_size: VOCAB, n_positions: 512, n_embd: 256, n_layer: LAYERS[name], n_head: 4 });
  const folder = mkdtempSync(join(tmpdir(), 'decant-generate-'));
  const files = trainTokenizer('bpe', ['some words to begin with, and some more words'], { vocabSize: 300 });
  await exportDecoder(diskFolder(folder), {
    model,
    params: init(model as never, 'bench'),
    formats: ['fp32'],
    ...files,
  });
  const ours = await openDecoderSession(ort as never, readFileSync(join(folder, 'onnx/model.onnx')), {
    threads,
  });
  // both without spinning: two sessions that wait by spinning slow each other down
  const theirs = await AutoModelForCausalLM.from_pretrained(folder, {
    dtype: 'fp32',
    session_options: {
      intraOpNumThreads: threads,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    },
  });
  for (const batch of flags.batches.split(',').map(Number)) {
    const rng = createRng('prompts');
    const prompts = Array.from({ length: batch }, () => Array.from({ length: PROMPT }, () => rng.int(VOCAB)));
    const flat = BigInt64Array.from(prompts.flat(), BigInt);
    let answers: number[][] = [];
    const times = { ours: [] as number[], peer: [] as number[], bare: [] as number[] };
    for (let r = 0; r <= rounds; r++) {
      const own = await seconds(async () => {
        answers = (await generate(ours, prompts, { maxTokens: length, batchSize: batch })).map(
          ([g]) => g.ids,
        );
      });
      let output: Tensor | undefined;
      const other = await seconds(async () => {
        output = (await theirs.generate({
          inputs: new Tensor('int64', flat, [batch, PROMPT]),
          attention_mask: new Tensor('int64', new BigInt64Array(flat.length).fill(1n), [batch, PROMPT]),
          max_new_tokens: length,
          do_sample: false,
          eos_token_id: -1,
        } as never)) as Tensor;
      });
      const got = (output!.tolist() as bigint[][]).map((ids) => ids.slice(PROMPT).map(Number));
      if (JSON.stringify(got) !== JSON.stringify(answers))
        throw new Error(`${name}: the two do not write the same tokens`);
      // the first round warms up
      if (r === 0) continue;
      times.ours.push(own);
      times.peer.push(other);
      times.bare.push(await withoutCache(ours, prompts, answers));
    }
    const rate = (t: number[]): number => (batch * length) / median(t);
    const add = (peerName: string, peer: number): void => {
      const ratio = rate(times.ours) / peer;
      rows.push({
        bench: 'generate',
        case: `${name}, batch ${batch}, length ${length}`,
        threads,
        metric: 'throughput',
        unit: 'tokens/s',
        ours: round4(rate(times.ours)),
        peer: round4(peer),
        peerName,
        ratio: round4(ratio),
      });
      console.log(
        `${name} batch ${batch}: ${rate(times.ours).toFixed(0)} tokens/s, ${peerName} ${peer.toFixed(0)}, ratio ${ratio.toFixed(2)}`,
      );
    };
    add('transformers.js', rate(times.peer));
    add('no cache', rate(times.bare));
  }
  await ours.close();
  await theirs.dispose();
  rmSync(folder, { recursive: true, force: true });
}
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
