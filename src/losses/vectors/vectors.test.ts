import { describe, expect, it } from 'vitest';
import { runOrt } from '../../engine/testing/run-ort.ts';
import { add, mul, square, sum } from '../../graph/index.ts';
import {
  type CaseReader,
  caseReader,
  compare,
  runVectorFile,
  type Vector,
  type VectorFile,
} from './index.ts';

describe('compare', () => {
  it('scales by the largest expected magnitude of the array, never below 1', () => {
    expect(compare([100.0009, 0.0009], [100, 0], 1e-5).mismatches).toEqual([]);
    expect(compare([100.002, 0], [100, 0], 1e-5).mismatches).toHaveLength(1);
    expect(compare(0.00002, 0, 1e-5).mismatches[0].detail).toContain('off by');
  });
  it('takes "-inf" literally and null as not defined', () => {
    expect(compare([Number.NEGATIVE_INFINITY, 1], ['-inf', 1], 1e-5).mismatches).toEqual([]);
    expect(compare([-1e9, 1], ['-inf', 1], 1e-5).mismatches).toHaveLength(1);
    expect(compare([Number.NaN, 1], [null, 1], 1e-5).mismatches).toEqual([]);
    expect(compare([0, 1], [null, 1], 1e-5).mismatches).toHaveLength(1);
    expect(compare([Number.NaN], [1], 1e-5).mismatches).toHaveLength(1);
  });
  it('compares structure, text and booleans exactly', () => {
    expect(compare([[1, 2]], [1, 2], 1e-5).mismatches[0].detail).toContain('shape');
    expect(compare({ a: 'x', b: true, more: 1 }, { a: 'x', b: true }, 1e-5).mismatches).toEqual([]);
    expect(compare([{ a: 'x' }], [{ a: 'y' }], 1e-5).mismatches[0].path).toBe('[0].a');
    expect(compare({}, { a: 1 }, 1e-5).mismatches[0]).toEqual({ path: 'a', detail: 'is missing' });
  });
});

const file = (cases: VectorFile['cases']): VectorFile => ({
  method: 'm',
  source: 's',
  tolerance: 1e-5,
  cases,
});
const scaled: Vector = {
  kind: 'differentiable',
  method: 'm',
  function: 'scaled square',
  inputs: { shift: 'host' },
  run: (x, c: CaseReader) => {
    const y = add(mul(square(x.x), c.number('k')), c.input<number>('shift'));
    return { y, loss: sum(y), half: mul(sum(y), 0.5), k: c.number('k') };
  },
};
const listed: Vector = {
  kind: 'algorithmic',
  method: 'm',
  function: 'doubles',
  run: (c) => c.input<number[]>('x').map((v) => ({ v: 2 * v })),
};
const run = async (c: Partial<VectorFile['cases'][0]> & { outputs: VectorFile['cases'][0]['outputs'] }) => {
  const [result] = await runVectorFile(
    file([
      { name: 'case', function: 'scaled square', params: { k: 3 }, inputs: { x: [1, 2], shift: 1 }, ...c },
    ]),
    [scaled, listed],
    (g, x) => runOrt(g, x),
  );
  return result;
};

describe('runVectorFile', () => {
  const good = { y: [4, 13], loss: 17, k: 3, grads: { x: [6, 12] } };
  it('passes right values and gradients on both engines', async () => {
    const result = await run({ outputs: good });
    expect(result).toMatchObject({ status: 'passed', method: 'm', name: 'case' });
    expect(result.error).toBeLessThan(1e-12);
    expect(result.error32).toBeLessThan(1e-5);
  });
  it('fails on a wrong value, gradient, host value or missing output', async () => {
    expect((await run({ outputs: { ...good, loss: 17.1 } })).detail).toContain('float64 oracle: loss');
    expect((await run({ outputs: { ...good, grads: { x: [6, 12.1] } } })).detail).toContain(
      'float32 onnxruntime: grads.x',
    );
    expect((await run({ outputs: { ...good, k: 4 } })).status).toBe('failed');
    expect((await run({ outputs: { ...good, other: 1 } })).detail).toContain('other is missing');
  });
  it('knows gradients nested by output and named by output', async () => {
    expect(await run({ outputs: { grads: { half: { x: [3, 6] }, loss: { x: [6, 12] } } } })).toMatchObject({
      status: 'passed',
    });
    expect(await run({ outputs: { half_grads: { x: [3, 6] }, y_grads: { x: [6, 12] } } })).toMatchObject({
      status: 'passed',
    });
  });
  it('fails when a switch was not read, and when a function throws', async () => {
    expect((await run({ params: { k: 3, mode: 'x' }, outputs: good })).detail).toContain(
      'params.mode was never read',
    );
    expect((await run({ params: {}, outputs: good })).detail).toContain('params.k');
    expect((await run({ inputs: { shift: 1 }, outputs: good })).detail).toMatch(
      /inputs\.x: .*lacks an input/,
    );
  });
  it('takes null for absent, and no value of a switch that it does not know', () => {
    const c = caseReader({
      name: 'case',
      function: 'f',
      params: { k: null, mode: 'other' },
      inputs: { x: null, y: [1] },
      outputs: {},
    });
    expect(c.number('k', 7)).toBe(7);
    expect(() => c.number('k')).toThrow('needs a number');
    expect([c.has('x'), c.has('y')]).toEqual([false, true]);
    expect(() => c.choice('mode', ['this', 'that'])).toThrow('one of this, that');
    expect(c.choice('none', ['this', 'that'], 'that')).toBe('that');
  });
  it('runs host code once and reports unknown functions', async () => {
    expect(
      await run({ function: 'doubles', params: {}, inputs: { x: [1, 2] }, outputs: [{ v: 2 }, { v: 4 }] }),
    ).toMatchObject({ status: 'passed' });
    expect(await run({ function: 'never heard of', outputs: {} })).toMatchObject({ status: 'unknown' });
  });
});
