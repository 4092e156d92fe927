import type { Engine, Executable } from '../engine/engine.ts';
import { toNumbers } from '../graph/index.ts';
import type { Optimizer } from '../optim/index.ts';
import { DecantError } from '../util/errors.ts';
import { createRng } from '../util/rng.ts';
import { type BatchSource, batchRows, chunk } from './batches.ts';
import type { Objective } from './objective.ts';
import {
  type Batch,
  buildStep,
  initialState,
  leavesOf,
  maskSizes,
  rebuildState,
  type StepGraph,
  type StepOptions,
  stateLeaves,
  type TrainState,
} from './step-graph.ts';
import type { NDArray, Params } from './types.ts';

/** Where checkpoints go. Saving replaces the one of that name in one atomic move. */
export interface CheckpointStore {
  save(name: 'last' | 'best', arrays: Readonly<Record<string, NDArray>>, meta: CheckpointMeta): Promise<void>;
  load(
    name: 'last' | 'best',
  ): Promise<{ arrays: Readonly<Record<string, NDArray>>; meta: CheckpointMeta } | undefined>;
}

/** What a checkpoint holds beside arrays: everything the loop needs to go on to the same bits. */
export interface CheckpointMeta {
  readonly step: number;
  readonly schedule: Readonly<Record<string, number>>;
  readonly best?: { readonly step: number; readonly value: number };
  readonly stale: number;
  /** Identifies recipe, data and model: a checkpoint of something else is refused. */
  readonly identity: string;
  readonly done: boolean;
}

export interface Evaluation {
  /** Evaluate after this many steps, and at the end. */
  readonly every: number;
  run(params: Params<NDArray>, step: number): Promise<Readonly<Record<string, number>>>;
  /** The metric that chooses the best checkpoint and stops early, and whether more is better. */
  readonly metric?: string;
  readonly mode?: 'max' | 'min';
  /** Evaluations without improvement before training stops; undefined: never. */
  readonly patience?: number;
  /** Smallest change of the metric that counts as an improvement; default 0. */
  readonly minDelta?: number;
}

export interface TrainSpec {
  readonly engine: Engine;
  readonly objective: Objective;
  readonly params: Params<NDArray>;
  readonly source: BatchSource;
  /** Rows of one update. */
  readonly batchSize: number;
  /** Rows in memory at once; smaller than batchSize means gradient accumulation. */
  readonly microBatch?: number;
  /** Number of updates. */
  readonly steps: number;
  readonly optimizer: Optimizer;
  /** Learning rate by the number of finished updates. */
  readonly lr: (step: number) => number;
  /** Largest global gradient norm; 0 (default): no clipping. */
  readonly clip?: number;
  /** Decay of a moving average of the parameters; 0 (default): none. The result then holds the average. */
  readonly ema?: number;
  readonly seed: number | string;
  readonly schedule?: {
    init(): Record<string, number>;
    next(
      state: Readonly<Record<string, number>>,
      seen: { terms: Readonly<Record<string, number>>; step: number; steps: number },
    ): Record<string, number>;
  };
  readonly evaluation?: Evaluation;
  readonly checkpoints?: {
    readonly store: CheckpointStore;
    /** Steps between checkpoints. */
    readonly every: number;
    /** Seconds after which one is written before those steps are done; default: never. */
    readonly seconds?: number;
    readonly identity: string;
  };
  readonly onStep?: (info: StepInfo) => void;
  readonly onEvaluation?: (metrics: Readonly<Record<string, number>>, step: number) => void;
  /** Polled between steps: true stops after a checkpoint. */
  readonly stopRequested?: () => boolean;
}

export interface StepInfo {
  /** Finished updates. */
  readonly step: number;
  readonly steps: number;
  readonly terms: Readonly<Record<string, number>>;
  readonly lr: number;
  /** Milliseconds in this update, and of those inside the engine. */
  readonly ms: number;
  readonly engineMs: number;
  /** Time spent on making executables, for batches of a new shape. */
  readonly compileMs: number;
  readonly rows: number;
}

