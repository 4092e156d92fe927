import { afterAll, describe, expect, it } from 'vitest';
import { array, ndarray } from '../../graph/ndarray.ts';
import { add, mul } from '../../graph/ops/arithmetic.ts';
import { reshape } from '../../graph/ops/basic.ts';
import { gather } from '../../graph/ops/indexing.ts';
import { sum } from '../../graph/ops/reduce.ts';
import { sym } from '../../graph/shape.ts';
import { constant, type Tensor } from '../../graph/tensor.ts';
import { spec, trace } from '../../graph/trace.ts';
import { lower } from '../lower.ts';
import { createReferenceEngine } from '../reference/engine.ts';
import { bits, momentumBatches, momentumGraph, momentumState } from '../testing/problems.ts';
import { createNodeEngine } from './engine.ts';

const N = 1000;
const engine = createNodeEngine({ threads: 2 });
afterAll(() => engine.close());

describe('the node engine', () => {
  it('runs a graph with symbolic sizes and gives what the oracle gives', async () => {
    const { graph } = trace((x: Tensor) => [sum(mul(x, x), 1), add(x, 1)], [spec([sym('batch'), 3])], ['x']);
    const exe = await engine.load(graph);
    for (const batch of [1, 4]) {
      const x = ndarray(
        Float32Array.from({ length: batch * 3 }, (_, i) => i),
        [batch, 3],
      );
      const [s, y] = await exe.run([x]);
      const oracle = await (await createReferenceEngine().load(graph)).run([x]);
      expect(Array.from(s.data as Float32Array)).toEqual(Array.from(oracle[0].data as Float64Array));
      expect(y.shape).toEqual([batch, 3]);
    }
    await exe.dispose();
  });

  it('keeps state between steps: buffers swapped or in place give the bits of runs that keep nothing', async () => {
    const graph = momentumGraph(N);
    expect(lower(graph, 2).plan).toEqual(['swap', 'inPlace']);
    const exe = await engine.load(graph, { state: 2 });
    const batches = momentumBatches(N, 6);
    await exe.setState(momentumState(N));
    let state = momentumState(N);
    for (const b of batches) {
      const got = await exe.step(b);
      const [w, m, ...want] = await exe.run([...state, ...b]);
      state = [w, m];
      expect(bits(got)).toBe(bits(want));
      expect(bits(await exe.getState())).toBe(bits(state));
    }
    await exe.dispose();
  });

  it('runs K steps in one ONNX Loop with the bits of K single steps', async () => {
    const graph = momentumGraph(N);
    const single = await engine.load(graph, { state: 2 });
    const looped = await engine.load(graph, { state: 2, loop: true });
    const batches = momentumBatches(N, 7);
    for (const exe of [single, looped]) await exe.setState(momentumState(N));
    const want = [];
    for (const b of batches) want.push(await single.step(b));
    const got = [
      ...(await looped.stepMany(batches.slice(0, 5))),
      ...(await looped.stepMany(batches.slice(5))),
    ];
    expect(got.map(bits)).toEqual(want.map(bits));
    expect(bits(await looped.getState())).toBe(bits(await single.getState()));
    await single.dispose();
    await looped.dispose();
  });

  it('shares one session between equal graphs, and one state between two graphs', async () => {
    const graph = momentumGraph(N);
    const a = await engine.load(graph, { state: 2 });
    const b = await engine.load(momentumGraph(N), { state: 2, shareState: a });
    const peek = trace((w: Tensor, m: Tensor) => [w, m, sum(w)], [spec([N]), spec([N])], ['w', 'm']).graph;
    expect(lower(peek, 2).plan).toEqual(['keep', 'keep']);
    const c = await engine.load(peek, { state: 2, shareState: a });
    await a.setState(momentumState(N));
    const [x1, x2] = momentumBatches(N, 2);
    await a.step(x1);
    await b.step(x2);
    const [total] = await c.step([]);
    const alone = await engine.load(graph, { state: 2 });
    await alone.setState(momentumState(N));
    await alone.step(x1);
    await alone.step(x2);
    const state = await alone.getState();
    expect(bits(await c.getState())).toBe(bits(state));
    const sumOfW = (state[0].data as Float32Array).reduce((s, v) => s + v, 0);
    expect((total.data as Float32Array)[0]).toBeCloseTo(sumOfW, 3);
  });

  it('leaves the inputs of the caller alone, views of larger buffers included', async () => {
    const { graph } = trace((x: Tensor) => [mul(x, 2)], [spec([2])], ['x']);
    const exe = await engine.load(graph);
    const big = Float32Array.of(9, 1, 2, 9);
    const [y] = await exe.run([ndarray(big.subarray(1, 3), [2])]);
    expect(Array.from(y.data as Float32Array)).toEqual([2, 4]);
    expect(Array.from(big)).toEqual([9, 1, 2, 9]);
  });

  it('returns outputs that are inputs, constants or listed twice', async () => {
    const { graph } = trace(
      (x: Tensor) => {
        const y = mul(x, 2);
        return [x, constant([5]), y, y];
      },
      [spec([1])],
      ['x'],
    );
    const out = await (await engine.load(graph)).run([array([3])]);
    expect(out.map((a) => (a.data as Float32Array)[0])).toEqual([3, 5, 6, 6]);
  });

  it('names the input that has a wrong shape or dtype', async () => {
    const { graph } = trace((x: Tensor) => [reshape(x, [-1])], [spec([sym('b'), sym('b')])], ['tokens']);
    const exe = await engine.load(graph);
    await expect(exe.run([array([[1, 2]])])).rejects.toThrow(/tokens: wrong shape.*\[b, b\] with {"b":1}/);
    await expect(exe.run([array([[1]], 'int32')])).rejects.toThrow(/tokens: wrong dtype.*int32.*float32/);
    await expect(exe.run([])).rejects.toThrow(/wrong number of inputs/);
  });

  it('maps a failure inside onnxruntime to the operator and the line that traced it', async () => {
    const { graph } = trace(
      (x: Tensor, i: Tensor) => [gather(x, i)],
      [spec([3]), spec([1], 'int32')],
      ['x', 'i'],
    );
    const exe = await engine.load(graph);
    const error = await exe.run([array([1, 2, 3]), array([7], 'int32')]).catch((e: Error) => e);
    expect(error).toMatchObject({ code: 'engine' });
    expect((error as Error).message).toMatch(/engine\.test\.ts:\d+:\d+: gather: .*out of/s);
    // the engine goes on
    expect((await exe.run([array([1, 2, 3]), array([2], 'int32')]))[0].data[0]).toBe(3);
  });

  it('refuses a provider that this machine does not have', () => {
    expect(() => createNodeEngine({ provider: 'abacus' })).toThrow(/no execution provider 'abacus'.*cpu/);
  });

  it('keeps the event loop free, and stops between steps when interrupted', async () => {
    const graph = momentumGraph(200_000);
    const exe = await engine.load(graph, { state: 2 });
    await exe.setState(momentumState(200_000));
    const batches = momentumBatches(200_000, 2);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const running = exe.stepMany(Array.from({ length: 200 }, (_, i) => batches[i % 2]));
    setTimeout(() => engine.interrupt(), 30);
    await running.then(
      (done) => expect(done.length).toBeLessThan(200),
      (e) => expect(e).toMatchObject({ code: 'interrupted' }), // before the first
    );
    clearInterval(timer);
    const late = exe.step(batches[0]);
    engine.interrupt();
    await late.then(
      () => {}, // it had begun
      (e) => expect(e).toMatchObject({ code: 'interrupted' }),
    );
    expect(ticks).toBeGreaterThan(3);
    // usable afterwards
    const [loss] = await exe.step(batches[0]);
    expect(Number.isFinite((loss.data as Float32Array)[0])).toBe(true);
  });

  it('measures operators', async () => {
    const exe = await engine.load(momentumGraph(N), { state: 2, profile: true });
    await exe.setState(momentumState(N));
    for (const b of momentumBatches(N, 3)) await exe.step(b);
    const rows = await exe.profile();
    expect(rows.map((r) => r.op)).toContain('Mul');
    expect(rows.reduce((s, r) => s + r.share, 0)).toBeCloseTo(1, 6);
  });
});
