import { afterAll, describe, expect, it } from 'vitest';
import { GPT_SMALL, gptBatch, gptLoss, gptParams } from '../bench/models/gpt.ts';
import type { Engine } from '../src/engine/engine.ts';
import { createNodeEngine } from '../src/engine/node/engine.ts';
import { createReferenceEngine } from '../src/engine/reference/engine.ts';
import { bits } from '../src/engine/testing/problems.ts';
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
});
