import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { env, pipeline } from '@huggingface/transformers';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTokenizer, type Tokenizer } from '../src/data/tokenizer/tokenizer.ts';
import { type TokenizerKind, trainTokenizer } from '../src/data/tokenizer/train.ts';
import { createNodeEngine } from '../src/engine/node/engine.ts';
import { exportDecoder } from '../src/export/decoder.ts';
import { exportStudent } from '../src/export/student.ts';
import { generate } from '../src/generate/generate.ts';
import { openDecoderSession } from '../src/generate/session.ts';
import { array, type NDArray, ndarray } from '../src/graph/index.ts';
import { createInference } from '../src/nn/inference.ts';
import { type AnyModel, init } from '../src/nn/model.ts';
import { bertClassifier } from '../src/nn/models/bert.ts';
import { llama } from '../src/nn/models/llama.ts';
import { sentenceEncoder } from '../src/nn/models/sentence.ts';
import type { Params } from '../src/nn/params.ts';
import { diskFolder } from '../src/util/node/disk-folder.ts';
import { bundle, findChromium, openPage, serve } from './browser/chromium.ts';
import { type Asked, type PipelineOutputs, pipelineOutputs } from './browser/transformers-outputs.ts';

const chromium = findChromium();
if (!chromium) console.warn('no Chromium found (set CHROMIUM_PATH): the browser test is skipped');

const root = mkdtempSync(join(tmpdir(), 'decant-models-'));
const engine = createNodeEngine({ threads: 2 });
const texts = [
  'the parcel never came, where is it?',
  'Refund my order!',
  'How do I change the address of a parcel that is under way',
  'thanks',
];
const corpus = Array.from({ length: 30 }, () => texts).flat();
const labels = ['delivery', 'refund', 'address', 'other'];
const asked: Asked = {
  classifier: 'classifier',
  embedder: 'embedder',
  decoder: 'decoder',
  texts,
  prompts: ['the parcel', 'How do I'],
  newTokens: 12,
};

const trained = (kind: TokenizerKind) => {
  const files = trainTokenizer(kind, corpus, { vocabSize: 400, maxLength: 64 });
  return { files, tokenizer: createTokenizer(files.tokenizer, files.tokenizerConfig) };
};
/** Random weights with spread, so that outputs are far from uniform. */
const weights = (model: AnyModel, seed: number, factor: number): Params<NDArray> =>
  Object.fromEntries(
    Object.entries(init(model, seed)).map(([n, a]) => [
      n,
      a.shape.length < 2
        ? a
        : ndarray(
            (a.data as Float32Array).map((x) => factor * x),
            a.shape,
          ),
    ]),
  );

/** One output of a model for one text, on the engine. */
async function ownOutput(
  model: AnyModel,
  params: Params<NDArray>,
  tokenizer: Tokenizer,
  text: string,
  output: string,
): Promise<number[]> {
  const inference = createInference(engine, model, { outputs: [output] });
  await inference.setParams(params);
  const ids = tokenizer.encode(text);
  const out = await inference.run({
    input_ids: array([ids], 'int32'),
    attention_mask: array([ids.map(() => 1)], 'int32'),
  });
  await inference.dispose();
  return [...(out[output].data as Float32Array)];
}

const softmax = (x: number[]): number[] => {
  const e = x.map((v) => Math.exp(v - Math.max(...x)));
  const sum = e.reduce((a, b) => a + b);
  return e.map((v) => v / sum);
};

