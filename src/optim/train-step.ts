import { copyTree, type Host, signature, type Types } from '../engine/compile.ts';
import type { Engine, Executable } from '../engine/engine.ts';
import { rebuildTree } from '../engine/untyped-tree.ts';
import { cast, type NDArray, ndarray, scalar, toNumbers } from '../graph/ndarray.ts';
import type { Tensor } from '../graph/tensor.ts';
import { treeEntries, treeLeaves } from '../graph/tree.ts';
import { DecantError } from '../util/errors.ts';
import { type EmaOptions, initEma } from './ema.ts';
import { type Optimizer, type OptimizerState, zerosLike } from './optimizer.ts';
import { type Schedule, toSchedule } from './schedules.ts';
import { type LossParts, type StepContext, type StepSetup, type StepState, stepGraph } from './step-graph.ts';

export interface TrainStepOptions<P, B, F> {
  engine: Engine;
  /** Initial parameters (copied). */
  params: Host<P>;
  /** Learning rate, or a schedule over updates. */
  lr: number | Schedule;
  /** Arrays that never change (a teacher's weights): `ctx.frozen`; initializers of the graph. */
  frozen?: Host<F>;
  /** Which parameters are trained, by dotted path; default all float ones. */
  trainable?: (path: string) => boolean;
  /** Seed of the random keys; default 0. */
  seed?: number;
  clip?: { norm?: number; value?: number };
  /** Micro-batches per update; their losses are averaged. Default 1. */
  accumulate?: number;
  ema?: EmaOptions;
  /** Return the norm of the gradients also without clipping by norm. */
  reportNorm?: boolean;
  /** Types of the batch with symbolic sizes: one graph for all sizes. Else traced anew for every new shape. */
  batch?: Types<B>;
  /** Run the steps of `stepMany` inside one ONNX Loop: same bits, less overhead for small models. */
  loop?: boolean;
  /** Measure operators; read with `profile()`. */
  profile?: boolean;
}

export interface StepResult<A> {
  loss: number;
  /** Norm of the gradients before clipping, if clipped by norm or asked for. */
  gradNorm?: number;
  aux: Host<A>;
  /** Learning rate of the update this step belongs to. */
  lr: number;
  /** Updates made so far, this one included. */
  updates: number;
}

/** Everything needed to continue, as host arrays in their own dtypes. */
export interface Checkpoint {
  params: Record<string, NDArray>;
  optimizer: OptimizerState<NDArray>;
  sums: Record<string, NDArray>;
  ema: Record<string, NDArray>;
  /** Updates made. */
  updates: number;
  /** Micro-batches seen. */
  microSteps: number;
}

export interface TrainStep<P, B, A> {
  /** One micro-batch: forward, backward, and (with the last one of an update) the optimizer. */
  step(batch: Host<B>): Promise<StepResult<A>>;
  /** `step` for each batch, without coming back in between. Fewer results than batches after an interruption. */
  stepMany(batches: readonly Host<B>[]): Promise<StepResult<A>[]>;
  /** A copy of the parameters. */
  params(): Promise<Host<P>>;
  setParams(params: Host<P>): Promise<void>;
  /** A copy of the averaged parameters (untrained ones as they are). */
  ema(): Promise<Host<P>>;
  exportState(): Promise<Checkpoint>;
  importState(checkpoint: Checkpoint): Promise<void>;
  /** Time per operator of the update graph, most expensive first. */
  profile(): ReturnType<Executable['profile']>;
  dispose(): Promise<void>;
}

/**
 * Compiles `loss` (a plain function of parameters and batch), its gradient and the optimizer's update to one graph;
 * `step` runs it. The parameters and the optimizer's state stay with the engine between steps. Types are inferred
 * from the annotated parameters of `loss` (`ctx: StepContext` included, where it is used).
 *
 * @example
 * const train = trainStep(
 *   (p: { w: Tensor }, b: { x: Tensor; y: Tensor }) => mean(square(sub(matmul(b.x, p.w), b.y))),
 *   adamW(), { engine, params: { w }, lr: 1e-3 });
 * const { loss } = await train.step({ x, y });
 */
