import { describe, expect, it } from 'vitest';
import { createReferenceEngine } from '../engine/reference/engine.ts';
import { ndarray, toNumbers } from '../graph/index.ts';
import { init } from '../nn/model.ts';
import { sgd } from '../optim/index.ts';
import { train } from '../train/loop.ts';
import { callingObjective, callParams } from './calls.ts';
import { boot } from './generative/boot.ts';
import { consistency } from './generative/consistency.ts';
import { progressive } from './generative/progressive.ts';
import { toyNetwork, toySetting } from './testing/check-calls.ts';

const context = { teacher: toyNetwork, diffusion: toySetting };
const rows = {
  size: 8,
  collate: (ids: readonly number[]) => ({
    'mask/examples': ndarray(new Float32Array(ids.length).fill(1), [ids.length]),
    'input/sample': ndarray(Float32Array.from(ids.flatMap((i) => [i / 8, 1 - i / 8])), [ids.length, 2]),
  }),
};

/** Weights after so many steps of plain gradient descent. */
async function trainedFor(steps: number, microBatch: number) {
  const config = consistency.config.parse({ decay: 0.75 });
  const student = init(toyNetwork, 'student');
  const { params } = await train({
    engine: createReferenceEngine(),
    objective: callingObjective(toyNetwork, consistency, config, context),
    params: callParams(consistency, student, init(toyNetwork, 'teacher')),
    source: rows,
    batchSize: 8,
    microBatch,
    steps,
    optimizer: sgd({}),
    lr: () => 0.1,
    seed: 1,
  });
  return Object.fromEntries(Object.entries(params).map(([n, a]) => [n, [...toNumbers(a)]]));
}

describe('models called in a loss', () => {
  it.each([8, 2])('the average follows the student once per update, in parts of %i rows', async (part) => {
    const start = init(toyNetwork, 'student');
    const [one, two] = [await trainedFor(1, part), await trainedFor(2, part)];
    for (const name of Object.keys(toyNetwork.params)) {
      const first = [...toNumbers(start[name])];
      expect(one[name]).not.toEqual(first);
      one[`@average.${name}`].forEach((v, i) => {
        expect(v).toBeCloseTo(first[i], 6);
      });
      // the second step begins with μ θ⁻ + (1 - μ) θ
      two[`@average.${name}`].forEach((v, i) => {
        expect(v).toBeCloseTo(0.75 * first[i] + 0.25 * one[name][i], 6);
      });
    }
  });

  it('the teacher stays as it was', async () => {
    const teacher = init(toyNetwork, 'teacher');
    const two = await trainedFor(2, 8);
    for (const name of Object.keys(toyNetwork.params))
      expect(two[`@teacher.${name}`]).toEqual([...toNumbers(teacher[name])]);
  });

  it('a teacher that is missing is an error', () => {
    expect(() => callingObjective(toyNetwork, boot, boot.config.parse({}))).toThrow(/calls a teacher/);
  });

  it('progressive distillation halves the steps from round to round', () => {
    const rounds = progressive.calls!.rounds!(progressive.config.parse({ from: 16, steps: 2 }));
    expect(rounds.map(({ from, steps }) => [from, steps])).toEqual([
      [16, 8],
      [8, 4],
      [4, 2],
    ]);
    expect(progressive.config.safeParse({ from: 12, steps: 5 }).success).toBe(false);
  });
});
