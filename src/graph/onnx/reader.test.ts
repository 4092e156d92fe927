import { describe, expect, it } from 'vitest';
import { interpret } from '../../engine/reference/interpreter.ts';
import {
  array,
  castArray,
  dimKey,
  type NDArray,
  ndarray,
  scalar,
  showShape,
  spec,
  type Tensor,
  toNumbers,
  trace,
} from '../index.ts';
import { parseDim } from './import/dims.ts';
import { importOnnx } from './reader.ts';
import { makeModel, type NodeSpec } from './testing/make-model.ts';

const ints = (...v: number[]): NDArray => array(v, 'int64', [v.length]);
const outputShape = (bytes: Uint8Array): string => showShape(importOnnx(bytes).outputs[0].shape);

/** Runs on the oracle. */
function run(bytes: Uint8Array, inputs: Record<string, NDArray>): number[][] {
  const m = importOnnx(bytes);
  const args = Object.fromEntries(m.inputs.map((p) => [p.name, castArray(inputs[p.name], p.dtype)]));
  const { graph } = trace((x: Record<string, Tensor>) => m.apply({}, x), [args], ['']);
  return interpret(
    graph,
    m.inputs.map((p) => args[p.name]),
  ).map((a) => [...toNumbers(a)]);
}

const X = { x: { shape: ['batch', 'seq', 8] } };

