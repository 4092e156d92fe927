import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { interpret } from '../../engine/reference/interpreter.ts';
import {
  add,
  array,
  constant,
  dimAdd,
  dimFloorDiv,
  dimMul,
  fill,
  gather,
  matmul,
  mul,
  type NDArray,
  ndarray,
  reshape,
  type Shape,
  slice,
  spec,
  sum,
  sym,
  type Tensor,
  toNumbers,
  trace,
} from '../index.ts';
import { joinPieces } from './encode.ts';
import { importOnnx } from './reader.ts';
import { GraphBuilder, modelBytes, valueInfo, writeOnnx, writeOnnxExternal } from './writer.ts';

const counting = (shape: number[]): NDArray =>
  ndarray(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
    shape,
  );

const mlp = () =>
  trace(
    (p: Record<string, Tensor>, x: Tensor) => ({ y: add(matmul(x, p.w), p.b), copy: x, again: x }),
    [{ w: spec([8, 4]), b: spec([4]) }, spec([sym('batch'), 8])],
    ['', 'x'],
  ).graph;
const weights = { w: counting([8, 4]), b: counting([4]) };
const decode = (bytes: Uint8Array) => fromBinary(ModelProtoSchema, bytes);

async function run(
  model: string | Uint8Array,
  feeds: Record<string, ort.Tensor>,
  options: ort.InferenceSession.SessionOptions = {},
) {
  const session = await ort.InferenceSession.create(model as string, { intraOpNumThreads: 1, ...options });
  const out = await session.run(feeds);
  await session.release();
  return out;
}
const tensor = (a: NDArray): ort.Tensor =>
  new ort.Tensor(a.dtype as 'float32', a.data as Float32Array, a.shape);

describe('writeOnnx', () => {
  it('names inputs, outputs and weights; outputs that are inputs are copied', async () => {
    const bytes = writeOnnx(mlp(), {
      weights,
      outputNames: ['y', 'copy', 'again'],
      metadata: { task: 'test' },
    });
    const { graph, metadataProps, producerName } = decode(bytes);
    expect(producerName).toBe('decant');
    expect(metadataProps.map((p) => [p.key, p.value])).toEqual([['task', 'test']]);
    expect(graph!.input.map((i) => i.name)).toEqual(['x']);
    expect(graph!.output.map((o) => o.name)).toEqual(['y', 'copy', 'again']);
    expect(graph!.initializer.map((t) => t.name)).toEqual(expect.arrayContaining(['w', 'b']));
    const x = counting([3, 8]);
    const out = await run(bytes, { x: tensor(x) });
    expect(out.again.data).toEqual(x.data);
    const [want] = interpret(mlp(), [weights.w, weights.b, x]);
    toNumbers(want).forEach((v, i) => {
      expect((out.y.data as Float32Array)[i]).toBeCloseTo(v, 5);
    });
  });

  it('writes equal bytes for equal graphs, with names that never collide', () => {
    expect(Buffer.compare(writeOnnx(mlp(), { weights }), writeOnnx(mlp(), { weights }))).toBe(0);
    const { graph } = trace(
      (a: Tensor, b: Tensor) => add(mul(a, b), a),
      [spec([2]), spec([2])],
      ['Mul_0', 'Add_0'],
    );
    const names = decode(writeOnnx(graph, { outputNames: ['Add_1'] })).graph!.node.flatMap((n) => n.output);
    expect(new Set([...names, 'Mul_0', 'Add_0']).size).toBe(names.length + 2);
  });

  it('leaves out weights that no output needs', () => {
    const { graph } = trace(
      (p: Record<string, Tensor>, x: Tensor) => mul(x, p.a),
      [{ a: spec([2]), unused: spec([1000]) }, spec([2])],
      ['', 'x'],
    );
    const bytes = writeOnnx(graph, { weights: { a: counting([2]), unused: counting([1000]) } });
    expect(decode(bytes).graph!.initializer.map((t) => t.name)).toEqual(['a']);
  });

  it('declares int32 as int64 at the border where asked', async () => {
    const { graph } = trace(
      (table: Tensor, ids: Tensor) => [gather(table, ids, 0), add(ids, 1)],
      [spec([5, 2]), spec([sym('n')], 'int32')],
      ['table', 'ids'],
    );
    const bytes = writeOnnx(graph, {
      weights: { table: counting([5, 2]) },
      int64: true,
      outputNames: ['rows', 'next'],
    });
    const out = await run(bytes, { ids: new ort.Tensor('int64', [4n, 0n], [2]) });
    expect(out.rows.dims).toEqual([2, 2]);
    expect(out.next.data).toEqual(BigInt64Array.from([5n, 1n]));
    const some = decode(writeOnnx(graph, { int64: ['ids'], outputNames: ['rows', 'next'] })).graph!;
    const typeOf = (v: (typeof some.input)[number]) =>
      v.type?.value.case === 'tensorType' ? v.type.value.value.elemType : 0;
    expect([...some.input, ...some.output].map(typeOf)).toEqual([1, 7, 1, 6]);
  });

  it('refuses names used twice and weights that do not fit', () => {
    expect(() => writeOnnx(mlp(), { weights, outputNames: ['x', 'b', 'c'] })).toThrow(/distinct names/);
    expect(() => writeOnnx(mlp(), { weights, outputNames: ['y'] })).toThrow(/one name per output/);
    expect(() => writeOnnx(mlp(), { weights: { w: counting([4, 8]) } })).toThrow(/w: a weight does not fit/);
    expect(() => writeOnnx(mlp(), { weights: { v: counting([4]) } })).toThrow(/no input of the graph/);
  });

  it('computes symbolic shapes at every size', async () => {
    const [batch, seq] = [sym('batch'), sym('seq')];
    const wide: Shape = [batch, dimAdd(dimMul(seq, 2), 1), 4];
    const { graph } = trace(
      (x: Tensor) => ({
        flat: reshape(x, [dimMul(batch, seq), 4]),
        filled: fill(wide, 0.5),
        half: slice(x, { axes: [1], starts: [0], ends: [dimFloorDiv(seq, 2)] }),
        total: sum(fill([dimMul(batch, dimMul(seq, seq))], 1)),
      }),
      [spec([batch, seq, 4])],
      ['x'],
    );
    const bytes = writeOnnx(graph, { standardOnly: true, outputNames: graph.outputNames });
    for (const b of [1, 2, 3]) {
      for (const s of [2, 5, 8]) {
        const x = counting([b, s, 4]);
        const want = interpret(graph, [x]);
        const out = await run(bytes, { x: tensor(x) });
        graph.outputNames!.forEach((name, i) => {
          expect(out[name].dims).toEqual(want[i].shape);
          expect(Array.from(out[name].data as Float32Array)).toEqual([
            ...Float32Array.from(toNumbers(want[i])),
          ]);
        });
      }
    }
  });

  it('copies 128 MB of weights once, quickly', () => {
    const w = ndarray(new Float32Array(1 << 25), [1 << 12, 1 << 13]);
    const { graph } = trace(
      (x: Tensor, p: Tensor) => matmul(x, p),
      [spec([1, 1 << 12]), spec(w.shape)],
      ['x', 'w'],
    );
    const begin = performance.now();
    const bytes = writeOnnx(graph, { weights: { w } });
    expect(performance.now() - begin).toBeLessThan(2_000);
    expect(bytes.length).toBeGreaterThan(1 << 27);
    const { model, data } = writeOnnxExternal(graph, { weights: { w }, externalData: { location: 'w.bin' } });
    expect(data[0].buffer).toBe(w.data.buffer);
    expect(joinPieces(model).length).toBeLessThan(1000);
  });
});