// biome-ignore lint/complexity/noBannedTypes: {} is "no auxiliary outputs"
export function trainStep<P, B, A = {}, F = undefined>(
  loss: (params: P, batch: B, ctx: StepContext<F>) => Tensor | LossParts<A>,
  optimizer: Optimizer,
  options: NoInfer<TrainStepOptions<P, B, F>>,
): TrainStep<P, B, A> {
  const { engine, accumulate = 1, seed = 0 } = options;
  if (!Number.isInteger(accumulate) || accumulate < 1)
    throw new DecantError('usage', 'accumulate counts micro-batches', {
      seen: accumulate,
      allowed: '1 or more',
    });
  const schedule = toSchedule(options.lr);
  const initial = Object.fromEntries(treeEntries<NDArray>(options.params));
  const trained = trainedPaths(initial, options.trainable);
  const setup: StepSetup = {
    loss: loss as StepSetup['loss'],
    optimizer,
    trained,
    paramTree: options.params,
    frozen: options.frozen,
    clipNorm: options.clip?.norm,
    clipValue: options.clip?.value,
    reportNorm: options.reportNorm ?? false,
    accumulate,
    ema: options.ema,
  };
  const start = freshState(copyTree(initial), trained, optimizer, accumulate > 1, options.ema !== undefined);
  const structure = treeEntries<NDArray>(start).map(([path, a]) => [path, a] as const);
  let updates = 0;
  let microSteps = 0;

  interface Step {
    executable: Executable;
    aux: unknown;
    hasNorm: boolean;
  }
  // the state lives with the first executable; those for other shapes share it
  let owner: Executable | undefined;
  let hostState: NDArray[] | undefined = treeLeaves<NDArray>(start);
  const cache = new Map<string, Promise<Step>>();
  let opening: Promise<unknown> = Promise.resolve();
  const compileFor = (batch: Host<B>, apply: boolean): Promise<Step> => {
    const key = `${apply};${options.batch ? '' : signature(batch)}`;
    const known = cache.get(key);
    if (known) return known;
    const build = async (): Promise<Step> => {
      const types = options.batch ?? batch;
      const { graph, aux, hasNorm } = stepGraph(setup, start, types, apply);
      const executable = await engine.load(graph, {
        state: structure.length,
        shareState: owner,
        loop: options.loop && accumulate === 1,
        profile: options.profile && apply,
      });
      owner ??= executable;
      return { executable, aux, hasNorm };
    };
    // one after the other: the second shape must find the owner of the state
    const built = opening.then(build);
    opening = built.catch(() => cache.delete(key));
    cache.set(key, built);
    return built;
  };
  const pushState = async (): Promise<void> => {
    if (!hostState || !owner) return;
    const state = hostState;
    hostState = undefined;
    await owner.setState(state);
  };
  const pullState = async (): Promise<StepState<NDArray>> => {
    const leaves = hostState ?? (await owner!.getState());
    // the oracle keeps float64: what leaves has the declared dtype
    const copies = leaves.map((a, i) => {
      const { dtype } = structure[i][1];
      return a.dtype === dtype ? ndarray(a.data.slice(), a.shape, dtype) : cast(a, dtype);
    });
    return rebuildTree(start, copies) as StepState<NDArray>;
  };
  const replaceState = async (state: unknown): Promise<void> => {
    const given = new Map(treeEntries<NDArray>(state));
    hostState = structure.map(([path, like]) => checkLeaf(path, like, given.get(path)));
    await pushState();
  };
  /** The scalar inputs of the next step; counts it. */
  const advance = (): { apply: boolean; lr: number; inputs: NDArray[]; number: number } => {
    const lr = schedule(updates);
    const number = updates + 1;
    const key = ndarray(Uint32Array.of(seed >>> 0, microSteps >>> 0), [2]);
    const apply = ++microSteps % accumulate === 0;
    if (apply) updates++;
    return { apply, lr, number, inputs: [scalar(lr), scalar(number), key] };
  };
  const toResult = (s: Step, outputs: NDArray[], lr: number): Omit<StepResult<A>, 'updates'> => {
    const [lossArray, ...rest] = outputs;
    const result: Omit<StepResult<A>, 'updates'> = {
      loss: toNumbers(lossArray)[0],
      lr,
      aux: rebuildTree(s.aux, rest.slice(s.hasNorm ? 1 : 0)) as Host<A>,
    };
    if (s.hasNorm) result.gradNorm = toNumbers(rest[0])[0];
    return result;
  };
  const prepare = async (batch: Host<B>, apply: boolean): Promise<Step> => {
    const s = await compileFor(batch, apply);
    await pushState();
    return s;
  };
  const runOne = async (batch: Host<B>): Promise<StepResult<A>> => {
    const willApply = (microSteps + 1) % accumulate === 0;
    const s = await prepare(batch, willApply);
    const before = { updates, microSteps };
    const { lr, inputs } = advance();
    try {
      const outputs = await s.executable.step([...treeLeaves<NDArray>(batch), ...inputs]);
      return { ...toResult(s, outputs, lr), updates };
    } catch (e) {
      ({ updates, microSteps } = before); // the step has not happened
      throw e;
    }
  };
  const runMany = async (batches: readonly Host<B>[]): Promise<StepResult<A>[]> => {
    const same = batches.every((b) => signature(b) === signature(batches[0]));
    if (accumulate > 1 || !same) {
      const results: StepResult<A>[] = [];
      for (const b of batches) results.push(await runOne(b));
      return results;
    }
    const s = await prepare(batches[0], true);
    const before = { updates, microSteps };
    const planned = batches.map((b) => ({ b, ...advance() }));
    let outputs: NDArray[][] = [];
    try {
      outputs = await s.executable.stepMany(
        planned.map(({ b, inputs }) => [...treeLeaves<NDArray>(b), ...inputs]),
      );
    } finally {
      // fewer after an interruption
      updates = before.updates + outputs.length;
      microSteps = before.microSteps + outputs.length;
    }
    return outputs.map((o, i) => ({ ...toResult(s, o, planned[i].lr), updates: planned[i].number }));
  };
  const queue = serial();
  const rebuild = (flat: Record<string, NDArray>): Host<P> =>
    rebuildTree(options.params, Object.values(flat)) as Host<P>;
  return {
    step: (batch) => queue(() => runOne(batch)),
    stepMany: (batches) => queue(() => (batches.length === 0 ? Promise.resolve([]) : runMany(batches))),
    params: () => queue(async () => rebuild((await pullState()).params)),
    setParams: (params) =>
      queue(async () => {
        const state = await pullState();
        await replaceState({ ...state, params: Object.fromEntries(treeEntries<NDArray>(params)) });
      }),
    ema: () =>
      queue(async () => {
        if (!options.ema)
          throw new DecantError('usage', 'no average is kept', { fix: 'set the option `ema`' });
        const state = await pullState();
        return rebuild({ ...state.params, ...state.ema });
      }),
    exportState: () => queue(async () => ({ ...(await pullState()), updates, microSteps })),
    importState: (checkpoint) =>
      queue(async () => {
        const { updates: u, microSteps: m, ...state } = checkpoint;
        await replaceState(state);
        updates = u;
        microSteps = m;
      }),
    profile: () =>
      queue(async () => {
        for (const [key, s] of cache) if (key.startsWith('true')) return (await s).executable.profile();
        throw new DecantError('usage', 'nothing has run yet');
      }),
    dispose: () =>
      queue(async () => {
        const all = await Promise.allSettled(cache.values());
        cache.clear();
        for (const s of all) if (s.status === 'fulfilled') await s.value.executable.dispose();
      }),
  };
}