describe('shapes computed in the graph', () => {
  it('reshape by Shape, Gather, Div and Concat keeps symbols', () => {
    const bytes = makeModel(
      [
        { op: 'Shape', in: ['x'], out: ['s'] },
        { op: 'Gather', in: ['s', 'zero'], out: ['batch'] },
        { op: 'Gather', in: ['s', 'one'], out: ['seq'] },
        { op: 'Gather', in: ['s', 'two'], out: ['width'] },
        { op: 'Div', in: ['width', 'heads'], out: ['part'] },
        { op: 'Unsqueeze', in: ['batch', 'axis'], out: ['batch1'] },
        { op: 'Unsqueeze', in: ['seq', 'axis'], out: ['seq1'] },
        { op: 'Unsqueeze', in: ['part', 'axis'], out: ['part1'] },
        { op: 'Concat', in: ['batch1', 'seq1', 'heads1', 'part1'], out: ['target'], attrs: { axis: 0 } },
        { op: 'Reshape', in: ['x', 'target'], out: ['y'] },
      ],
      {
        inputs: X,
        outputs: ['y'],
        weights: {
          zero: scalar(0, 'int64'),
          one: scalar(1, 'int64'),
          two: scalar(2, 'int64'),
          heads: scalar(4, 'int64'),
          heads1: ints(4),
          axis: ints(0),
        },
      },
    );
    expect(outputShape(bytes)).toBe('[batch, seq, 4, 2]');
  });

  it('the Where(Equal(shape, -1), ones, shape) of PyTorch expands', () => {
    const bytes = makeModel(
      [
        { op: 'Shape', in: ['x'], out: ['s'] },
        { op: 'Slice', in: ['s', 'zero', 'two'], out: ['lead'] },
        { op: 'Concat', in: ['lead', 'minus'], out: ['wanted'], attrs: { axis: 0 } },
        { op: 'Shape', in: ['wanted'], out: ['rank'] },
        { op: 'ConstantOfShape', in: ['rank'], out: ['ones'], attrs: { value: { tensor: ints(1) } } },
        { op: 'Equal', in: ['wanted', 'minus'], out: ['open'] },
        { op: 'Where', in: ['open', 'ones', 'wanted'], out: ['target'] },
        { op: 'Expand', in: ['row', 'target'], out: ['y'] },
      ],
      {
        inputs: X,
        outputs: ['y'],
        weights: {
          zero: ints(0),
          two: ints(2),
          minus: ints(-1),
          row: ndarray(new Float32Array(8), [1, 1, 8]),
        },
      },
    );
    expect(outputShape(bytes)).toBe('[batch, seq, 8]');
  });

  it('Range, ReduceProd, Max, Mul and Flatten of symbolic sizes', () => {
    const bytes = makeModel(
      [
        { op: 'Shape', in: ['x'], out: ['s'], attrs: { start: 0, end: 2 } },
        { op: 'ReduceProd', in: ['s'], out: ['n'], attrs: { keepdims: 0 } },
        { op: 'Max', in: ['n', 'one'], out: ['m'] },
        { op: 'Mul', in: ['m', 'two'], out: ['twice'] },
        { op: 'Range', in: ['zero', 'twice', 'one'], out: ['r'] },
        { op: 'Less', in: ['m', 'zero'], out: ['negative'] },
        { op: 'Where', in: ['negative', 'zero', 'two'], out: ['shift'] },
        { op: 'Add', in: ['r', 'shift'], out: ['shifted'] },
        { op: 'Cast', in: ['shifted'], out: ['y'], attrs: { to: 1 } },
      ],
      {
        inputs: X,
        outputs: ['y'],
        weights: { zero: scalar(0, 'int64'), one: scalar(1, 'int64'), two: scalar(2, 'int64') },
      },
    );
    expect(outputShape(bytes)).toBe('[2*batch*seq]');
    expect(run(bytes, { x: ndarray(new Float32Array(16), [1, 2, 8]) })).toEqual([[2, 3, 4, 5]]);
  });

  it('a size can be used as a number', () => {
    const bytes = makeModel(
      [
        { op: 'Shape', in: ['x'], out: ['s'] },
        { op: 'Cast', in: ['s'], out: ['f'], attrs: { to: 1 } },
        { op: 'Sqrt', in: ['f'], out: ['y'] },
      ],
      { inputs: { x: { shape: ['n', 4] } }, outputs: ['y'] },
    );
    expect(run(bytes, { x: ndarray(new Float32Array(36), [9, 4]) })).toEqual([[3, 2]]);
  });

  it('a shape that depends on data names the node and the value', () => {
    const bytes = makeModel(
      [
        { op: 'Cast', in: ['x'], out: ['t'], attrs: { to: 7 } },
        { op: 'Reshape', in: ['w', 't'], out: ['y'] },
      ],
      { inputs: { x: { shape: [2] } }, outputs: ['y'], weights: { w: ndarray(new Float32Array(4), [4]) } },
    );
    expect(() => importOnnx(bytes)).toThrow(/node 'n1' \(Reshape of .*input 1 \(t\) is computed from data/);
  });

  it('dimensions may be bound, renamed, or written as expressions', () => {
    const bytes = makeModel([{ op: 'Add', in: ['a', 'b'], out: ['y'] }], {
      inputs: { a: { shape: ['n', 3] }, b: { shape: ['m', 3] } },
      outputs: ['y'],
    });
    expect(() => importOnnx(bytes)).toThrow(/broadcast/);
    expect(importOnnx(bytes, { dims: { m: 'n' } }).outputs[0].shape.map(dimKey)).toEqual(['n', '3']);
    expect(importOnnx(bytes, { dims: { n: 5, m: 5 } }).outputs[0].shape).toEqual([5, 3]);
    expect(importOnnx(bytes, { inputShapes: { a: [2, 3], b: [1, 3] } }).outputs[0].shape).toEqual([2, 3]);
    const texts = ['past + seq', '2*batch', '-1 + 3*n + n*n', 'floor((1 + h)/(2))', '1 + floor((a·b)/(c))'];
    for (const t of texts) expect(dimKey(parseDim(t))).toBe(t);
    expect(dimKey(parseDim('past_sequence_length + 1'))).toBe('1 + past_sequence_length');
    expect(dimKey(parseDim('Max(1, s0)'))).toBe('Max_1__s0_');
    expect(dimKey(parseDim('unk__12'))).toBe('unk__12');
    expect(dimKey(parseDim('3d'))).toBe('_3d');
  });
});

describe('operator sets', () => {
  const x = ndarray(Float32Array.of(-2, -1, 0, 1, 2, 3), [2, 3, 1]);
  const cases: [string, number, NodeSpec[], Record<string, NDArray>, number[]][] = [
    [
      'Squeeze 11',
      11,
      [{ op: 'Squeeze', in: ['x'], out: ['y'], attrs: { axes: [2] } }],
      {},
      [-2, -1, 0, 1, 2, 3],
    ],
    [
      'Squeeze 13',
      13,
      [{ op: 'Squeeze', in: ['x', 'a'], out: ['y'] }],
      { a: ints(-1) },
      [-2, -1, 0, 1, 2, 3],
    ],
    [
      'Clip 6',
      6,
      [{ op: 'Clip', in: ['x'], out: ['y'], attrs: { min: { float: -1 } } }],
      {},
      [-1, -1, 0, 1, 2, 3],
    ],
    ['Clip 11', 11, [{ op: 'Clip', in: ['x', '', 'm'], out: ['y'] }], { m: scalar(1) }, [-2, -1, 0, 1, 1, 1]],
    ['ReduceSum 11', 11, [{ op: 'ReduceSum', in: ['x'], out: ['y'], attrs: { axes: [1] } }], {}, [-3, 6]],
    ['ReduceSum 13', 13, [{ op: 'ReduceSum', in: ['x', 'a'], out: ['y'] }], { a: ints(1) }, [-3, 6]],
    [
      'ReduceSum, no axes',
      13,
      [{ op: 'ReduceSum', in: ['x'], out: ['y'], attrs: { noop_with_empty_axes: 1 } }],
      {},
      [-2, -1, 0, 1, 2, 3],
    ],
    ['ReduceMax 18', 18, [{ op: 'ReduceMax', in: ['x', 'a'], out: ['y'] }], { a: ints(1) }, [0, 3]],
    [
      'Slice 9',
      9,
      [{ op: 'Slice', in: ['x'], out: ['y'], attrs: { starts: [1], ends: [9], axes: [1] } }],
      {},
      [-1, 0, 2, 3],
    ],
    [
      'Slice 10',
      10,
      [{ op: 'Slice', in: ['x', 's', 'e', 'a', 'st'], out: ['y'] }],
      { s: ints(2), e: ints(-9), a: ints(1), st: ints(-2) },
      [0, -2, 3, 1],
    ],
    [
      'Pad 2',
      10,
      [{ op: 'Pad', in: ['x'], out: ['y'], attrs: { pads: [0, 1, 0, 0, -1, 0], value: { float: 9 } } }],
      {},
      [9, -2, -1, 9, 1, 2],
    ],
    [
      'Pad 18',
      18,
      [{ op: 'Pad', in: ['x', 'p', '', 'a'], out: ['y'] }],
      { p: ints(1, 0), a: ints(1) },
      [0, -2, -1, 0, 0, 1, 2, 3],
    ],
    [
      'Dropout 7',
      7,
      [{ op: 'Dropout', in: ['x'], out: ['y'], attrs: { ratio: { float: 0.5 } } }],
      {},
      [-2, -1, 0, 1, 2, 3],
    ],
    [
      'Dropout 12',
      12,
      [{ op: 'Dropout', in: ['x', 'r'], out: ['y'] }],
      { r: scalar(0.5) },
      [-2, -1, 0, 1, 2, 3],
    ],
    ['TopK 1', 9, [{ op: 'TopK', in: ['x'], out: ['y', 'i'], attrs: { k: 1, axis: 1 } }], {}, [0, 3]],
    [
      'TopK 11',
      11,
      [{ op: 'TopK', in: ['x', 'k'], out: ['y', 'i'], attrs: { axis: 1, largest: 0 } }],
      { k: ints(1) },
      [-2, 1],
    ],
    [
      'Softmax 11 flattens',
      11,
      [
        { op: 'Softmax', in: ['x'], out: ['p'], attrs: { axis: 0 } },
        { op: 'ReduceSum', in: ['p'], out: ['y'], attrs: { keepdims: 0 } },
      ],
      {},
      [1],
    ],
    [
      'Softmax 13 does not',
      13,
      [
        { op: 'Softmax', in: ['x'], out: ['p'], attrs: { axis: 0 } },
        { op: 'ReduceSum', in: ['p'], out: ['y'], attrs: { keepdims: 0 } },
      ],
      {},
      [3],
    ],
    [
      'Unsqueeze 11',
      11,
      [{ op: 'Unsqueeze', in: ['x'], out: ['y'], attrs: { axes: [0, -1] } }],
      {},
      [-2, -1, 0, 1, 2, 3],
    ],
    [
      'Split 11',
      11,
      [{ op: 'Split', in: ['x'], out: ['a', 'y'], attrs: { axis: 1, split: [2, 1] } }],
      {},
      [0, 3],
    ],
    [
      'Split 18',
      18,
      [{ op: 'Split', in: ['x'], out: ['a', 'y'], attrs: { axis: 1, num_outputs: 2 } }],
      {},
      [0, 3],
    ],
    [
      'BatchNormalization 9',
      9,
      [
        {
          op: 'BatchNormalization',
          in: ['x', 'one', 'one', 'zero', 'one'],
          out: ['y'],
          attrs: { epsilon: { float: 0 } },
        },
      ],
      { one: ndarray(Float32Array.of(1, 1, 1), [3]), zero: ndarray(Float32Array.of(0, 0, 0), [3]) },
      [-1, 0, 1, 2, 3, 4],
    ],
    [
      'Gelu 20',
      20,
      [
        { op: 'Gelu', in: ['x'], out: ['g'] },
        { op: 'Relu', in: ['g'], out: ['r'] },
        { op: 'Sign', in: ['r'], out: ['y'] },
      ],
      {},
      [0, 0, 0, 1, 1, 1],
    ],
    [
      'Add 6 by axis',
      6,
      [{ op: 'Add', in: ['x', 'w'], out: ['y'], attrs: { broadcast: 1, axis: 1 } }],
      { w: ndarray(Float32Array.of(10, 20, 30), [3]) },
      [8, 19, 30, 11, 22, 33],
    ],
    [
      'RMSNormalization 23',
      23,
      [
        { op: 'RMSNormalization', in: ['x', 'w'], out: ['n'], attrs: { epsilon: { float: 0 } } },
        { op: 'Sign', in: ['n'], out: ['y'] },
      ],
      { w: ndarray(Float32Array.of(1), [1]) },
      [-1, -1, Number.NaN, 1, 1, 1],
    ],
  ];
  it.each(cases)('%s', (_, opset, nodes, weights, want) => {
    const bytes = makeModel(nodes, { inputs: { x: { shape: [2, 3, 1] } }, outputs: ['y'], weights, opset });
    const [got] = run(bytes, { x });
    expect(got.map((v) => Number(v.toFixed(9)))).toEqual(want);
  });

  it('outside 6 to 28 is refused', () => {
    for (const opset of [1, 5, 29, 99]) {
      const bytes = makeModel([{ op: 'Relu', in: ['x'], out: ['y'] }], { inputs: X, outputs: ['y'], opset });
      expect(() => importOnnx(bytes)).toThrow(/operator set that is not supported/);
    }
  });
});

describe('parameters', () => {
  const bytes = makeModel(
    [
      { op: 'Mul', in: ['x', 'half'], out: ['h'] },
      { op: 'BatchNormalization', in: ['h', 's', 'b', 'm', 'v'], out: ['y'] },
    ],
    {
      inputs: { x: { shape: [2, 3] } },
      outputs: ['y'],
      weights: {
        half: scalar(0.5),
        ...Object.fromEntries(['s', 'b', 'm', 'v'].map((k) => [k, ndarray(Float32Array.of(1, 2, 3), [3])])),
      },
    },
  );
  it('are float initializers; scalars and running statistics are buffers, unless said otherwise', () => {
    const m = importOnnx(bytes);
    expect(Object.keys(m.params)).toEqual(['s', 'b']);
    expect(Object.keys(m.buffers)).toEqual(['half', 'm', 'v']);
    expect(Object.keys(importOnnx(bytes, { trainable: (n) => n === 'half' }).params)).toEqual(['half']);
  });
  it('that do not fit or do not exist are refused', () => {
    const m = importOnnx(bytes);
    const attempt = (name: string, shape: number[]) => () =>
      trace((x: Tensor, p: Tensor) => m.apply({ [name]: p }, { x }), [spec([2, 3]), spec(shape)]);
    expect(attempt('s', [4])).toThrow(/a parameter does not fit/);
    expect(attempt('z', [3])).toThrow(/no such parameter/);
    expect(() => trace(() => m.apply({}, {}), [])).toThrow(/input 'x' is missing/);
    expect(() => trace((x: Tensor) => m.apply({}, { x }), [spec([2, 4])])).toThrow(/input 'x' does not fit/);
  });
});

describe('what is not supported', () => {
  it('is listed all at once, with node and operator', () => {
    const bytes = makeModel(
      [
        { op: 'NonMaxSuppression', in: ['x'], out: ['a'] },
        { op: 'Relu', in: ['x'], out: ['b'] },
        { op: 'FusedMagic', in: ['b'], out: ['c'], domain: 'com.example' },
        { op: 'toString', in: ['b'], out: ['y'] },
      ],
      { inputs: X, outputs: ['y'] },
    );
    expect(() => importOnnx(bytes)).toThrow(
      /3 of 4 nodes.*\n {2}n0: NonMaxSuppression\n {2}n2: com.example.FusedMagic\n {2}n3: toString/,
    );
  });
});
