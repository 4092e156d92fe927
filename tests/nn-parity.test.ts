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

/** Tiny checkpoints written by Python's transformers and plain PyTorch: see src/nn/fixtures/make_fixtures.py and make_pytorch_fixtures.py. */
const FIXTURES = fileURLToPath(new URL('../src/nn/fixtures/', import.meta.url));
const names = readdirSync(FIXTURES, { withFileTypes: true })
  .filter((d) => d.isDirectory() && !d.name.startsWith('__'))
  .map((d) => d.name);

const hiddenPath = (config: { architectures: string[] }, i: number, layers: number): string => {
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

/** What a fixture holds, with the model of its config and its weights as float32. */
async function open(name: string) {
  const folder = join(FIXTURES, name);
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
  const model = modelFromConfig(config);
  const checkpoint = await (await openCheckpoint(diskFolder(folder)))!.readAll();
  const weights = Object.fromEntries([...checkpoint].map(([n, a]) => [n, castArray(a, 'float32')]));
  const feeds = Object.fromEntries(
    Object.entries(expected.inputs).map(([k, v]) => [
      k,
      array(v as number[][], model.inputs[k].dtype === 'int64' ? 'int32' : 'float32'),
    ]),
  );
  const paramNames = Object.keys(weights);
  const all: NDArray[] = [...paramNames.map((n) => weights[n]), ...Object.values(feeds)];
  /** The forward pass as a graph, and the arrays that go into it. */
  const graphOf = (
    pick: (
      outputs: Record<string, Tensor>,
      ctx: { taps: Map<string, Tensor>; updates: Map<string, Tensor> },
    ) => Tensor[],
    train = false,
  ) =>
    trace(
      (...t: Tensor[]) => {
        const params = Object.fromEntries(paramNames.map((n, i) => [n, t[i]]));
        const inputs = Object.fromEntries(Object.keys(feeds).map((n, i) => [n, t[paramNames.length + i]]));
        const ctx = { taps: new Map<string, Tensor>(), updates: new Map<string, Tensor>() };
        return pick(model.forward(scopeOf(params, { ...ctx, train }), inputs as never) as never, ctx);
      },
      all.map((a) => spec(a.shape, a.dtype)),
      all.map((_, i) => `x${i}`),
    ).graph;
  return { config, expected, model, weights, all, graphOf };
}

const worstDifference = (got: NDArray, want: { data: number[] }): number =>
  toNumbers(got).reduce((w, v, i) => Math.max(w, Math.abs(v - want.data[i])), 0);

describe.each(names)('%s equals Python', (name) => {
  it('in logits and hidden states', async () => {
    const { config, expected, model, weights, all, graphOf } = await open(name);
    const stored = Object.entries(model.params)
      .filter(([, p]) => p.tiedTo === undefined)
      .map(([n]) => n);
    expect(Object.keys(weights).filter((n) => !(n in model.params))).toEqual([]);
    expect(stored.filter((n) => !(n in weights))).toEqual([]);
    for (const n of stored) expect([n, ...weights[n].shape]).toEqual([n, ...model.params[n].shape]);
    const outputNames = Object.keys(expected.outputs);
    const layers = outputNames.filter((n) => n.startsWith('hidden.')).length - 1;
    const graph = graphOf((outputs, { taps }) =>
      outputNames.map((n) =>
        n.startsWith('hidden.')
          ? taps.get(hiddenPath(config, Number(n.slice(7)), layers))!
          : n.startsWith('tap:')
            ? taps.get(n.slice(4))!
            : outputs[n],
      ),
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
          if (perToken && isDecoder(model) && mask.flat()[token] === 0) return;
          worst = Math.max(worst, Math.abs(values[i] - w));
        });
        expect(worst, outputNames[k]).toBeLessThan(1e-4);
      });
    }
  });
});

describe('batch norm in training', () => {
  it("normalizes by the batch and moves the running statistics as PyTorch's does", async () => {
    const { expected, all, graphOf } = await open('resnet8');
    const buffers = Object.keys(expected.train.updates);
    const graph = graphOf(
      (outputs, { updates }) => [outputs.logits, ...buffers.map((n) => updates.get(n)!)],
      true,
    );
    for (const got of [interpret(graph, all), await runOrt(graph, all)]) {
      expect(worstDifference(got[0], expected.train.logits)).toBeLessThan(1e-4);
      buffers.forEach((n, i) => {
        expect(worstDifference(got[i + 1], expected.train.updates[n]), n).toBeLessThan(1e-4);
      });
    }
  });
});
