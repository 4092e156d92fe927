import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../engine/node/engine.ts';
import { interpret } from '../engine/reference/interpreter.ts';
import {
  array,
  castArray,
  type DType,
  type NDArray,
  ndarray,
  spec,
  type Tensor,
  trace,
} from '../graph/index.ts';
import { treeEntries, treeLeaves } from '../graph/tree.ts';
import {
  accumulate,
  adafactor,
  adam,
  adamW,
  clipByGlobalNorm,
  clipByValue,
  decayMatrices,
  type HostTree,
  initEma,
  lion,
  type Optimizer,
  sgd,
  type TensorTree,
  updateEma,
} from './index.ts';
import { mapTree, rebuildTree } from './optimizer.ts';

const fixture = JSON.parse(readFileSync(new URL('./fixtures/pytorch.json', import.meta.url), 'utf8')) as {
  optimizers: Record<string, number[][]>;
};
const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

const values = (n: number, phase: number, scale: number, shape: number[]): NDArray =>
  ndarray(
    Float64Array.from({ length: n }, (_, i) => scale * Math.sin(1.7 * i + phase)),
    shape,
  );
const params = (): HostTree => ({
  a: values(12, 0.3, 1, [3, 4]),
  rest: [values(4, 1.1, 0.5, [4]), values(12, 2.2, 0.7, [2, 3, 2])],
});
const gradients = (k: number): HostTree => ({
  a: values(12, 0.5 + k, 1.5, [3, 4]),
  rest: [values(4, 2 - k, 0.01, [4]), values(12, 0.1 * k, 3, [2, 3, 2])],
});
const specsOf = (tree: unknown, dtype: DType) => mapTree(tree as HostTree, (a) => spec(a.shape, dtype));
const as = (dtype: DType) => (a: NDArray) => castArray(a, dtype);

type Clip = (g: TensorTree) => TensorTree;
type Run = (graph: ReturnType<typeof trace>['graph'], inputs: NDArray[]) => Promise<NDArray[]> | NDArray[];

/** Five updates with the fixture's gradients; returns the flattened parameters. */
async function fiveUpdates(optimizer: Optimizer, lr: number, dtype: DType, run: Run, clip: Clip = (g) => g) {
  let p = params();
  let state = optimizer.init(p) as HostTree;
  const types = [
    specsOf(p, dtype),
    specsOf(state, dtype),
    specsOf(p, dtype),
    spec([], dtype),
    spec([], dtype),
  ];
  const { graph } = trace(
    (pt: TensorTree, st: Record<string, TensorTree>, g: TensorTree, rate: Tensor, step: Tensor) => {
      const out = optimizer.update(clip(g), st, pt, { lr: rate, step });
      return [out.params, out.state];
    },
    types,
    ['p', 's', 'g', 'lr', 'step'],
  );
  for (let k = 0; k < 5; k++) {
    const inputs = [p, state, gradients(k)].flatMap((t) => treeLeaves<NDArray>(t).map(as(dtype)));
    const out = await run(graph, [...inputs, array(lr, dtype, []), array(k + 1, dtype, [])]);
    const n = treeLeaves(p).length;
    p = rebuildTree(p, out.slice(0, n));
    state = rebuildTree(state, out.slice(n));
  }
  return treeEntries<NDArray>(p).map(([, a]) => Array.from(a.data as Float64Array));
}

const cases: [string, Optimizer, number, Clip?][] = [
  ['sgd', sgd(), 0.1],
  ['momentum', sgd({ momentum: 0.9, weightDecay: 0.05 }), 0.1],
  ['nesterov', sgd({ momentum: 0.9, nesterov: true }), 0.1],
  ['adam', adam(), 0.01],
  ['adamL2', adam({ beta1: 0.8, beta2: 0.99, eps: 1e-3, weightDecay: 0.1 }), 0.01],
  ['adamW', adamW({ weightDecay: 0.1 }), 0.01],
  ['adamWMasked', adamW({ weightDecay: 0.1, decayMask: decayMatrices }), 0.01],
  ['adamWClipped', adamW(), 0.01, (g) => clipByGlobalNorm(g, 2).grads],
  ['sgdValueClipped', sgd(), 0.1, (g) => clipByValue(g, 0.5)],
  ['lion', lion({ weightDecay: 0.1 }), 0.01],
  ['adafactor', adafactor({ weightDecay: 0.02 }), 0.05],
];

describe('optimizers against PyTorch', () => {
  it.each(cases)('%s on the oracle', async (name, optimizer, lr, clip) => {
    const got = await fiveUpdates(optimizer, lr, 'float64', (g, x) => interpret(g, x), clip);
    fixture.optimizers[name].forEach((want, i) => {
      want.forEach((w, j) => {
        expect(Math.abs(got[i][j] - w)).toBeLessThan(1e-10);
      });
    });
  });

  it.each(cases)('%s on onnxruntime in float32', async (name, optimizer, lr, clip) => {
    const run: Run = async (g, x) => (await engine.load(g)).run(x);
    const got = await fiveUpdates(optimizer, lr, 'float32', run, clip);
    fixture.optimizers[name].forEach((want, i) => {
      want.forEach((w, j) => {
        expect(Math.abs(got[i][j] - w)).toBeLessThan(1e-5);
      });
    });
  });
});

describe('ema', () => {
  it('is the weighted mean of start and later parameters', () => {
    const p = { w: array([1, 2], 'float64') };
    const average = initEma({ w: array([0, 0], 'float64') });
    const types = [specsOf(average, 'float64'), specsOf(p, 'float64'), spec([], 'float64')];
    for (const warmup of [false, true]) {
      const { graph } = trace(
        (a: TensorTree, q: TensorTree, t: Tensor) => updateEma(a, q, t, { decay: 0.9, warmup }),
        types,
      );
      const [out] = interpret(graph, [array([0, 0], 'float64'), p.w, array(1, 'float64', [])]);
      const rate = warmup ? 1 - 2 / 11 : 0.1;
      expect(Array.from(out.data as Float64Array)).toEqual([
        expect.closeTo(rate, 12),
        expect.closeTo(2 * rate, 12),
      ]);
    }
  });
});

describe('accumulate', () => {
  it('adds the weighted gradient', () => {
    const t = { w: array([1, 2], 'float64') };
    const { graph } = trace(
      (s: TensorTree, g: TensorTree) => accumulate(s, g, 0.25),
      [specsOf(t, 'float64'), specsOf(t, 'float64')],
    );
    const [out] = interpret(graph, [t.w, array([4, 8], 'float64')]);
    expect(Array.from(out.data as Float64Array)).toEqual([2, 4]);
  });
});
