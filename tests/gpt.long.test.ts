import { afterAll, describe, expect, it } from 'vitest';
import { GPT, GPT_SMALL, gptBatch, gptLoss, gptParams } from '../bench/models/gpt.ts';
import { createNodeEngine } from '../src/engine/node/engine.ts';
import { createReferenceEngine } from '../src/engine/reference/engine.ts';
import { bits } from '../src/engine/testing/problems.ts';
import { treeLeaves } from '../src/graph/tree.ts';
import { adam, trainStep } from '../src/optim/index.ts';

const engine = createNodeEngine({ threads: 2 });
afterAll(() => engine.close());

// the oracle alone needs minutes, more beside other load
const SLOW = { timeout: 3_600_000 };

describe('GPT, 4 layers, width 256, context 128, batch 8, with Adam', () => {
  it('has the losses of the oracle to 1e-4 relative over 20 steps', SLOW, async () => {
    const options = { params: gptParams(GPT), lr: 1e-3 };
    const ours = trainStep(gptLoss(GPT), adam(), { engine, ...options });
    const oracle = trainStep(gptLoss(GPT), adam(), { engine: createReferenceEngine(), ...options });
    for (let i = 0; i < 20; i++) {
      const batch = gptBatch(GPT, i % 4);
      const got = (await ours.step(batch)).loss;
      const want = (await oracle.step(batch)).loss;
      expect(Math.abs(got - want) / want).toBeLessThan(1e-4);
    }
  });

  it('gives the same bits in two runs of one seed at 2 threads', SLOW, async () => {
    const run = async (): Promise<string> => {
      const t = trainStep(gptLoss(GPT), adam(), { engine, params: gptParams(GPT, 3), lr: 1e-3 });
      for (let i = 0; i < 8; i++) await t.step(gptBatch(GPT, i));
      const { params, optimizer } = await t.exportState();
      await t.dispose();
      return bits(treeLeaves([params, optimizer]));
    };
    expect(await run()).toBe(await run());
  });
});

describe('memory', () => {
  it('stays flat over 1,000 steps', SLOW, async () => {
    const t = trainStep(gptLoss(GPT_SMALL), adam(), { engine, params: gptParams(GPT_SMALL), lr: 1e-3 });
    const batches = Array.from({ length: 8 }, (_, i) => gptBatch(GPT_SMALL, i));
    const resident: number[] = [];
    for (let i = 0; i < 1000; i++) {
      await t.step(batches[i % 8]);
      if (i % 100 === 99) resident.push(process.memoryUsage.rss() / 2 ** 20);
    }
    // the first 300 steps fill arenas and the collector's pools
    expect(Math.max(...resident.slice(3)) - resident[2]).toBeLessThan(24);
  });
});
