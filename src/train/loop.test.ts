import { afterAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../engine/node/engine.ts';
import {
  array,
  constant,
  logSoftmax,
  mul,
  type NDArray,
  oneHot,
  sum,
  type Tensor,
  toNumbers,
} from '../graph/index.ts';
import { applyModel, init } from '../nn/model.ts';
import { mlp } from '../nn/models/mlp.ts';
import { initParams, zerosInit } from '../nn/params.ts';
import { adamW, sgd } from '../optim/index.ts';
import { createRng } from '../util/rng.ts';
import type { BatchSource } from './batches.ts';
import { type CheckpointMeta, type CheckpointStore, type TrainSpec, train } from './loop.ts';
import type { Objective } from './objective.ts';
import { masksOf } from './step-graph.ts';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

const model = mlp({ inputs: 4, hidden: [8], outputs: 3, dropout: 0.1 });
const objective: Objective = {
  params: model.params,
  scalars: [],
  terms(params, batch, ctx) {
    const { logits } = applyModel(
      model,
      params,
      { features: batch.features },
      { train: ctx.train, nextKey: ctx.nextKey },
    );
    const nll = mul(sum(mul(logSoftmax(logits), oneHot(batch.labels, 3)), -1), -1);
    return { terms: { nll: { value: nll, over: 'labelled' } }, masks: masksOf(batch) };
  },
};

function source(n = 60): BatchSource {
  const rng = createRng('data');
  const rows = Array.from({ length: n }, () => {
    const label = rng.int(3);
    return { label, x: Array.from({ length: 4 }, (_, k) => rng.normal() * 0.3 + (k === label ? 1 : 0)) };
  });
  return {
    size: n,
    collate: (ids) => ({
      features: array(ids.map((i) => rows[i].x)),
      labels: array(
        ids.map((i) => rows[i].label),
        'int32',
      ),
      'mask/examples': array(ids.map(() => 1)),
      'mask/labelled': array(ids.map((i) => (i % 5 === 0 ? 0 : 1))),
    }),
  };
}

function memoryStore(): CheckpointStore {
  const kept = new Map<string, { arrays: Readonly<Record<string, NDArray>>; meta: CheckpointMeta }>();
  return {
    save: async (name, arrays, meta) => {
      kept.set(name, { arrays, meta });
    },
    load: async (name) => kept.get(name),
  };
}

const spec = (extra: Partial<TrainSpec> = {}): TrainSpec => ({
  engine,
  objective,
  params: init(model, 1),
  source: source(),
  batchSize: 8,
  steps: 24,
  optimizer: adamW(),
  lr: () => 0.01,
  seed: 3,
  ...extra,
});

const flat = (r: { params: Record<string, NDArray> }): number[] =>
  Object.values(r.params).flatMap((a) => [...toNumbers(a)]);

describe('the training loop', () => {
  it('lowers the loss, and two runs with one seed give the same bits', async () => {
    const losses: number[] = [];
    const a = await train(spec({ onStep: (s) => losses.push(s.terms.nll) }));
    const b = await train(spec());
    expect(losses.at(-1)!).toBeLessThan(0.9 * losses[0]);
    expect(flat(a)).toEqual(flat(b));
    expect(flat(a)).not.toEqual(flat(await train(spec({ seed: 4 }))));
  });

  it('goes on from a checkpoint to the same bits', async () => {
    const whole = await train(spec({ ema: 0.9 }));
    const checkpoints = { store: memoryStore(), every: 5, identity: 'x' };
    let done = 0;
    const first = await train(
      spec({ ema: 0.9, checkpoints, onStep: (s) => (done = s.step), stopRequested: () => done === 11 }),
    );
    expect(first).toMatchObject({ finished: false, step: 11 });
    const second = await train(spec({ ema: 0.9, checkpoints }));
    expect(flat(second)).toEqual(flat(whole));
    await expect(train(spec({ ema: 0.9, checkpoints: { ...checkpoints, identity: 'y' } }))).rejects.toThrow(
      /another recipe/,
    );
  });

  it('accumulates 1 × 8 to the update of 8 × 1, masks included', async () => {
    const still = {
      ...objective,
      terms: (p: never, b: never, c: never) =>
        objective.terms(p, b, { ...(c as object), train: false } as never),
    };
    const whole = await train(spec({ objective: still, clip: 0.5 }));
    const parts = await train(spec({ objective: still, clip: 0.5, microBatch: 1 }));
    const [a, b] = [flat(whole), flat(parts)];
    const worst = Math.max(...a.map((x, i) => Math.abs(x - b[i])));
    expect(worst).toBeLessThan(1e-5);
    // no systematic difference either
    expect(Math.abs(a.reduce((s, x, i) => s + x - b[i], 0) / a.length)).toBeLessThan(1e-6);
  });

  it('takes from the other terms what points against the leading one', async () => {
    const along = (w: Tensor, direction: number[]) => ({ value: sum(mul(w, constant(array(direction)))) });
    const pulled = (leading?: string): Objective => ({
      params: { w: { shape: [2], init: zerosInit } },
      scalars: [],
      leading,
      terms: ({ w }, batch) => ({
        terms: {
          lead: along(w, [1, 0]),
          other: along(w, [-2, 1]),
          more: { ...along(w, [0, 4]), weight: 0.5 },
        },
        masks: masksOf(batch),
      }),
    });
    const stepOf = async (leading?: string): Promise<number[]> => {
      const own = pulled(leading);
      const start = initParams(own.params, 1);
      const { params } = await train(
        spec({ objective: own, params: start, steps: 1, optimizer: sgd(), lr: () => 1 }),
      );
      return [...toNumbers(params.w)].map((x) => -x);
    };
    expect(await stepOf()).toEqual([-1, 3]);
    expect(await stepOf('lead')).toEqual([1, 3]);
    // nothing points against it: the plain sum
    expect(await stepOf('more')).toEqual([-1, 3]);
  });
  it('stops early, and says what diverged', async () => {
    const seen: number[] = [];
    const r = await train(
      spec({
        evaluation: {
          every: 4,
          metric: 'm',
          mode: 'max',
          patience: 2,
          run: async (_, step) => ({ m: -step }),
        },
        onEvaluation: (_, s) => seen.push(s),
      }),
    );
    expect(r).toMatchObject({ step: 12, best: { step: 4, value: -4 } });
    await expect(train(spec({ lr: () => 1e30 }))).rejects.toThrow(/not finite at step/);
  });

  it('counts only changes of minDelta or more as improvements', async () => {
    const evaluation = {
      every: 4,
      metric: 'm',
      mode: 'min' as const,
      patience: 2,
      run: async (_: unknown, step: number) => ({ m: 1 - step / 100 }),
    };
    expect(await train(spec({ evaluation }))).toMatchObject({ step: 24, best: { step: 24 } });
    expect(await train(spec({ evaluation: { ...evaluation, minDelta: 0.06 } }))).toMatchObject({
      step: 24,
      best: { step: 20 },
    });
    expect(await train(spec({ evaluation: { ...evaluation, minDelta: 0.1 } }))).toMatchObject({
      step: 12,
      best: { step: 4 },
    });
  });

  it('writes checkpoints by the clock too', async () => {
    const saved: number[] = [];
    const store = memoryStore();
    const counting: CheckpointStore = {
      ...store,
      save: (name, arrays, meta) => {
        saved.push(meta.step);
        return store.save(name, arrays, meta);
      },
    };
    await train(spec({ steps: 3, checkpoints: { store: counting, every: 100, seconds: 0, identity: 'x' } }));
    expect(saved).toEqual([1, 2, 3]);
  });
});
