import { afterAll, describe, expect, expectTypeOf, it } from 'vitest';
import { createNodeEngine } from '../engine/node/engine.ts';
import { createReferenceEngine } from '../engine/reference/engine.ts';
import {
  add,
  array,
  dropout,
  matmul,
  mean,
  mul,
  type NDArray,
  ndarray,
  relu,
  spec,
  square,
  sub,
  sum,
  sym,
  type Tensor,
  treeLeaves,
} from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import { adamW, cosine, type StepContext, sgd, type TrainStepOptions, trainStep } from './index.ts';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

const normal = (seed: string, ...shape: number[]): NDArray => {
  const rng = createRng(seed);
  return ndarray(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
    shape,
  );
};
interface Net<L> {
  hidden: { w: L; b: L };
  out: L;
}
interface Data<L> {
  x: L;
  y: L;
}
const net = (): Net<NDArray> => ({
  hidden: { w: normal('w', 3, 8), b: normal('b', 8) },
  out: normal('out', 8, 1),
});
const data = (i: number, n = 4): Data<NDArray> => ({ x: normal(`x${i}`, n, 3), y: normal(`y${i}`, n, 1) });
const forward = (p: Net<Tensor>, x: Tensor): Tensor =>
  matmul(relu(add(matmul(x, p.hidden.w), p.hidden.b)), p.out);
const loss = (p: Net<Tensor>, b: Data<Tensor>): Tensor => mean(square(sub(forward(p, b.x), b.y)));

type Options = Partial<TrainStepOptions<Net<Tensor>, Data<Tensor>, undefined>>;
const make = (options: Options = {}, optimizer = adamW()) =>
  trainStep(loss, optimizer, { engine, params: net(), lr: 0.05, ...options });
const numbers = (tree: unknown): number[] =>
  treeLeaves<NDArray>(tree).flatMap((a) => Array.from(a.data as Float32Array));
const expectNear = (got: number[], want: number[], tolerance: number): void => {
  expect(got.length).toBe(want.length);
  got.forEach((g, i) => {
    expect(Math.abs(g - want[i])).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(want[i])));
  });
};

