import {
  add,
  foldIn,
  type Graph,
  gradients,
  identity,
  mul,
  type NDArray,
  ndarray,
  scalar,
  spec,
  type Tensor,
  type TensorType,
  trace,
  zeros,
} from '../graph/index.ts';
import {
  addAligned,
  clipByGlobalNorm,
  globalNorm,
  type Optimizer,
  type OptimizerState,
} from '../optim/index.ts';
import type { Objective } from './objective.ts';
import { type Masks, type Over, reduceTerms, totalOf } from './terms.ts';
import type { Params } from './types.ts';

/** What the engine keeps between steps. Leaves are flat records by parameter name. */
export interface TrainState<L> {
  readonly params: Params<L>;
  readonly optimizer: OptimizerState<L>;
  /** Sums of gradients over micro-batches; only with accumulation. */
  readonly sums?: Params<L>;
  /** Exponential moving average of the trained parameters; only when asked for. */
  readonly ema?: Params<L>;
}

export type Batch = Readonly<Record<string, NDArray>>;

export interface StepOptions {
  readonly optimizer: Optimizer;
  /** Largest global gradient norm; 0 for no clipping. */
  readonly clip: number;
  /** Whether gradients are summed over micro-batches before an update. */
  readonly accumulate: boolean;
  /** Decay of the moving average of the parameters, for example 0.999; 0 for none. */
  readonly ema?: number;
}

/** Scalars that go into a step beside state and batch. */
export interface StepScalars {
  lr: number;
  /** Number of this update, from 1. */
  step: number;
  /** Sizes of the masks over the whole accumulated batch. */
  sizes: Record<Over, number>;
  scalars: Readonly<Record<string, number>>;
  key: readonly [number, number];
}

export interface StepGraph {
  readonly graph: Graph;
  /** Names of the outputs after the state, in order: terms, then `total` and `gradientNorm`. */
  readonly outputs: readonly string[];
  /** The inputs after the state, in the graph's order. */
  feed(batch: Batch, scalars: StepScalars): NDArray[];
}

const OVERS: readonly Over[] = ['examples', 'labelled', 'tokens'];
const typeOf = (a: NDArray): TensorType => spec(a.shape, a.dtype);
const mapRecord = <A, B>(r: Readonly<Record<string, A>>, f: (a: A, name: string) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(r).map(([k, v]) => [k, f(v, k)]));

/** The state before the first step. */
export function initialState(
  objective: Objective,
  params: Params<NDArray>,
  options: StepOptions,
): TrainState<NDArray> {
  const trained = trainable(objective, params);
  return {
    params,
    optimizer: options.optimizer.init(trained) as OptimizerState<NDArray>,
    ...(options.accumulate ? { sums: mapRecord(trained, (p) => zeros(p.shape, p.dtype)) } : {}),
    ...(options.ema ? { ema: trained } : {}),
  };
}

const trainable = <L>(objective: Objective, params: Params<L>): Params<L> =>
  Object.fromEntries(Object.entries(params).filter(([name]) => !objective.params[name]?.buffer));

/** Leaves of the state in the engine's order. */
export const stateLeaves = (s: TrainState<NDArray>): NDArray[] => leavesOf(s).map(([, a]) => a);

export function leavesOf<L>(s: TrainState<L>): [string, L][] {
  return [
    ...Object.entries(s.params).map(([n, a]): [string, L] => [`params/${n}`, a]),
    ...Object.entries(s.optimizer).flatMap(([slot, tree]) =>
      Object.entries(tree as Record<string, L>).map(([n, a]): [string, L] => [`optimizer/${slot}/${n}`, a]),
    ),
    ...Object.entries(s.sums ?? {}).map(([n, a]): [string, L] => [`sums/${n}`, a]),
    ...Object.entries(s.ema ?? {}).map(([n, a]): [string, L] => [`ema/${n}`, a]),
  ];
}

export function rebuildState<L, M>(like: TrainState<L>, leaves: readonly M[]): TrainState<M> {
  let i = 0;
  const take = (r: Readonly<Record<string, unknown>>): Record<string, M> => mapRecord(r, () => leaves[i++]);
  return {
    params: take(like.params),
    optimizer: mapRecord(like.optimizer, (tree) =>
      take(tree as Record<string, unknown>),
    ) as OptimizerState<M>,
    ...(like.sums ? { sums: take(like.sums) } : {}),
    ...(like.ema ? { ema: take(like.ema) } : {}),
  };
}

/**
 * One step as a graph: state and batch in, new state, reduced terms and gradient norm out.
 *
 * @param kind 'step': gradient and update at once; 'gather': add this micro-batch's gradient to the sums;
 *   'update': gradient of the last micro-batch, plus the sums, then the update
 */