export interface TrainResult {
  /** Last-step parameters (their moving average with `ema`). */
  readonly params: Params<NDArray>;
  readonly step: number;
  /** False when `stopRequested` ended it: a later call with the same checkpoints goes on. */
  readonly finished: boolean;
  readonly best?: { readonly step: number; readonly value: number };
}

/** The one training loop. Deterministic: same spec, same bits, resumed or not. */
export async function train(spec: TrainSpec): Promise<TrainResult> {
  const micro = Math.min(spec.microBatch ?? spec.batchSize, spec.batchSize);
  const options: StepOptions = {
    optimizer: spec.optimizer,
    clip: spec.clip ?? 0,
    accumulate: micro < spec.batchSize,
    ema: spec.ema,
  };
  const start = initialState(spec.objective, spec.params, options);
  const resumed = await resume(spec, start);
  const runner = createRunner(spec, start, options);
  const rowsOf = batchRows(spec.source, spec.batchSize, spec.seed);
  const stream = spec.source
    .stream?.({ seed: spec.seed, batchSize: spec.batchSize, from: resumed.meta.step })
    [Symbol.asyncIterator]();
  const keys = createRng(`${spec.seed}/dropout`);
  let { step, schedule, best, stale, done } = resumed.meta;
  let saved = performance.now();
  try {
    await runner.set(resumed.state);
    const current = async (): Promise<TrainState<NDArray>> => rebuildState(start, await runner.get());
    const save = async (name: 'last' | 'best'): Promise<void> => {
      if (!spec.checkpoints) return;
      const arrays = Object.fromEntries(leavesOf(await current()));
      const meta = { step, schedule, best, stale, identity: spec.checkpoints.identity, done };
      await spec.checkpoints.store.save(name, arrays, meta);
    };
    while (step < spec.steps && !done) {
      if (spec.stopRequested?.()) {
        await save('last');
        return { params: published(await current()), step, finished: false, best };
      }
      const began = performance.now();
      const rows: readonly number[] = stream ? (await stream.next()).value : rowsOf(step);
      const parts = await Promise.all(chunk(rows, micro).map((r) => spec.source.collate(r)));
      const lr = spec.lr(step);
      const key = keys.fork(step);
      const scalars = { ...schedule, progress: step / spec.steps };
      const { terms, engineMs, compileMs } = await runner.update(parts, {
        lr,
        step: step + 1,
        sizes: maskSizes(parts),
        scalars,
        key: () => [key.uint32(), key.uint32()],
      });
      if (!Number.isFinite(terms.total)) throw diverged(terms, step, lr);
      if (spec.schedule) schedule = spec.schedule.next(schedule, { terms, step, steps: spec.steps });
      step++;
      spec.onStep?.({
        step,
        steps: spec.steps,
        terms,
        lr,
        ms: performance.now() - began,
        engineMs,
        compileMs,
        rows: rows.length,
      });
      const last = step === spec.steps;
      if (spec.evaluation && (step % spec.evaluation.every === 0 || last)) {
        const metrics = await spec.evaluation.run(published(await current()), step);
        spec.onEvaluation?.(metrics, step);
        const value = spec.evaluation.metric === undefined ? undefined : metrics[spec.evaluation.metric];
        if (value !== undefined) {
          const sign = spec.evaluation.mode === 'min' ? -1 : 1;
          const least = spec.evaluation.minDelta ?? 0;
          if (best === undefined || sign * (value - best.value) > least) {
            best = { step, value };
            stale = 0;
            await save('best');
          } else stale++;
          done = spec.evaluation.patience !== undefined && stale >= spec.evaluation.patience;
        }
      }
      if (last) done = true;
      const late =
        performance.now() - saved >= 1000 * (spec.checkpoints?.seconds ?? Number.POSITIVE_INFINITY);
      if (spec.checkpoints && (done || late || step % spec.checkpoints.every === 0)) {
        await save('last');
        saved = performance.now();
      }
    }
    return { params: published(await current()), step, finished: true, best };
  } finally {
    await stream?.return?.();
    await runner.dispose();
  }
}

/** What the outside gets to see: the averaged parameters where there are some. */
const published = (s: TrainState<NDArray>): Params<NDArray> => ({ ...s.params, ...s.ema });