async function makeFolders(): Promise<PipelineOutputs> {
  const wordpiece = trained('wordpiece');
  const sizes = {
    vocab_size: wordpiece.tokenizer.size,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 64,
    max_position_embeddings: 64,
  };
  const classifier = bertClassifier(sizes, labels.length);
  const classifierWeights = weights(classifier, 1, 8);
  await exportStudent(diskFolder(join(root, asked.classifier)), {
    model: classifier,
    params: classifierWeights,
    formats: ['fp32'],
    labels,
    ...wordpiece.files,
  });
  const embedder = sentenceEncoder({ ...sizes, encoder: 'bert' });
  const embedderWeights = weights(embedder, 2, 8);
  await exportStudent(diskFolder(join(root, asked.embedder)), {
    model: embedder,
    params: embedderWeights,
    outputs: ['last_hidden_state', 'sentence_embedding'],
    formats: ['fp32'],
    ...wordpiece.files,
  });
  const bpe = trained('bpe');
  const decoder = llama({
    vocab_size: bpe.tokenizer.size,
    hidden_size: 32,
    intermediate_size: 64,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
  });
  const decoderWeights = weights(decoder as never, 3, 6);
  await exportDecoder(diskFolder(join(root, asked.decoder)), {
    model: decoder,
    params: decoderWeights,
    formats: ['fp32'],
    ...bpe.files,
  });
  const session = await openDecoderSession(
    ort as never,
    readFileSync(join(root, asked.decoder, 'onnx/model.onnx')),
  );
  const written = await generate(
    session,
    asked.prompts.map((p) => bpe.tokenizer.encode(p)),
    {
      maxTokens: asked.newTokens,
      eos: [bpe.tokenizer.special.eos!],
      decoder: { decode: (ids) => bpe.tokenizer.decode(ids, { skipSpecial: true }) },
    },
  );
  await session.close();
  const each = <T>(f: (text: string) => Promise<T>): Promise<T[]> => Promise.all(texts.map(f));
  return {
    classes: await each(async (t) => {
      const p = softmax(await ownOutput(classifier, classifierWeights, wordpiece.tokenizer, t, 'logits'));
      return Object.fromEntries(labels.map((l, i) => [l, p[i]]));
    }),
    vectors: await each((t) =>
      ownOutput(embedder, embedderWeights, wordpiece.tokenizer, t, 'sentence_embedding'),
    ),
    texts: written.map(([w]) => w.text!),
    logits: await ownOutput(decoder as never, decoderWeights, bpe.tokenizer, texts[0], 'logits'),
  };
}

function compare(where: string, got: PipelineOutputs, want: PipelineOutputs): void {
  const furthest = (a: number[], b: number[]): number => {
    expect(a).toHaveLength(b.length);
    return a.reduce((m, x, i) => Math.max(m, Math.abs(x - b[i])), 0);
  };
  const difference = {
    classifier: furthest(
      got.classes.flatMap((c) => labels.map((l) => c[l])),
      want.classes.flatMap((c) => labels.map((l) => c[l])),
    ),
    embedder: furthest(got.vectors.flat(), want.vectors.flat()),
    decoder: furthest(got.logits, want.logits),
  };
  console.log(`largest absolute difference in ${where}:`, difference);
  for (const d of Object.values(difference)) expect(d).toBeLessThan(1e-4);
  expect(got.texts).toEqual(want.texts);
}

describe('exported folders in transformers.js', () => {
  let want: PipelineOutputs;
  beforeAll(async () => {
    want = await makeFolders();
    // the comparison says something: outputs differ from text to text
    expect(new Set(want.classes.map((c) => c.refund.toFixed(3))).size).toBeGreaterThan(2);
    expect(want.texts[0]).not.toBe(want.texts[1]);
  });
  afterAll(async () => {
    await engine.close();
    rmSync(root, { recursive: true, force: true });
  });

  it('load by pipeline() in Node from a local path, with our outputs', async () => {
    env.allowRemoteModels = false;
    const at = (name: string): string => join(root, name);
    const got = await pipelineOutputs(pipeline as never, {
      ...asked,
      classifier: at(asked.classifier),
      embedder: at(asked.embedder),
      decoder: at(asked.decoder),
    });
    compare('Node', got, want);
  });

  it.skipIf(!chromium)('load by pipeline() in Chromium, with our outputs', async () => {
    const entry = fileURLToPath(import.meta.resolve('@huggingface/transformers'));
    // the runtime that transformers.js brings along
    const runtime = dirname(createRequire(entry).resolve('onnxruntime-web'));
    const page = `
      import { env, pipeline } from '/transformers/transformers.min.js';
      import { pipelineOutputs } from '/outputs.js';
      env.allowLocalModels = true;
      env.allowRemoteModels = false;
      env.useBrowserCache = false;
      env.localModelPath = '/models/';
      env.backends.onnx.wasm.wasmPaths = '/runtime/';
      globalThis.answer = (asked) => pipelineOutputs(pipeline, asked);`;
    const site = await serve(
      {
        '/': '<!doctype html><script type="module" src="/page.js"></script>',
        '/page.js': page,
        '/outputs.js': await bundle(new URL('./browser/transformers-outputs.ts', import.meta.url)),
      },
      {
        '/transformers/': dirname(entry),
        '/runtime/': runtime,
        '/models/': root,
      },
    );
    const { page: tab, close } = await openPage(chromium!, site.url, ['--disable-gpu']);
    try {
      await tab.waitForFunction('typeof answer === "function"');
      const got = (await tab.evaluate(`answer(${JSON.stringify(asked)})`)) as PipelineOutputs;
      compare('Chromium', got, want);
    } finally {
      await close();
      await site.close();
    }
  });
});
