import { expect, it } from 'vitest';
import { createNodeEngine } from '../../engine/node/engine.ts';
import { interpret } from '../../engine/reference/interpreter.ts';
import {
  add,
  constant,
  linear,
  mean,
  mul,
  type NDArray,
  ndarray,
  type Shape,
  scalar,
  spec,
  sym,
  type Tensor,
  tanh,
  toNumbers,
  trace,
} from '../../graph/index.ts';
import { cosineProcess, perRow } from '../../losses/diffusion/process.ts';
import type { DiffusionSetting } from '../../losses/diffusion/setting.ts';
import { takeRows } from '../../losses/testing/evaluate.ts';
import { type AnyModel, init } from '../../nn/model.ts';
import { normalInit } from '../../nn/params.ts';
import { type Scope, scopeOf } from '../../nn/scope.ts';
import type { BatchSource } from '../../train/batches.ts';
import { probeTeacherSignal } from '../../train/probe.ts';
import { createRng } from '../../util/rng.ts';
import { type CallableModel, callingObjective, callParams, type RandomNumbers } from '../calls.ts';
import type { LossInput, Method } from '../method.ts';
import { gradientError, inDouble } from './gradient.ts';
import { threeSteps } from './three-steps.ts';

const ROWS = 5;
const WIDTH = 2;

/** Points in the plane under the cosine process, with velocities as outputs. */
export const toySetting: DiffusionSetting = {
  process: cosineProcess,
  prediction: 'v_prediction',
  tMin: 0.05,
  tMax: 0.95,
  shape: [WIDTH],
  classes: 0,
};

/** The smallest network with time: tanh(x Wᵀ + b + k t), in the precision of its parameters. */
export const toyNetwork: AnyModel = {
  architecture: 'Toy',
  config: {},
  params: {
    w: { shape: [WIDTH, WIDTH], init: normalInit(0.7) },
    b: { shape: [WIDTH], init: normalInit(0.3) },
    k: { shape: [WIDTH], init: normalInit(0.5) },
  },
  inputs: { sample: spec([sym('batch'), WIDTH]), timestep: spec([sym('batch')]) },
  forward: (s: Scope, { sample, timestep }: { sample: Tensor; timestep: Tensor }) => {
    const time = mul(perRow(mul(timestep, 1e-3), sample), s.param('k'));
    return { prediction: tanh(add(linear(sample, s.param('w'), s.param('b'), { transW: true }), time)) };
  },
};

const NAMES = Object.keys(toyNetwork.params);
const inDoubles = (a: NDArray): NDArray => ndarray(Float64Array.from(toNumbers(a)), a.shape, 'float64');
const weights = (seed: string): NDArray[] => Object.values(init(toyNetwork, seed)).map(inDoubles);
const samples = (): NDArray => {
  const rng = createRng('samples');
  return ndarray(
    Float64Array.from({ length: ROWS * WIDTH }, () => rng.normal()),
    [ROWS, WIDTH],
    'float64',
  );
};

/** The same numbers at every trace, in float64. */
function fixedNumbers(seed: string): RandomNumbers {
  const rng = createRng(seed);
  const drawn = (shape: Shape, f: () => number): Tensor => {
    const n = (shape as number[]).reduce((a, b) => a * b, 1);
    return constant(ndarray(Float64Array.from({ length: n }, f), shape as number[], 'float64'));
  };
  return {
    normal: (shape) => drawn(shape, () => rng.normal()),
    uniform: (shape, low = 0, high = 1) => drawn(shape, () => low + (high - low) * rng.uniform()),
  };
}

const modelOf =
  (w: readonly Tensor[]): CallableModel =>
  (inputs) =>
    toyNetwork.forward(scopeOf(Object.fromEntries(NAMES.map((n, i) => [n, w[i]]))), inputs) as Record<
      string,
      Tensor
    >;

