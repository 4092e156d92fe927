import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../src/engine/node/engine.ts';
import { interpret } from '../../src/engine/reference/interpreter.ts';
import { exportOnnx } from '../../src/export/onnx.ts';
import {
  array,
  castArray,
  gatherElements,
  logSoftmax,
  mean,
  type NDArray,
  neg,
  reshape,
  spec,
  type Tensor,
  toNumbers,
  trace,
} from '../../src/graph/index.ts';
import { asInput, importOnnx, type OnnxModel } from '../../src/graph/onnx/reader.ts';
import { adamW, trainStep } from '../../src/optim/index.ts';

type Flat = { shape: number[]; data: number[] };
const here = (name: string): URL => new URL(`./fixtures/${name}`, import.meta.url);
const expected: Record<string, Record<string, Flat>[]> = JSON.parse(
  readFileSync(here('torch-expected.json'), 'utf8'),
);
const load = (name: string): OnnxModel => importOnnx(readFileSync(here(`torch-${name}.onnx`)), { at: name });

const MODELS = [
  { file: 'cnn', cases: 'cnn' },
  { file: 'encoder', cases: 'encoder' },
  { file: 'encoder-traced', cases: 'encoder' },
] as const;

const inputsOf = (model: OnnxModel, c: Record<string, Flat>): NDArray[] =>
  model.inputs.map((p) => array(c[p.name].data, p.dtype, c[p.name].shape));

function expectNear(got: NDArray, want: Flat, tolerance: number): void {
  expect(got.shape).toEqual(want.shape);
  toNumbers(got).forEach((v, i) => {
    expect(Math.abs(v - want.data[i])).toBeLessThanOrEqual(tolerance);
  });
}

const forward = (model: OnnxModel) => (params: Record<string, Tensor>, inputs: Record<string, Tensor>) =>
  model.apply(params, inputs);
const specs = (model: OnnxModel) =>
  Object.fromEntries(model.inputs.map((p) => [p.name, spec(p.shape, p.dtype)]));

async function runBytes(bytes: Uint8Array, feeds: Record<string, NDArray>): Promise<Record<string, NDArray>> {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const tensors = Object.entries(feeds).map(([k, a]) => [
    k,
    new ort.Tensor(a.dtype as 'float32', a.data as Float32Array, a.shape),
  ]);
  const out = await session.run(Object.fromEntries(tensors));
  await session.release();
  return Object.fromEntries(
    session.outputNames.map((k) => [k, array([...(out[k].data as Float32Array)], 'float32', out[k].dims)]),
  );
}

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

