import { afterAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../engine/node/engine.ts';
import { rootMeanSquare } from '../../evaluate/samples.ts';
import { init } from '../../nn/model.ts';
import { normalNoise, openSampler } from '../diffusion/draw.ts';
import { pointNetwork, ringSetting } from './ring.ts';
import { type ScoreKind, scoreDistilled } from './score-distillation.ts';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

describe('score distillation', () => {
  it('does not move a generator whose critic agrees with the teacher, and moves one towards the teacher alone', async () => {
    const model = pointNetwork(8);
    const teacher = { model, params: init(model, 'teacher') };
    const noise = normalNoise(32, [2], 'score');
    const sampler = await openSampler(engine, model, teacher.params, ringSetting);
    const start = await sampler.draw(noise, { steps: 1 });
    await sampler.dispose();
    const moved = async (kind: ScoreKind, steps: number): Promise<number> => {
      const budget = { steps, batch: 16, lr: 1e-2 };
      const shared = { engine, teacher, setting: ringSetting, ema: 0, seed: 's', noise };
      return rootMeanSquare(await scoreDistilled({ ...budget, ...shared, kind }), start);
    };
    // the critic starts as the teacher: its first step is nought, its second is not
    expect(await moved('vsd', 1)).toBeLessThan(1e-5);
    expect(await moved('vsd', 2)).toBeGreaterThan(1e-3);
    expect(await moved('sds', 1)).toBeGreaterThan(1e-3);
  });
});
