import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import {
  add,
  gather,
  gelu,
  layerNorm,
  linear,
  matmul,
  type NDArray,
  ndarray,
  reshape,
  scaledDotProductAttention,
  spec,
  sym,
  type Tensor,
  toNumbers,
  transpose,
} from '../graph/index.ts';
import { decodeModel } from '../graph/onnx/import/decode.ts';
import { importOnnx } from '../graph/onnx/reader.ts';
import { createRng } from '../util/rng.ts';
import { exportOnnx } from './onnx.ts';
import { type QuantizeOptions, quantizeOnnx } from './quantize.ts';
import { dequantizeInt4, quantizeInt4, quantizeInt8 } from './quantize-weights.ts';

const normal = (seed: string, shape: number[], scale = 1): NDArray => {
  const rng = createRng(seed);
  const n = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    Float32Array.from({ length: n }, () => rng.normal() * scale),
    shape,
  );
};

const D = 64;
const V = 300;
type P = Record<string, Tensor>;
const params: Record<string, NDArray> = {
  'words.weight': normal('words', [V, D]),
  'norm.weight': normal('norm', [D], 0.1),
  'norm.bias': normal('bias', [D], 0.1),
  ...Object.fromEntries(['q', 'k', 'v', 'o'].map((n) => [`${n}.weight`, normal(n, [D, D], 1 / 8)])),
  'up.weight': normal('up', [4 * D, D], 1 / 8),
  'up.bias': normal('up.bias', [4 * D], 0.1),
  'down.weight': normal('down', [D, 4 * D], 1 / 16),
  'down.bias': normal('down.bias', [D], 0.1),
};

/** One transformer block with a tied output layer. */
function block(p: P, { ids }: Record<string, Tensor>): Record<string, Tensor> {
  const [batch, length] = ids.shape;
  const x = gather(p['words.weight'], ids, 0);
  const h = layerNorm(x, p['norm.weight'], p['norm.bias']);
  const heads = (name: string): Tensor =>
    transpose(
      reshape(linear(h, p[`${name}.weight`], undefined, { transW: true }), [batch, length, 4, D / 4]),
      [0, 2, 1, 3],
    );
  const context = transpose(scaledDotProductAttention(heads('q'), heads('k'), heads('v')), [0, 2, 1, 3]);
  const y = add(x, linear(reshape(context, [batch, length, D]), p['o.weight'], undefined, { transW: true }));
  const inner = gelu(linear(y, p['up.weight'], p['up.bias'], { transW: true }));
  const z = add(y, linear(inner, p['down.weight'], p['down.bias'], { transW: true }));
  return { logits: matmul(z, p['words.weight'], { transB: true }) };
}

const original = exportOnnx({
  params,
  inputs: { ids: spec([sym('batch'), sym('seq')], 'int32') },
  forward: block,
});

interface Runtime {
  InferenceSession: Pick<typeof ort.InferenceSession, 'create'>;
  Tensor: typeof ort.Tensor;
}
async function run(
  bytes: Uint8Array,
  [batch, length]: [number, number],
  runtime: Runtime = ort,
): Promise<Float64Array> {
  const session = await runtime.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const ids = BigInt64Array.from({ length: batch * length }, (_, i) => BigInt((i * 37) % V));
  const { logits } = await session.run({ ids: new runtime.Tensor('int64', ids, [batch, length]) });
  expect(logits.dims).toEqual([batch, length, V]);
  return Float64Array.from(logits.data as Float32Array);
}

const distance = (a: Float64Array, b: Float64Array): number =>
  Math.sqrt(a.reduce((s, v, i) => s + (v - b[i]) ** 2, 0) / b.reduce((s, v) => s + v * v, 0));
const operators = (bytes: Uint8Array): string[] => decodeModel(bytes, 'test').graph.node.map((n) => n.opType);
const count = (bytes: Uint8Array, op: string): number => operators(bytes).filter((o) => o === op).length;

const CASES: { name: string; options: QuantizeOptions; size: number; error: number }[] = [
  { name: 'int8', options: { scheme: 'int8' }, size: 0.3, error: 0.02 },
  {
    name: 'int8 with float16 embeddings',
    options: { scheme: 'int8', embeddings: 'float16' },
    size: 0.5,
    error: 0.02,
  },
  { name: 'int8 in 7 bits', options: { scheme: 'int8', reduceRange: true }, size: 0.3, error: 0.03 },
  { name: 'int4', options: { scheme: 'int4' }, size: 0.3, error: 0.15 },
  { name: 'int4 in blocks of 16', options: { scheme: 'int4', blockSize: 16 }, size: 0.32, error: 0.13 },
];