describe.each(MODELS)('a model by PyTorch: $file', ({ file, cases }) => {
  const model = load(file);

  it('gives the outputs of PyTorch on the oracle', () => {
    for (const c of expected[cases]) {
      const inputs = inputsOf(model, c);
      const { graph } = trace(
        (x: Record<string, Tensor>) => model.apply({}, x),
        [Object.fromEntries(model.inputs.map((p, i) => [p.name, spec(inputs[i].shape, p.dtype)]))],
        [''],
      );
      interpret(graph, inputs).forEach((got, i) => {
        expectNear(got, c[model.outputs[i].name], 1e-5);
      });
    }
  });

  it('is exported to one file that serves 3 batch sizes and 3 lengths, and read back', async () => {
    const bytes = exportOnnx({
      params: model.params,
      inputs: specs(model),
      forward: forward(model),
    });
    const feedsOf = (c: Record<string, Flat>): Record<string, NDArray> =>
      Object.fromEntries(
        model.inputs.map((p) => [
          p.name,
          array(c[p.name].data, p.dtype === 'int32' ? 'int64' : p.dtype, c[p.name].shape),
        ]),
      );
    for (const c of expected[cases]) {
      const out = await runBytes(bytes, feedsOf(c));
      for (const o of model.outputs) expectNear(out[o.name], c[o.name], 1e-5);
    }
    // operators of the standard only
    expect(fromBinary(ModelProtoSchema, bytes).opsetImport.map((o) => o.domain)).toEqual(['']);
    const again = importOnnx(bytes);
    expect(Object.keys(again.params).sort()).toEqual(Object.keys(model.params).sort());
    expect(again.inputs.map((p) => p.name)).toEqual(model.inputs.map((p) => p.name));
    // the file that was read back writes itself
    expect(
      Buffer.compare(
        exportOnnx({ params: again.params, inputs: specs(again), forward: forward(again) }),
        bytes,
      ),
    ).toBe(0);
    for (const batch of [1, 2, 5]) {
      for (const length of [2, 7, 12]) {
        const sizes: Record<string, number> = { batch, length };
        const feeds = Object.fromEntries(
          model.inputs.map((p) => {
            const shape = p.shape.map((d) => (typeof d === 'number' ? d : sizes[d.key]));
            const n = shape.reduce((a, b) => a * b, 1);
            const values = Array.from({ length: n }, (_, i) =>
              p.name === 'attention_mask' ? 1 : p.dtype === 'int32' ? (i * 7) % 50 : Math.sin(i),
            );
            return [p.name, array(values, p.dtype, shape)];
          }),
        );
        const { graph } = trace((x: Record<string, Tensor>) => model.apply({}, x), [feeds], ['']);
        const want = interpret(
          graph,
          model.inputs.map((p) => feeds[p.name]),
        );
        const wide = Object.entries(feeds).map(([k, a]) => [
          k,
          a.dtype === 'int32' ? castArray(a, 'int64') : a,
        ]);
        const got = await runBytes(bytes, Object.fromEntries(wide));
        model.outputs.forEach((o, i) => {
          expectNear(got[o.name], { shape: [...want[i].shape], data: [...toNumbers(want[i])] }, 1e-4);
        });
      }
    }
  });

  it('is trained: the loss falls', async () => {
    const c = expected[cases][expected[cases].length - 1];
    const inputs = Object.fromEntries(model.inputs.map((p, i) => [p.name, inputsOf(model, c)[i]]));
    const labels = array([0, 1, 2], 'int32', [3, 1]);
    const train = trainStep(
      (p: Record<string, Tensor>, b: { x: Record<string, Tensor>; y: Tensor }) =>
        neg(mean(gatherElements(logSoftmax(model.apply(p, b.x).logits), b.y, 1))),
      adamW(),
      { engine, params: model.params as Record<string, NDArray>, lr: 0.01 },
    );
    const losses: number[] = [];
    for (let i = 0; i < 15; i++) losses.push((await train.step({ x: inputs, y: labels })).loss);
    expect(losses[14]).toBeLessThan(losses[0] / 2);
    // the trained model goes out and comes back with its weights
    const params = await train.params();
    const back = importOnnx(exportOnnx({ params, inputs: specs(model), forward: forward(model) }));
    for (const [name, a] of Object.entries(params)) expect(back.params[name].data).toEqual(a.data);
    await train.dispose();
  });
});

it('hands out hidden values by name', () => {
  const model = load('encoder');
  const name = model.values.find((v) => v.includes('gelu'))!;
  const inputs = Object.fromEntries(
    model.inputs.map((p) => [p.name, asInput(p, array([1, 1, 1, 1], 'int64', [2, 2]))]),
  );
  const { graph } = trace(
    (x: Record<string, Tensor>) => model.apply({}, x, { outputs: [name] }),
    [inputs],
    [''],
  );
  expect(graph.outputs[0].shape).toEqual([2, 2, 32]);
  expect(reshape(graph.outputs[0], [4, 32]).rank).toBe(2);
});

const hasChecker = spawnSync('python3', ['-c', 'import onnx']).status === 0;
it.skipIf(!hasChecker)("passes the checker of Python's onnx package (skipped where python3 has none)", () => {
  const folder = mkdtempSync(join(tmpdir(), 'decant-onnx-'));
  try {
    const files = MODELS.map(({ file }) => {
      const model = load(file);
      const path = join(folder, `${file}.onnx`);
      writeFileSync(
        path,
        exportOnnx({ params: model.params, inputs: specs(model), forward: forward(model) }),
      );
      return path;
    });
    const script = new URL('./check_onnx.py', import.meta.url).pathname;
    const run = spawnSync('python3', [script, ...files], { encoding: 'utf8' });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
