import { afterAll, describe, expect, expectTypeOf, it } from 'vitest';
import { add, array, matmul, mul, type NDArray, spec, sum, sym, type Tensor } from '../graph/index.ts';
import { compile, compileWith } from './compile.ts';
import { createNodeEngine } from './node/engine.ts';
import { createReferenceEngine } from './reference/engine.ts';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

const affine = (p: { w: Tensor; b: Tensor }, x: Tensor) => {
  const y = add(matmul(x, p.w), p.b);
  return { y, total: sum(y) };
};
const params = { w: array([[1, 2]]), b: array([10, 20]) };

describe('compile', () => {
  it('infers host types from the function, traces once per shape, and runs on any engine', async () => {
    let traces = 0;
    const counted = (p: { w: Tensor; b: Tensor }, x: Tensor) => {
      traces++;
      return affine(p, x);
    };
    for (const e of [engine, createReferenceEngine()]) {
      traces = 0;
      const f = compile(counted, { engine: e });
      expectTypeOf(f).parameters.toEqualTypeOf<[{ w: NDArray; b: NDArray }, NDArray]>();
      expectTypeOf(f).returns.resolves.toEqualTypeOf<{ y: NDArray; total: NDArray }>();
      for (const x of [array([[3]]), array([[4]]), array([[5], [6]])]) {
        const { y, total } = await f(params, x);
        const want = Array.from(x.data as Float32Array).flatMap((v) => [v + 10, 2 * v + 20]);
        expect(Array.from(y.data as Float32Array)).toEqual(want);
        expect(total.data[0]).toBe(want.reduce((a, b) => a + b));
      }
      expect(traces).toBe(2);
      await f.dispose();
    }
  });

  it('serves all sizes with one graph when sizes are symbols', async () => {
    let traces = 0;
    const f = compile(
      (x: Tensor) => {
        traces++;
        return sum(x, 0);
      },
      { engine, types: [spec([sym('batch'), 2])] },
    );
    for (const rows of [1, 3]) {
      const x = array(Array.from({ length: rows }, () => [1, 2]));
      expect(Array.from((await f(x)).data as Float32Array)).toEqual([rows, 2 * rows]);
    }
    expect(traces).toBe(1);
    await expect(f(array([1, 2, 3]))).rejects.toThrow(/0: wrong shape.*\[batch, 2\]/);
  });

  it('bakes frozen trees in as initializers', async () => {
    const f = compileWith(params, affine, { engine });
    expectTypeOf(f).parameters.toEqualTypeOf<[NDArray]>();
    expect(Array.from((await f(array([[1]]))).y.data as Float32Array)).toEqual([11, 22]);
  });

  it('says where a shape error was traced, and can be called again', async () => {
    const f = compile((x: Tensor) => matmul(x, mul(x, 2)), { engine });
    await expect(f(array([[1, 2, 3]]))).rejects.toThrow(/compile\.test\.ts:\d+:\d+: matmul/);
    expect((await f(array([[3]]))).data[0]).toBe(18);
  });

  it('names the argument whose structure differs from its declared type', async () => {
    const f = compile((x: { a: Tensor }) => x.a, { engine, types: [{ a: spec([1]) }] });
    await expect(f({ b: array([1]) } as never)).rejects.toThrow(/argument 0.*0\.b.*0\.a/);
  });
});