describe('trainStep', () => {
  it('lowers the loss, with the losses of the oracle', async () => {
    const options: Options = { clip: { norm: 1 }, lr: cosine({ from: 0.05, steps: 20 }) };
    const ours = make(options);
    const oracle = make({ ...options, engine: createReferenceEngine() });
    let first = 0;
    let last = 0;
    for (let i = 0; i < 20; i++) {
      const got = await ours.step(data(0));
      const want = await oracle.step(data(0));
      expectNear([got.loss, got.gradNorm!], [want.loss, want.gradNorm!], 1e-4);
      first ||= got.loss;
      last = got.loss;
      expect(got.updates).toBe(i + 1);
    }
    expect(last).toBeLessThan(first / 2);
    expectNear(numbers(await ours.params()), numbers(await oracle.params()), 1e-3);
  });

  it('accumulates micro-batches to the update of the whole batch', async () => {
    const whole = make({}, sgd({ momentum: 0.9 }));
    const parts = make({ accumulate: 2 }, sgd({ momentum: 0.9 }));
    for (let i = 0; i < 3; i++) {
      const { x, y } = data(i, 8);
      const half = (a: NDArray, k: number): NDArray => {
        const n = a.data.length / 2;
        return ndarray(a.data.slice(k * n, (k + 1) * n), [4, a.shape[1]]);
      };
      await whole.step({ x, y });
      const before = await parts.params();
      expect((await parts.step({ x: half(x, 0), y: half(y, 0) })).updates).toBe(i);
      expect(numbers(await parts.params())).toEqual(numbers(before));
      expect((await parts.step({ x: half(x, 1), y: half(y, 1) })).updates).toBe(i + 1);
    }
    expectNear(numbers(await parts.params()), numbers(await whole.params()), 1e-5);
  });

  it('gives the same bits in one Loop, in stepMany, and with symbolic sizes', async () => {
    const batches = [0, 1, 2, 3].map((i) => data(i));
    const symbolic = { x: spec([sym('batch'), 3]), y: spec([sym('batch'), 1]) };
    for (const optimizer of [adamW(), sgd()]) {
      const single = make({}, optimizer);
      const want: number[] = [];
      for (const b of batches) want.push((await single.step(b)).loss);
      for (const options of [{ loop: true }, {}, { batch: symbolic }]) {
        const many = make(options, optimizer);
        expect((await many.stepMany(batches)).map((r) => r.loss)).toEqual(want);
        expect(numbers(await many.params())).toEqual(numbers(await single.params()));
      }
    }
  });

  it('keeps one state for batches of several shapes', async () => {
    const steps = make();
    const fixed = make({ batch: { x: spec([sym('n'), 3]), y: spec([sym('n'), 1]) } });
    for (const [i, n] of [4, 2, 4, 7].entries()) {
      const a = await steps.step(data(i, n));
      expectNear([a.loss], [(await fixed.step(data(i, n))).loss], 1e-5);
    }
    expectNear(numbers(await steps.params()), numbers(await fixed.params()), 1e-5);
  });

  it('resumes bit-exactly from an exported state, in the middle of an accumulation', async () => {
    const options: Options = { accumulate: 2, ema: { decay: 0.9, warmup: true }, seed: 7 };
    const a = make(options);
    for (let i = 0; i < 5; i++) await a.step(data(i));
    const checkpoint = await a.exportState();
    expect(checkpoint).toMatchObject({ updates: 2, microSteps: 5 });
    const b = make(options);
    await b.importState(checkpoint);
    for (let i = 5; i < 9; i++) {
      const [ra, rb] = [await a.step(data(i)), await b.step(data(i))];
      expect(rb).toEqual(ra);
    }
    expect(await b.exportState()).toEqual(await a.exportState());
    expect(numbers(await a.ema())).not.toEqual(numbers(await a.params()));
    expect(checkpoint.params['hidden.w'].dtype).toBe('float32');
    const { 'hidden.b': _, ...broken } = checkpoint.params;
    await expect(b.importState({ ...checkpoint, params: broken })).rejects.toThrow(
      /params\.hidden\.b: missing/,
    );
  });

  it('infers types from the loss; frozen trees and auxiliary outputs', async () => {
    const student = trainStep(
      (p: { w: Tensor }, b: { x: Tensor }, ctx: { frozen: { w: Tensor } }) => {
        const target = matmul(b.x, ctx.frozen.w);
        const error = sub(matmul(b.x, p.w), target);
        return { loss: mean(square(error)), aux: { target, terms: [sum(error)] } };
      },
      sgd(),
      { engine, params: { w: array([[0], [0]]) }, frozen: { w: array([[1], [-2]]) }, lr: 0.2 },
    );
    expectTypeOf(student.step).parameter(0).toEqualTypeOf<{ x: NDArray }>();
    const x = array([
      [1, 0],
      [0, 1],
    ]);
    const { aux, loss: first } = await student.step({ x });
    expectTypeOf(aux).toEqualTypeOf<{ target: NDArray; terms: NDArray[] }>();
    expect(numbers(aux)).toEqual([1, -2, 1]);
    for (let i = 0; i < 50; i++) await student.step({ x });
    expect((await student.step({ x })).loss).toBeLessThan(first * 1e-3);
    expectTypeOf(await student.params()).toEqualTypeOf<{ w: NDArray }>();
  });

  it('gives every step its own random key, the same again for the same seed', async () => {
    const noisy = (seed: number) =>
      trainStep(
        (p: { w: Tensor }, b: Tensor, ctx: StepContext) => sum(mul(dropout(b, 0.5, ctx.nextKey()), p.w)),
        sgd(),
        {
          engine,
          params: { w: array(1, 'float32', []) },
          lr: 0,
          seed,
        },
      );
    const x = normal('noise', 64);
    const run = async (seed: number): Promise<number[]> => {
      const t = noisy(seed);
      return (await t.stepMany([x, x, x])).map((r) => r.loss);
    };
    const [first, again, other] = [await run(1), await run(1), await run(2)];
    expect(again).toEqual(first);
    expect(new Set([...first, ...other]).size).toBe(6);
  });

  it('stores updates of untrained parameters and leaves the others alone', async () => {
    const t = trainStep(
      (p: { w: Tensor; mean: Tensor; fixed: Tensor }, x: Tensor) => ({
        loss: mean(square(sub(mul(x, p.w), p.fixed))),
        updates: { mean: add(mul(p.mean, 0.5), mul(mean(x), 0.5)) },
      }),
      sgd(),
      {
        engine,
        params: { w: array([1, 1]), mean: array(0, 'float32', []), fixed: array([3, 3]) },
        lr: 0.1,
        trainable: (path) => path === 'w',
      },
    );
    await t.step(array([2, 4]));
    await t.step(array([2, 4]));
    const p = await t.params();
    expect(p.mean.data[0]).toBeCloseTo(2.25, 6);
    expect(Array.from(p.fixed.data as Float32Array)).toEqual([3, 3]);
    expect(p.w.data[0]).not.toBe(1);
    const wrong = trainStep(
      (p: { w: Tensor }, x: Tensor) => ({ loss: mean(mul(x, p.w)), updates: { w: p.w } }),
      sgd(),
      { engine, params: { w: array([1]) }, lr: 0.1 },
    );
    await expect(wrong.step(array([1]))).rejects.toThrow(/update of 'w'.*trainable/);
  });

  it('refuses to train nothing', () => {
    expect(() => make({ trainable: () => false })).toThrow(/no parameter is trainable.*hidden\.w/);
  });
});