/** A method's input with toy networks: weights of the student, of the teacher, of the average, then rows of data. */
function callInput(x: readonly Tensor[], scalars: Readonly<Record<string, number>>, seed: string): LossInput {
  const [student, teacher, average] = [0, 1, 2].map((i) => modelOf(x.slice(i * 3, i * 3 + 3)));
  const ones = constant(ndarray(new Float64Array(ROWS).fill(1), [ROWS], 'float64'));
  return {
    student: {},
    tap: () => x[0],
    teacher: {},
    masks: { examples: ones, labelled: ones },
    columns: { 'input/sample': x[9] },
    scalars: Object.fromEntries(Object.entries(scalars).map(([n, v]) => [n, constant(scalar(v, 'float64'))])),
    extra: scopeOf({}),
    models: { student, teacher, average },
    random: fixedNumbers(seed),
    diffusion: toySetting,
  };
}

const problem = (seed: string): NDArray[] => [
  ...weights(`${seed}/student`),
  ...weights(`${seed}/teacher`),
  ...weights(`${seed}/average`),
  samples(),
];

/** What methods must pass whose losses call models: in place of the checks on logits. */
export function checkCalls(method: Method, config: unknown, scalars: Readonly<Record<string, number>>): void {
  const calls = method.calls!;

  it('the gradient by the student’s weights is that of finite differences', () => {
    const { error, largest } = gradientError(
      (x) => {
        const input = callInput(x, scalars, 'gradient');
        return Object.values(method.loss(input, config))
          .map(({ value, weight = 1 }) => mul(mean(value), weight))
          .reduce((a, b) => add(a, b));
      },
      problem('gradient'),
      [0, 1, 2],
    );
    expect(largest).toBeGreaterThan(1e-4);
    expect(error).toBeLessThan(1e-6);
  });

  for (const identity of method.identities ?? [])
    it(`identity: ${identity.name}`, () => {
      for (const seed of ['1', '2', '3']) {
        const inputs = problem(seed);
        const { graph } = trace(
          (...x: Tensor[]) => {
            const { got, want } = identity.check(callInput(x, scalars, seed));
            return [got, want];
          },
          inputs.map((a) => spec(a.shape, inDouble(a.dtype))),
        );
        const [got, want] = interpret(graph, inputs).map((a) => [...toNumbers(a)]);
        const scale = Math.max(1, ...want.map(Math.abs));
        got.forEach((g, i) => {
          expect(Math.abs(g - want[i]) / scale).toBeLessThan(1e-9);
        });
      }
    });

  it('the teacher reaches the student; three steps stay finite; samples can be drawn', async () => {
    const engine = createNodeEngine({ threads: 1 });
    try {
      const objective = callingObjective(toyNetwork, method, config, {
        teacher: toyNetwork,
        diffusion: toySetting,
      });
      const params = callParams(method, init(toyNetwork, 1), init(toyNetwork, 2));
      const source = toySource(calls.data);
      if (calls.uses.includes('teacher'))
        expect(
          await probeTeacherSignal({ engine, objective, params, source, rows: source.size, scalars }),
        ).toBeGreaterThan(1e-6);
      const trained = await threeSteps(method, config, { engine, objective, params, source });
      const inputs = NAMES.map((n) => inDoubles(trained.params[n]));
      const { graph } = trace(
        (...x: Tensor[]) => [calls.draw({ student: modelOf(x), noise: x[3], diffusion: toySetting }, config)],
        [...inputs, samples()].map((a) => spec(a.shape, 'float64')),
      );
      const [drawn] = interpret(graph, [...inputs, samples()]);
      expect(drawn.shape).toEqual([ROWS, WIDTH]);
      expect([...toNumbers(drawn)].every(Number.isFinite)).toBe(true);
    } finally {
      await engine.close();
    }
  });
}

/** Rows of data, or nothing but their number for methods that read none. */
function toySource(data: 'rows' | 'none'): BatchSource {
  const rows = ndarray(Float32Array.from(toNumbers(samples())), [ROWS, WIDTH]);
  return {
    size: ROWS,
    collate: (ids) => ({
      'mask/examples': ndarray(new Float32Array(ids.length).fill(1), [ids.length]),
      ...(data === 'rows' ? { 'input/sample': takeRows(rows, ids) } : {}),
    }),
  };
}