describe('quantizeOnnx', () => {
  it.each(CASES)('$name: smaller, and close to the float32 model', async ({ options, size, error }) => {
    const { bytes, report } = quantizeOnnx(original, options);
    expect(report.quantized.every((q) => q.error < (q.as === 'int4' ? 0.12 : 0.02))).toBe(true);
    expect(bytes.length).toBeLessThan(size * original.length);
    for (const shape of [
      [1, 5],
      [3, 9],
    ] as [number, number][]) {
      const d = distance(await run(bytes, shape), await run(original, shape));
      expect(d).toBeGreaterThan(0);
      expect(d).toBeLessThan(error);
    }
  });

  it('keeps an output layer that is small against the rest, and no product before a residual sum', () => {
    const model = (residual: boolean): Uint8Array =>
      exportOnnx({
        params: { ...params, head: normal('head', [D, D]), 'head.bias': normal('head.bias', [D]) },
        inputs: { x: spec([sym('batch'), D]) },
        forward: (p: P, { x }: Record<string, Tensor>) => {
          const hidden = gelu(linear(x, p['up.weight'], p['up.bias'], { transW: true }));
          const y = linear(hidden, p['down.weight'], p['down.bias'], { transW: true });
          const logits = linear(gelu(y), p.head, p['head.bias']);
          return { logits: residual ? add(y, logits) : logits };
        },
      });
    const kept = (bytes: Uint8Array, keepOutputLayer: number): string[] => {
      const quantized = quantizeOnnx(bytes, { scheme: 'int8', keepOutputLayer });
      return quantized.report.kept.map((k) => `${k.name}: ${k.why}`);
    };
    expect(kept(model(false), 0.2)).toEqual(['head: output layer']);
    expect(kept(model(false), 0.05)).toEqual([]);
    expect(kept(model(true), 0.2)).toEqual([]);
  });

  it('quantizes an activation once for the products that share it, and a tied table once', () => {
    const { bytes, report } = quantizeOnnx(original, { scheme: 'int8' });
    expect(count(bytes, 'MatMulInteger')).toBe(7);
    expect(count(bytes, 'DynamicQuantizeLinear')).toBe(5);
    expect(report.quantized.filter((q) => q.name === 'words.weight')).toHaveLength(1);
    expect(report.kept).toEqual([]);
    const { model } = decodeModel(bytes, 'test');
    expect(model.opsetImport.map((o) => o.domain)).toEqual(['']);
  });

  it('leaves excluded and small weights as they are', () => {
    const { bytes, report } = quantizeOnnx(original, {
      scheme: 'int8',
      exclude: ['words', /^[qk]\.weight$/],
      minElements: D * D + 1,
    });
    expect(count(bytes, 'MatMulInteger')).toBe(2);
    const why = Object.fromEntries(report.kept.map((k) => [k.name, k.why]));
    expect(why).toEqual({
      'words.weight': 'excluded',
      'q.weight': 'excluded',
      'k.weight': 'excluded',
      'v.weight': 'small',
      'o.weight': 'small',
    });
  });

  it('gives the same bytes each time', () => {
    const twice = [1, 2].map(() => quantizeOnnx(original, { scheme: 'int4' }).bytes);
    expect(Buffer.compare(twice[0], twice[1])).toBe(0);
  });

  it('writes int8 files that are read back', () => {
    const model = importOnnx(quantizeOnnx(original, { scheme: 'int8' }).bytes);
    expect(model.outputs[0].shape.map(String)).toHaveLength(3);
  });

  it('refuses operator sets without the operators', () => {
    const { model } = decodeModel(original, 'test');
    expect(Number(model.opsetImport[0].version)).toBeGreaterThanOrEqual(13);
    expect(() => quantizeOnnx(new Uint8Array([1, 2, 3]), { scheme: 'int8' })).toThrow(/protobuf|graph/);
  });
});

describe('quantized weights', () => {
  it('int8 is within half a step, per row and per column', () => {
    const w = normal('w', [7, 11]);
    for (const per of ['row', 'column'] as const) {
      const { data, scales } = quantizeInt8(w, per);
      toNumbers(w).forEach((v, i) => {
        const s = scales[per === 'row' ? Math.floor(i / 11) : i % 11];
        expect(Math.abs(v - data[i] * s)).toBeLessThanOrEqual(s * 0.5001);
      });
    }
  });

  it('int4 keeps the largest element of each block and rounds the others; lengths need not be multiples', () => {
    const w = normal('w4', [40, 5]);
    const m = quantizeInt4(w, false, 16);
    expect(m.blocks).toBe(3);
    const back = toNumbers(dequantizeInt4(m, 40, 5, 16));
    toNumbers(w).forEach((v, i) => {
      const s = Math.abs(m.scales[(i % 5) * 3 + Math.floor(Math.floor(i / 5) / 16)]);
      // 8 is out of range: the opposite extreme may lose a whole step
      expect(Math.abs(v - back[i])).toBeLessThanOrEqual(s * 1.0001);
    });
    const turned = ndarray(
      Float32Array.from(
        { length: 200 },
        (_, i) => (w.data as Float32Array)[(i % 40) * 5 + Math.floor(i / 40)],
      ),
      [5, 40],
    );
    expect(quantizeInt4(turned, true, 16)).toEqual(m);
  });
});
