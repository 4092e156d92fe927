// npm run bench:generate -- [--json FILE] [--cases gpt4,gpt12] [--batches 1,16] [--threads 2] [--rounds 3] [--length 256]
// Greedy decoding of one exported folder: Decant, transformers.js, and Decant without a cache, taking turns. By the clock, and
// by processor time, which says something on a machine that others use.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
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
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
interface Times {
  wall: number;
  cpu: number;
}
/** Seconds by the clock and of the processors. Nobody pays for the garbage of the one before. */
async function timed(f: () => Promise<unknown>): Promise<Times> {
  collectGarbage();
  const [began, used] = [performance.now(), process.cpuUsage()];
  await f();
  const { user, system } = process.cpuUsage(used);
  return { wall: (performance.now() - began) / 1000, cpu: (user + system) / 1e6 };
}

async function withoutCache(
  session: DecoderSession,
  prompts: number[][],
  answers: number[][],
): Promise<Times> {
  const total = { wall: 0, cpu: 0 };
  for (let n = STRIDE / 2; n < length; n += STRIDE) {
    const ids = prompts.map((p, i) => [...p, ...answers[i].slice(0, n)]);
    const one = await timed(async () => {
      const { logits, vocab } = await session.step(ids);
      for (const i of ids.keys()) argmax(logits.subarray(i * vocab, (i + 1) * vocab));
    });
    total.wall += STRIDE * one.wall;
    total.cpu += STRIDE * one.cpu;
  }
  return total;
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
  const open = (): Promise<DecoderSession> =>
    openDecoderSession(ort as never, readFileSync(join(folder, 'onnx/model.onnx')), { threads });
  // the long rows of the loop without a cache would fill the memory that decoding works in
  const [ours, bare] = [await open(), await open()];
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
    let output: Tensor | undefined;
    const decode = {
      ours: async () => {
        const given = await generate(ours, prompts, { maxTokens: length, batchSize: batch });
        answers = given.map(([g]) => g.ids);
      },
      peer: async () => {
        output = (await theirs.generate({
          inputs: new Tensor('int64', flat, [batch, PROMPT]),
          attention_mask: new Tensor('int64', new BigInt64Array(flat.length).fill(1n), [batch, PROMPT]),
          max_new_tokens: length,
          do_sample: false,
          eos_token_id: -1,
        } as never)) as Tensor;
      },
    };
    const times = { ours: [] as Times[], peer: [] as Times[], bare: [] as Times[] };
    for (let r = 0; r <= rounds; r++) {
      const turn = { ours: { wall: 0, cpu: 0 }, peer: { wall: 0, cpu: 0 } };
      for (const who of r % 2 ? (['ours', 'peer'] as const) : (['peer', 'ours'] as const))
        turn[who] = await timed(decode[who]);
      const got = (output!.tolist() as bigint[][]).map((ids) => ids.slice(PROMPT).map(Number));
      if (JSON.stringify(got) !== JSON.stringify(answers))
        throw new Error(`${name}: the two do not write the same tokens`);
      // the first round warms up
      if (r === 0) continue;
      times.ours.push(turn.ours);
      times.peer.push(turn.peer);
      times.bare.push(await withoutCache(bare, prompts, answers));
    }
    const compare = (peerName: string, peer: Times[]): void => {
      const rate = (t: Times[]): number => (batch * length) / median(t.map((x) => x.wall));
      const cost = (t: Times[]): number => (1000 * median(t.map((x) => x.cpu))) / (batch * length);
      const results = [
        { metric: 'throughput', unit: 'tokens/s', of: rate, ratio: rate(times.ours) / rate(peer) },
        { metric: 'processor time', unit: 'ms/token', of: cost, ratio: cost(peer) / cost(times.ours) },
      ];
      for (const { metric, unit, of, ratio } of results) {
        rows.push({
          bench: 'generate',
          case: `${name}, batch ${batch}, length ${length}`,
          threads,
          metric,
          unit,
          ours: round4(of(times.ours)),
          peer: round4(of(peer)),
          peerName,
          ratio: round4(ratio),
        });
        console.log(
          `${name} batch ${batch}: ${metric} ${round4(of(times.ours))} ${unit}, ${peerName} ${round4(of(peer))}, ratio ${ratio.toFixed(2)}`,
        );
      }
    };
    compare('transformers.js', times.peer);
    compare('no cache', times.bare);
  }
  await Promise.all([ours.close(), bare.close()]);
  await theirs.dispose();
  rmSync(folder, { recursive: true, force: true });
}
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(rows, null, 2)}\n`);
