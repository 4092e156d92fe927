import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { interpret } from '../src/engine/reference/interpreter.ts';
import { runOrt } from '../src/engine/testing/run-ort.ts';
import { openCheckpoint } from '../src/export/checkpoint.ts';
import { array, castArray, type NDArray, spec, type Tensor, toNumbers, trace } from '../src/graph/index.ts';
import { isDecoder, modelFromConfig } from '../src/nn/auto.ts';
import { scopeOf } from '../src/nn/scope.ts';
import { diskFolder } from '../src/util/node/disk-folder.ts';

/** Tiny checkpoints written by Python's transformers: see src/nn/fixtures/make_fixtures.py. */
const FIXTURES = fileURLToPath(new URL('../src/nn/fixtures/', import.meta.url));
const names = readdirSync(FIXTURES, { withFileTypes: true })
  .filter((d) => d.isDirectory())
  .map((d) => d.name);

const tapPaths = (config: Record<string, any>, i: number, layers: number): string => {
  switch (config.architectures[0]) {
    case 'BertModel':
      return i === 0 ? 'embeddings' : `encoder.layer.${i - 1}`;
    case 'BertForSequenceClassification':
    case 'BertForTokenClassification':
      return i === 0 ? 'bert.embeddings' : `bert.encoder.layer.${i - 1}`;
    case 'DistilBertForSequenceClassification':
      return i === 0 ? 'distilbert.embeddings' : `distilbert.transformer.layer.${i - 1}`;
    case 'GPT2LMHeadModel': // the last hidden state stands after the final norm
      return i === 0
        ? 'transformer.embeddings'
        : i === layers
          ? 'transformer.ln_f'
          : `transformer.h.${i - 1}`;
    default:
      return i === 0 ? 'model.embed_tokens' : i === layers ? 'model.norm' : `model.layers.${i - 1}`;
  }
};

describe.each(names)('%s equals transformers', (name) => {
  it('in logits and hidden states', async () => {
    const folder = join(FIXTURES, name);
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
    const model = modelFromConfig(config);
    const checkpoint = await (await openCheckpoint(diskFolder(folder)))!.readAll();
    const weights = Object.fromEntries([...checkpoint].map(([n, a]) => [n, castArray(a, 'float32')]));
    const stored = Object.entries(model.params)
      .filter(([, p]) => p.tiedTo === undefined)
      .map(([n]) => n);
    expect(Object.keys(weights).filter((n) => !(n in model.params))).toEqual([]);
    expect(stored.filter((n) => !(n in weights))).toEqual([]);
    const feeds = Object.fromEntries(
      Object.entries(expected.inputs).map(([k, v]) => [k, array(v as number[][], 'int32')]),
    );
    const paramNames = Object.keys(weights);
    const outputNames = Object.keys(expected.outputs);
    const layers = outputNames.filter((n) => n.startsWith('hidden.')).length - 1;
    const all: NDArray[] = [...paramNames.map((n) => weights[n]), ...Object.values(feeds)];
    const { graph } = trace(
      (...t: Tensor[]) => {
        const params = Object.fromEntries(paramNames.map((n, i) => [n, t[i]]));
        const inputs = Object.fromEntries(Object.keys(feeds).map((n, i) => [n, t[paramNames.length + i]]));
        const taps = new Map<string, Tensor>();
        const outputs: Record<string, unknown> = model.forward(scopeOf(params, { taps }), inputs as never);
        return outputNames.map(
          (n) =>
            (n.startsWith('hidden.')
              ? taps.get(tapPaths(config, Number(n.slice(7)), layers))
              : outputs[n]) as Tensor,
        );
      },
      all.map((a) => spec(a.shape, a.dtype)),
      all.map((_, i) => `x${i}`),
    );
    const mask = expected.inputs.attention_mask as number[][];
    for (const got of [interpret(graph, all), await runOrt(graph, all)]) {
      got.forEach((g, k) => {
        const want = expected.outputs[outputNames[k]];
        expect([...g.shape]).toEqual(want.shape);
        const values = toNumbers(g);
        const perToken = want.shape.length === 3;
        let worst = 0;
        want.data.forEach((w: number, i: number) => {
          const token = Math.floor(i / want.shape.at(-1));
          // what stands at padding is of no use to anyone, and decoders treat it in different ways
          if (perToken && mask.flat()[token] === 0 && isDecoder(model)) return;
          worst = Math.max(worst, Math.abs(values[i] - w));
        });
        expect(worst, outputNames[k]).toBeLessThan(1e-4);
      });
    }
  });
});