describe('over 2 GB', () => {
  it('is refused as one file and written as two, without copying', () => {
    // one gigabyte of zeros that stands for three
    const w = ndarray(new Float32Array(2 ** 28), [2 ** 14, 2 ** 14]);
    const names = ['a', 'b', 'c'];
    const { graph } = trace(
      (p: Record<string, Tensor>, x: Tensor) => names.reduce((y, n) => matmul(y, p[n]), x),
      [Object.fromEntries(names.map((n) => [n, spec(w.shape)])), spec([1, 2 ** 14])],
      ['', 'x'],
    );
    const large = Object.fromEntries(names.map((n) => [n, w]));
    expect(() => writeOnnx(graph, { weights: large })).toThrow(/at most 2 GB.*externalData/);
    const { model, data } = writeOnnxExternal(graph, {
      weights: large,
      externalData: { location: 'model.onnx_data' },
    });
    expect(data.map((d) => d.length)).toEqual([2 ** 30, 2 ** 30, 2 ** 30]);
    const external = decode(joinPieces(model)).graph!.initializer.map((t) =>
      t.externalData.map((e) => e.value),
    );
    expect(external[2]).toEqual(['model.onnx_data', String(2 ** 31), String(2 ** 30)]);
  });
});

describe('bodies', () => {
  it('a Loop body shares initializers and sizes with the graph around it', async () => {
    const builder = new GraphBuilder(true);
    const x = { shape: [sym('n'), 3], dtype: 'float32' as const };
    builder.witness('x', x.shape);
    const body = builder.body();
    const bool = { shape: [], dtype: 'bool' as const };
    const long = { shape: [], dtype: 'int64' as const };
    const step = body.node('Mul', ['state', body.constant(array([2], 'float32', []))]);
    const next = body.node('Add', [step, body.cast(body.dim(sym('n')), 'float32')]);
    const proto = body.bodyProto(
      'body',
      [valueInfo('i', long), valueInfo('cond', bool), valueInfo('state', x)],
      [valueInfo(body.node('Identity', ['cond']), bool), valueInfo(next, x)],
    );
    builder.append('Loop', [builder.constant(array(3, 'int64', [])), '', 'x'], ['y'], {
      body: { graph: proto },
    });
    const bytes = modelBytes(
      {
        ...decode(writeOnnx(mlp(), { weights })).graph!,
        node: builder.nodeProtos,
        initializer: builder.initializers,
        input: [valueInfo('x', x)],
        output: [valueInfo('y', x)],
      },
      builder,
    );
    const out = await run(bytes, { x: tensor(ndarray(new Float32Array(6).fill(1), [2, 3])) });
    // ((1·2 + 2)·2 + 2)·2 + 2
    expect(Array.from(out.y.data as Float32Array)).toEqual(Array(6).fill(22));
  });
});