/** Runs async functions one after the other; one that fails does not stop the next. */
function serial(): <T>(fn: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (fn) => {
    const run = last.then(fn, fn);
    last = run.catch(() => {});
    return run;
  };
}

function trainedPaths(
  params: Record<string, NDArray>,
  trainable: ((path: string) => boolean) | undefined,
): string[] {
  const isFloatArray = (a: NDArray): boolean => a.dtype.startsWith('float');
  const names = Object.keys(params).filter((n) => isFloatArray(params[n]) && (trainable?.(n) ?? true));
  if (names.length === 0) {
    throw new DecantError('usage', 'no parameter is trainable', {
      at: 'trainable',
      seen: Object.keys(params).slice(0, 8).join(', '),
      fix: 'let the predicate accept at least one float parameter',
    });
  }
  return names;
}

function freshState(
  params: Record<string, NDArray>,
  trained: readonly string[],
  optimizer: Optimizer,
  sums: boolean,
  ema: boolean,
): StepState<NDArray> {
  const own = Object.fromEntries(trained.map((n) => [n, params[n]]));
  return {
    params,
    optimizer: optimizer.init(own),
    sums: (sums ? zerosLike(own) : {}) as Record<string, NDArray>,
    ema: (ema ? initEma(own) : {}) as Record<string, NDArray>,
  };
}

function checkLeaf(path: string, like: NDArray, given: NDArray | undefined): NDArray {
  if (given && given.dtype === like.dtype && given.shape.join() === like.shape.join()) return given;
  throw new DecantError('model', given ? 'wrong type in the state' : 'missing from the state', {
    at: path,
    seen: given && `${given.dtype}[${given.shape}]`,
    allowed: `${like.dtype}[${like.shape}]`,
  });
}
