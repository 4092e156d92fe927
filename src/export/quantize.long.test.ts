import * as node from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { gelu, linear, ndarray, spec, sym, type Tensor } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import { exportOnnx } from './onnx.ts';
import { quantizeOnnx } from './quantize.ts';

type Runtime = Pick<typeof node, 'InferenceSession' | 'Tensor'>;

const rng = createRng('quantize on the web');
const normal = (...shape: number[]) =>
  ndarray(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal() / 8),
    shape,
  );
const bytes = exportOnnx({
  params: { up: normal(256, 64), bias: normal(256), down: normal(32, 256) },
  inputs: { x: spec([sym('batch'), 64]) },
  forward: (p: Record<string, Tensor>, { x }: Record<string, Tensor>) => ({
    y: linear(gelu(linear(x, p.up, p.bias, { transW: true })), p.down, undefined, { transW: true }),
  }),
});
const x = normal(5, 64);

async function run(ort: Runtime, model: Uint8Array): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(model);
  const { y } = await session.run({ x: new ort.Tensor('float32', x.data as Float32Array, x.shape) });
  return y.data as Float32Array;
}

it('int8 and int4 models run in onnxruntime-web as they do in onnxruntime-node', async () => {
  const web = (await import('onnxruntime-web')) as unknown as Runtime & { env: node.Env };
  web.env.wasm.numThreads = 1;
  const want = await run(node, bytes);
  const length = Math.hypot(...want);
  const distance = (a: Float32Array, b: Float32Array): number =>
    Math.hypot(...a.map((v, i) => v - b[i])) / length;
  for (const scheme of ['int8', 'int4'] as const) {
    const quantized = quantizeOnnx(bytes, { scheme }).bytes;
    const [here, there] = [await run(node, quantized), await run(web, quantized)];
    expect(distance(here, there)).toBeLessThan(0.01);
    expect(distance(there, want)).toBeLessThan(scheme === 'int8' ? 0.02 : 0.15);
  }
});
