import { expect } from 'vitest';
import { adamW } from '../../optim/index.ts';
import { type TrainSpec, train } from '../../train/loop.ts';
import type { Method } from '../method.ts';

type Trained = Awaited<ReturnType<typeof train>>;

/** Trains a method for three updates of four rows in the project's one loop; every loss must be finite. */
export async function threeSteps<C>(
  method: Method<C>,
  config: C,
  given: Pick<TrainSpec, 'engine' | 'objective' | 'params' | 'source'>,
): Promise<Trained> {
  const totals: number[] = [];
  const trained = await train({
    ...given,
    batchSize: 4,
    steps: 3,
    optimizer: adamW(),
    lr: () => 0.01,
    seed: 1,
    schedule: method.schedule && {
      init: () => method.schedule!.init(config),
      next: (state, seen) => method.schedule!.next(state, seen, config),
    },
    onStep: (s) => totals.push(s.terms.total),
  });
  expect(totals).toHaveLength(3);
  expect(totals.every(Number.isFinite)).toBe(true);
  return trained;
}