async function resume(
  spec: TrainSpec,
  start: TrainState<NDArray>,
): Promise<{ state: TrainState<NDArray>; meta: CheckpointMeta }> {
  const fresh: CheckpointMeta = {
    step: 0,
    schedule: spec.schedule?.init() ?? {},
    stale: 0,
    identity: '',
    done: false,
  };
  const found = await spec.checkpoints?.store.load('last');
  if (!found) return { state: start, meta: fresh };
  if (found.meta.identity !== spec.checkpoints!.identity) {
    throw new DecantError('usage', 'the checkpoint belongs to another recipe, model or data set', {
      seen: found.meta.identity,
      allowed: spec.checkpoints!.identity,
      fix: 'resume with the recipe the run was started with, or start a new run folder',
    });
  }
  const leaves = leavesOf(start).map(([name]) => {
    const a = found.arrays[name];
    if (!a) throw new DecantError('model', `the checkpoint lacks '${name}'`);
    return a;
  });
  return { state: rebuildState(start, leaves), meta: found.meta };
}

function diverged(terms: Readonly<Record<string, number>>, step: number, lr: number): DecantError {
  const bad = Object.entries(terms).filter(([, v]) => !Number.isFinite(v));
  return new DecantError('engine', `the loss is not finite at step ${step + 1}`, {
    at: bad.map(([n]) => n).join(', '),
    seen: Object.fromEntries(Object.entries(terms).map(([n, v]) => [n, String(v)])),
    fix: `lower train.lr (now ${lr.toPrecision(3)}), set train.clip, or look for extreme values in the data`,
  });
}

interface UpdateScalars {
  lr: number;
  step: number;
  sizes: ReturnType<typeof maskSizes>;
  scalars: Readonly<Record<string, number>>;
  key: () => [number, number];
}

/** Compiled steps by batch signature; all share one kept state. */
function createRunner(spec: TrainSpec, start: TrainState<NDArray>, options: StepOptions) {
  const compiled = new Map<string, Promise<{ step: StepGraph; executable: Executable }>>();
  const count = stateLeaves(start).length;
  let first: Executable | undefined;
  const load = (
    batch: Batch,
    kind: 'step' | 'gather' | 'update',
  ): Promise<{ step: StepGraph; executable: Executable }> => {
    const key = `${kind}|${Object.entries(batch).map(([n, a]) => `${n}:${a.dtype}[${a.shape}]`)}`;
    let entry = compiled.get(key);
    if (!entry) {
      const step = buildStep(spec.objective, start, batch, options, kind);
      entry = spec.engine.load(step.graph, { state: count, shareState: first }).then((executable) => {
        first ??= executable;
        return { step, executable };
      });
      compiled.set(key, entry);
    }
    return entry;
  };
  let pending: NDArray[] | undefined;
  const ready = async (executable: Executable): Promise<void> => {
    if (pending) {
      const state = pending;
      pending = undefined;
      await executable.setState(state);
    }
  };
  return {
    set: async (state: TrainState<NDArray>): Promise<void> => {
      pending = stateLeaves(state);
    },
    get: async (): Promise<NDArray[]> => pending ?? (await first!.getState()),
    update: async (
      parts: readonly Batch[],
      s: UpdateScalars,
    ): Promise<{ terms: Record<string, number>; engineMs: number; compileMs: number }> => {
      const sums: Record<string, number> = {};
      let engineMs = 0;
      let compileMs = 0;
      for (let i = 0; i < parts.length; i++) {
        const kind = !options.accumulate ? 'step' : i < parts.length - 1 ? 'gather' : 'update';
        const asked = performance.now();
        const { step, executable } = await load(parts[i], kind);
        await ready(executable);
        const began = performance.now();
        compileMs += began - asked;
        const out = await executable.step(step.feed(parts[i], { ...s, key: s.key() }));
        engineMs += performance.now() - began;
        step.outputs.forEach((name, k) => {
          sums[name] = (sums[name] ?? 0) + toNumbers(out[k])[0];
        });
      }
      return { terms: sums, engineMs, compileMs };
    },
    dispose: async (): Promise<void> => {
      for (const e of await Promise.allSettled(compiled.values()))
        if (e.status === 'fulfilled') await e.value.executable.dispose();
    },
  };
}