export function buildStep(
  objective: Objective,
  state: TrainState<NDArray>,
  batch: Batch,
  options: StepOptions,
  kind: 'step' | 'gather' | 'update',
): StepGraph {
  const stateTypes = leavesOf(state).map(([name, a]) => [name, typeOf(a)] as const);
  const fields = Object.keys(batch);
  const scalarNames = [...objective.scalars, 'progress'];
  const types = [
    ...stateTypes.map(([, t]) => t),
    ...fields.map((f) => typeOf(batch[f])),
    spec([]),
    spec([]),
    ...OVERS.map(() => spec([])),
    ...scalarNames.map(() => spec([])),
    spec([2], 'uint32'),
  ];
  const names = [
    ...stateTypes.map(([n]) => n),
    ...fields.map((f) => `batch/${f}`),
    'lr',
    'step',
    ...OVERS.map((o) => `size/${o}`),
    ...scalarNames.map((n) => `scalar/${n}`),
    'key',
  ];
  let outputs: string[] = [];
  const { graph } = trace(
    (...t: Tensor[]) => {
      let i = stateTypes.length;
      const current = rebuildState(state, t.slice(0, i));
      const take = (list: readonly string[]): Record<string, Tensor> =>
        Object.fromEntries(list.map((n) => [n, t[i++]]));
      const columns = take(fields);
      const { lr, step } = take(['lr', 'step']);
      const sizes = take(OVERS);
      const scalars = take(scalarNames);
      const result = onTensors(
        objective,
        current,
        columns,
        { lr, step, sizes, scalars, key: t[i] },
        options,
        kind,
      );
      outputs = Object.keys(result.report);
      return [...leavesOf(result.state).map(([, x]) => x), ...Object.values(result.report)];
    },
    types,
    names,
  );
  return {
    graph,
    outputs,
    feed: (b, s) => [
      ...fields.map((f) => b[f]),
      scalar(s.lr),
      scalar(s.step),
      ...OVERS.map((o) => scalar(s.sizes[o])),
      ...scalarNames.map((n) => scalar(s.scalars[n])),
      ndarray(Uint32Array.from(s.key), [2]),
    ],
  };
}

interface StepTensors {
  lr: Tensor;
  step: Tensor;
  sizes: Record<string, Tensor>;
  scalars: Record<string, Tensor>;
  key: Tensor;
}

function onTensors(
  objective: Objective,
  state: TrainState<Tensor>,
  batch: Record<string, Tensor>,
  io: StepTensors,
  options: StepOptions,
  kind: 'step' | 'gather' | 'update',
): { state: TrainState<Tensor>; report: Record<string, Tensor> } {
  const own = mapRecord(trainable(objective, state.params), (p) => identity(p));
  const updates = new Map<string, Tensor>();
  let calls = 0;
  const nextKey = (): Tensor => foldIn(io.key, calls++);
  const { terms, masks } = objective.terms({ ...state.params, ...own }, batch, {
    train: true,
    updating: kind !== 'gather',
    nextKey,
    updates,
    scalars: io.scalars,
  });
  const { total, reduced, weighted } = reduceTerms(terms, masks, io.sizes);
  let grads = gradientsOf(weighted, own, objective.leading);
  if (kind !== 'step') grads = mapRecord(grads, (g, n) => add(state.sums![n], g));
  const buffers = { ...state.params, ...Object.fromEntries(updates) };
  if (kind === 'gather') {
    return { state: { ...state, params: buffers, sums: grads }, report: { ...reduced, total } };
  }
  let norm: Tensor;
  if (options.clip > 0) {
    const clipped = clipByGlobalNorm(grads, options.clip);
    norm = clipped.norm;
    grads = clipped.grads as Record<string, Tensor>;
  } else norm = globalNorm(grads);
  const next = options.optimizer.update(grads, state.optimizer, trainable(objective, state.params), {
    lr: io.lr,
    step: io.step,
  });
  const updated = next.params as Params<Tensor>;
  const average = (old: Tensor, name: string): Tensor =>
    add(mul(old, options.ema!), mul(updated[name], 1 - options.ema!));
  return {
    state: {
      // every new parameter in the order of the old ones
      params: mapRecord(buffers, (p, n) => updated[n] ?? p),
      optimizer: next.state,
      ...(state.sums ? { sums: mapRecord(state.sums, (s) => mul(s, 0)) } : {}),
      ...(state.ema ? { ema: mapRecord(state.ema, average) } : {}),
    },
    report: { ...reduced, total, gradientNorm: norm },
  };
}

/** The gradient of all terms together; that of a leading term is never weakened by the others'. */
function gradientsOf(
  weighted: Readonly<Record<string, Tensor>>,
  own: Params<Tensor>,
  leading: string | undefined,
): Record<string, Tensor> {
  const names = Object.keys(own);
  const of = (terms: readonly Tensor[]): Record<string, Tensor> => {
    const list = gradients(totalOf(terms), Object.values(own));
    return Object.fromEntries(names.map((n, i) => [n, list[i]]));
  };
  const { [leading ?? '']: lead, ...others } = weighted;
  return lead && Object.keys(others).length > 0
    ? addAligned(of([lead]), of(Object.values(others)))
    : of(Object.values(weighted));
}

/** Sizes of the masks of a batch, read off its `mask/...` columns; examples count rows. */
export function maskSizes(batches: readonly Batch[]): Record<Over, number> {
  const count = (a: NDArray): number => (a.data as Float32Array).reduce((n, x) => n + x, 0);
  const sizes = { examples: 0, labelled: 0, tokens: 0 };
  for (const b of batches) {
    for (const o of OVERS) if (b[`mask/${o}`]) sizes[o] += count(b[`mask/${o}`]);
  }
  return sizes;
}

/** The masks of a batch inside the graph. */
export const masksOf = (batch: Readonly<Record<string, Tensor>>): Masks =>
  Object.fromEntries(OVERS.filter((o) => batch[`mask/${o}`]).map((o) => [o, batch[`mask/${o}`]]));
