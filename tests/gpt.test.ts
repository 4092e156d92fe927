import { afterAll, describe, expect, it } from 'vitest';
import { GPT_SMALL, gptBatch, gptLoss, gptParams } from '../bench/models/gpt.ts';
import type { Engine, Executable } from '../src/engine/engine.ts';
import { lower } from '../src/engine/lower.ts';
import { createNodeEngine } from '../src/engine/node/engine.ts';
import { createReferenceEngine } from '../src/engine/reference/engine.ts';
import { bits } from '../src/engine/testing/problems.ts';
import type { NDArray } from '../src/graph/ndarray.ts';
import type { Graph } from '../src/graph/trace.ts';
import { treeLeaves } from '../src/graph/tree.ts';
import { adam, trainStep } from '../src/optim/index.ts';

const STEPS = 20;
const engine = createNodeEngine({ threads: 2 });
afterAll(() => engine.close());

const start = (e: Engine, seed = 0) =>
  trainStep(gptLoss(GPT_SMALL), adam(), { engine: e, params: gptParams(GPT_SMALL, seed), lr: 1e-3, seed });

describe('a small GPT with Adam', () => {
  it('has the losses of the oracle to 1e-4 relative over 20 steps', async () => {
    const ours = start(engine);
    const oracle = start(createReferenceEngine());
    for (let i = 0; i < STEPS; i++) {
      const batch = gptBatch(GPT_SMALL, i % 4);
      const got = (await ours.step(batch)).loss;
      const want = (await oracle.step(batch)).loss;
      expect(Math.abs(got - want) / want).toBeLessThan(1e-4);
    }
  });

  it('gives the same bits in two runs of one seed at 2 threads', async () => {
    const run = async (seed: number): Promise<string> => {
      const t = start(engine, seed);
      const losses = [];
      for (let i = 0; i < STEPS; i++) losses.push((await t.step(gptBatch(GPT_SMALL, i))).loss);
      const state = await t.exportState();
      await t.dispose();
      return `${losses.join()} ${bits(treeLeaves([state.params, state.optimizer]))}`;
    };
    const first = await run(1);
    expect(await run(1)).toBe(first);
    expect(await run(2)).not.toBe(first);
  });

  it('writes state in place, where it is proved safe, with the bits of runs that keep nothing', async () => {
    for (const clip of [undefined, { norm: 1 }]) {
      const seen: { graph?: Graph; state: number; inputs: NDArray[][] } = { state: 0, inputs: [] };
      const load: Engine['load'] = async (graph, options = {}) => {
        Object.assign(seen, { graph, state: options.state });
        const exe = await engine.load(graph, options);
        const step: Executable['step'] = (inputs) => {
          seen.inputs.push([...inputs]);
          return exe.step(inputs);
        };
        return { ...exe, step };
      };
      const params = gptParams(GPT_SMALL);
      const t = trainStep(gptLoss(GPT_SMALL), adam(), {
        engine: { ...engine, load },
        params,
        lr: 1e-2,
        clip,
      });
      const before = await t.exportState();
      for (let i = 0; i < 5; i++) await t.step(gptBatch(GPT_SMALL, i));
      const after = await t.exportState();

      const { plan } = lower(seen.graph!, seen.state);
      // clipping by the global norm makes every update wait for every gradient, so for every reader of a parameter
      expect(plan.filter((m) => m === 'swap').length === 0).toBe(clip !== undefined);
      expect(plan.filter((m) => m === 'inPlace').length).toBeGreaterThan(plan.length / 2);
      const plain = await engine.load(seen.graph!);
      let state = treeLeaves<NDArray>([before.params, before.optimizer]);
      for (const inputs of seen.inputs) state = (await plain.run([...state, ...inputs])).slice(0, seen.state);
      expect(bits(treeLeaves([after.params, after.optimizer]))).toBe(bits(state));
    }
  });
});
