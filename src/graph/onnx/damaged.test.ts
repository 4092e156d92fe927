import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { DecantError, isDecantError } from '../../util/errors.ts';
import { createRng } from '../../util/rng.ts';
import {
  add,
  array,
  matmul,
  type NDArray,
  ndarray,
  relu,
  scalar,
  spec,
  sym,
  type Tensor,
  toNumbers,
  trace,
} from '../index.ts';
import { tensorData } from './import/tensor-data.ts';
import { rawTensorProto } from './proto.ts';
import { importOnnx } from './reader.ts';
import { makeModel } from './testing/make-model.ts';
import { writeOnnx } from './writer.ts';

const ints = (...v: number[]): NDArray => array(v, 'int64', [v.length]);
const X = { x: { shape: ['batch', 'seq', 8] } };

describe('tensor data', () => {
  it('is read from raw and typed fields of every type', () => {
    const proto = (dataType: number, fields: object) => ({
      ...rawTensorProto('t', dataType, [2], new Uint8Array()),
      ...fields,
    });
    const read = (dataType: number, fields: object): number[] => [
      ...toNumbers(tensorData(proto(dataType, fields) as never)),
    ];
    expect(read(1, { floatData: [1.5, -2] })).toEqual([1.5, -2]);
    expect(read(11, { doubleData: [1e300, 2] })).toEqual([1e300, 2]);
    expect(read(7, { int64Data: [5n, 2n ** 62n] })).toEqual([5, 2 ** 31 - 1]);
    expect(read(13, { uint64Data: [5n, 2n ** 63n] })).toEqual([5, 2 ** 32 - 1]);
    expect(read(3, { rawData: Uint8Array.of(255, 127) })).toEqual([-1, 127]);
    expect(read(5, { rawData: Uint8Array.of(0xff, 0xff, 1, 0) })).toEqual([-1, 1]);
    expect(read(10, { rawData: Uint8Array.of(0, 0x3c, 0, 0xc0) })).toEqual([1, -2]);
    expect(read(10, { int32Data: [0x3c00, 0xc000] })).toEqual([1, -2]);
    expect(read(16, { rawData: Uint8Array.of(0x80, 0x3f, 0, 0xc0) })).toEqual([1, -2]);
    expect(read(9, { int32Data: [1, 0] })).toEqual([1, 0]);
    expect(() => read(8, {})).toThrow(/element type that is not supported/);
    expect(() => read(1, { floatData: [1] })).toThrow(/needs 2 elements/);
    expect(() => read(1, { dims: [-1n], floatData: [1] })).toThrow(/impossible shape/);
    expect(() => read(1, { dims: [2n ** 40n, 2n ** 40n] })).toThrow(/impossible shape/);
  });
});

describe('damaged files', () => {
  const { graph } = trace(
    (p: Record<string, Tensor>, x: Tensor) => relu(add(matmul(x, p.w), p.b)),
    [{ w: spec([3, 2]), b: spec([2]) }, spec([sym('batch'), 3])],
    ['', 'x'],
  );
  const good = writeOnnx(graph, {
    weights: { w: ndarray(new Float32Array(6), [3, 2]), b: ndarray(new Float32Array(2), [2]) },
  });
  const chain = makeModel(
    [
      { op: 'Shape', in: ['x'], out: ['s'] },
      { op: 'Gather', in: ['s', 'i'], out: ['n'] },
      { op: 'Range', in: ['zero', 'n', 'one'], out: ['r'] },
      { op: 'ConstantOfShape', in: ['s'], out: ['c'] },
      { op: 'Slice', in: ['x', 'a', 'b', 'a'], out: ['t'] },
      { op: 'Softmax', in: ['t'], out: ['y'], attrs: { axis: 1 } },
      { op: 'AveragePool', in: ['c'], out: ['q'], attrs: { kernel_shape: [1] } },
    ],
    {
      inputs: X,
      outputs: ['y', 'r', 'q'],
      weights: {
        i: scalar(1, 'int64'),
        zero: scalar(0, 'int64'),
        one: scalar(1, 'int64'),
        a: ints(0),
        b: ints(1),
      },
    },
  );
  const attempt = (bytes: Uint8Array): void => {
    try {
      importOnnx(bytes);
    } catch (e) {
      if (!isDecantError(e)) throw e;
      expect(['model', 'shape', 'usage']).toContain((e as DecantError).code);
    }
  };

  it('cut anywhere give an error or a smaller model, nothing else', () => {
    for (const bytes of [good, chain]) {
      for (let n = 0; n < bytes.length; n++) attempt(bytes.subarray(0, n));
    }
    for (const n of [0, 1, 5]) expect(() => importOnnx(good.subarray(0, n))).toThrow(DecantError);
  });

  it('with bytes changed at random never hang and never throw anything but a DecantError', () => {
    const rng = createRng('onnx fuzz');
    for (let round = 0; round < 1500; round++) {
      const bytes = Uint8Array.from(rng.pick([good, chain]));
      const changes = 1 + rng.int(4);
      for (let i = 0; i < changes; i++) {
        const at = rng.int(bytes.length);
        bytes[at] = rng.uniform() < 0.5 ? rng.int(256) : bytes[at] ^ (1 << rng.int(8));
      }
      attempt(bytes);
    }
  });

  it('of random bytes are refused', () => {
    const rng = createRng('onnx noise');
    for (let round = 0; round < 300; round++) {
      const noise = Uint8Array.from({ length: rng.int(200) }, () => rng.int(256));
      expect(() => importOnnx(noise)).toThrow(DecantError);
    }
  });

  it('name what is wrong: cycles, values defined twice, missing outputs', () => {
    const change = (edit: (m: ModelProto) => void): Uint8Array => {
      const m = fromBinary(ModelProtoSchema, good);
      edit(m);
      return toBinary(ModelProtoSchema, m);
    };
    expect(() => importOnnx(change((m) => m.graph!.node.reverse()))).toThrow(/before it is defined/);
    expect(() => importOnnx(change((m) => m.graph!.node.push(m.graph!.node[0])))).toThrow(/defined twice/);
    expect(() => importOnnx(change((m) => (m.graph!.output[0].name = 'nowhere')))).toThrow(/made by no node/);
    expect(() => importOnnx(change((m) => (m.graph!.initializer[0].dims = [7n])))).toThrow(
      /needs 7 elements/,
    );
    expect(() => importOnnx(change((m) => (m.graph = undefined)))).toThrow(/holds no graph/);
    expect(() => importOnnx(good, { fixed: {} })).not.toThrow();
  });
});