describe('external data', () => {
  const { graph } = trace(
    (p: Record<string, Tensor>, x: Tensor) =>
      add(matmul(add(matmul(x, p.w1), p.b), p.w2), constant(array([1, 2]))),
    [{ w1: spec([8, 16]), b: spec([16]), w2: spec([16, 2]) }, spec([sym('batch'), 8])],
    ['', 'x'],
  );
  const values = { w1: counting([8, 16]), b: counting([16]), w2: counting([16, 2]) };
  const written = writeOnnxExternal(graph, {
    weights: values,
    externalData: { location: 'model.onnx_data', threshold: 100 },
  });
  const [model, data] = [joinPieces(written.model), joinPieces(written.data)];

  it('holds the large weights at aligned offsets; onnxruntime reads them from disk and from memory', async () => {
    const external = decode(model).graph!.initializer.filter((t) => t.externalData.length > 0);
    expect(external.map((t) => t.name)).toEqual(['w1', 'w2']);
    for (const t of external) {
      const offset = Number(t.externalData.find((e) => e.key === 'offset')!.value);
      expect(offset % 4096).toBe(0);
    }
    const x = counting([2, 8]);
    const want = await run(writeOnnx(graph, { weights: values }), { x: tensor(x) });
    const folder = mkdtempSync(join(tmpdir(), 'decant-external-'));
    try {
      writeFileSync(join(folder, 'model.onnx'), model);
      writeFileSync(join(folder, 'model.onnx_data'), data);
      expect((await run(join(folder, 'model.onnx'), { x: tensor(x) })).out0.data).toEqual(want.out0.data);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const inMemory = await run(
      model,
      { x: tensor(x) },
      { externalData: [{ path: 'model.onnx_data', data }] },
    );
    expect(inMemory.out0.data).toEqual(want.out0.data);
  });

  it('is read back, by a map or a function', () => {
    const byMap = importOnnx(model, { externalData: { 'model.onnx_data': data } });
    expect(byMap.params.w1.data).toEqual(values.w1.data);
    const byFunction = importOnnx(model, {
      externalData: (name) => (name === 'model.onnx_data' ? data : undefined),
    });
    expect(byFunction.params.w2.data).toEqual(values.w2.data);
  });

  it('refuses files that are missing, too short, or outside the folder', () => {
    expect(() => importOnnx(model)).toThrow(/tensor 'w1'.*'model.onnx_data' is missing/);
    expect(() => importOnnx(model, { externalData: { 'model.onnx_data': data.subarray(0, 100) } })).toThrow(
      /ends outside/,
    );
    for (const location of ['../secret', '/etc/passwd', 'a/../../b', 'C:\\x', '..\\x', '']) {
      expect(() => writeOnnxExternal(graph, { weights: values, externalData: { location } })).toThrow();
      const proto = decode(model);
      for (const t of proto.graph!.initializer) {
        for (const e of t.externalData) if (e.key === 'location') e.value = location;
      }
      const evil = modelBytes(proto.graph!, new GraphBuilder(true));
      let asked = false;
      const open = (): Uint8Array => {
        asked = true;
        return data;
      };
      expect(() => importOnnx(evil, { externalData: open })).toThrow(/outside the folder/);
      expect(asked).toBe(false);
    }
  });

  it('refuses offsets and lengths that are no numbers', () => {
    for (const value of ['-1', '1e9', '0x10', '99999999999999999999', 'NaN']) {
      for (const key of ['offset', 'length']) {
        const proto = decode(model);
        for (const t of proto.graph!.initializer)
          for (const e of t.externalData) if (e.key === key) e.value = value;
        const evil = modelBytes(proto.graph!, new GraphBuilder(true));
        expect(() => importOnnx(evil, { externalData: { 'model.onnx_data': data } })).toThrow(
          /external data/,
        );
      }
    }
  });
});
