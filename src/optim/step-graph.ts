import { constants, typesOf } from '../engine/compile.ts';
import { rebuildTree } from '../engine/untyped-tree.ts';
import { gradients } from '../graph/autodiff.ts';
import type { NDArray } from '../graph/ndarray.ts';
import { identity, zerosOf } from '../graph/ops/basic.ts';
import { foldIn } from '../graph/ops/random.ts';
import { shapeEquals } from '../graph/shape.ts';
import { Tensor } from '../graph/tensor.ts';
import { type Graph, spec, trace } from '../graph/trace.ts';
import { DecantError } from '../util/errors.ts';
import { accumulate } from './accumulate.ts';
import { clipByGlobalNorm, clipByValue, globalNorm } from './clip.ts';
import { type EmaOptions, updateEma } from './ema.ts';
import type { Optimizer, OptimizerState, TensorTree } from './optimizer.ts';

/** What a loss function gets besides parameters and batch. */
export interface StepContext<F = undefined> {
  /** The frozen tree of the options, as constants. */
  readonly frozen: F;
  /** A fresh random key (uint32 [2]) per call; another one in every step. */
  nextKey(): Tensor;
  /** Number of this update, from 1, float32 scalar: for schedules of loss weights. */
  readonly step: Tensor;
}

/** What a loss function may return besides a scalar. */
export interface LossParts<A> {
  loss: Tensor;
  /** Returned from `step` as host arrays. */
  aux?: A;
  /** New values of parameters that the optimizer does not train (running statistics), by dotted path. */
  updates?: Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor>;
}

export type LossFunction<P, B, A, F> = (params: P, batch: B, ctx: StepContext<F>) => Tensor | LossParts<A>;

/** Everything that shapes the graph of a step, apart from the shapes of the batch. */
export interface StepSetup {
  readonly loss: LossFunction<unknown, unknown, unknown, unknown>;
  readonly optimizer: Optimizer;
  /** Dotted paths of the parameters that the optimizer updates. */
  readonly trained: readonly string[];
  /** The structure in which the loss gets the parameters. */
  readonly paramTree: unknown;
  readonly frozen: unknown;
  readonly clipNorm?: number;
  readonly clipValue?: number;
  readonly reportNorm: boolean;
  /** Micro-batches per update. */
  readonly accumulate: number;
  readonly ema?: EmaOptions;
}

/** What the engine keeps between steps, by dotted path of the parameter. */
export interface StepState<L> {
  /** Every parameter, trained or not. */
  params: Record<string, L>;
  /** Slots of the optimizer. */
  optimizer: OptimizerState<L>;
  /** Weighted sums of gradients; empty unless accumulating. */
  sums: Record<string, L>;
  /** Averages of the trained parameters; empty without EMA. */
  ema: Record<string, L>;
}

export interface StepGraph {
  readonly graph: Graph;
  /** The tree of `aux`, to be rebuilt with host arrays. */
  readonly aux: unknown;
  /** Whether the gradient norm stands between the loss and `aux` in the outputs. */
  readonly hasNorm: boolean;
}

/**
 * Traces one step: inputs state, batch, lr, step, key; outputs state, loss, gradient norm if asked for, aux.
 * `apply`: false for the micro-batches before the last, which only add to the sums.
 */
export function stepGraph(
  setup: StepSetup,
  state: StepState<NDArray>,
  batchTypes: unknown,
  apply: boolean,
): StepGraph {
  let auxTree: unknown;
  const { trained } = setup;
  const step = (s: StepState<Tensor>, batch: unknown, lr: Tensor, number: Tensor, key: Tensor) => {
    const own = pick(trained, (n) => identity(s.params[n]));
    let keys = 0;
    const result = setup.loss(rebuildTree(setup.paramTree, Object.values({ ...s.params, ...own })), batch, {
      frozen: setup.frozen === undefined ? undefined : constants(setup.frozen as never),
      nextKey: () => foldIn(key, keys++),
      step: number,
    });
    const { loss, aux, updates }: LossParts<unknown> = result instanceof Tensor ? { loss: result } : result;
    auxTree = aux;
    const gs = gradients(loss, Object.values(own));
    const flat = Object.fromEntries(trained.map((n, i) => [n, gs[i]]));
    const params = { ...s.params, ...checkUpdates(updates, s.params, trained) };
    let grads: TensorTree = setup.accumulate === 1 ? flat : accumulate(s.sums, flat, 1 / setup.accumulate);
    if (!apply) return { state: { ...s, params, sums: grads }, loss, aux };
    let norm: Tensor | undefined;
    if (setup.clipValue !== undefined) grads = clipByValue(grads, setup.clipValue);
    if (setup.clipNorm !== undefined) ({ grads, norm } = clipByGlobalNorm(grads, setup.clipNorm));
    else if (setup.reportNorm) norm = globalNorm(grads);
    const before = pick(trained, (n) => s.params[n]);
    const updated = setup.optimizer.update(grads, s.optimizer, before, { lr, step: number });
    Object.assign(params, updated.params);
    return {
      state: {
        params,
        optimizer: updated.state,
        sums: pick(Object.keys(s.sums), (n) => zerosOf(s.sums[n])),
        ema: setup.ema ? updateEma(s.ema, updated.params, number, setup.ema) : {},
      },
      loss,
      norm,
      aux,
    };
  };
  const { graph } = trace(
    step,
    [typesOf(state), batchTypes, spec([]), spec([]), spec([2], 'uint32')],
    ['state', 'batch', 'lr', 'step', 'key'],
  );
  const hasNorm = apply && (setup.reportNorm || setup.clipNorm !== undefined);
  return { graph, aux: auxTree, hasNorm };
}

const pick = <T>(names: readonly string[], of: (name: string) => T): Record<string, T> =>
  Object.fromEntries(names.map((n) => [n, of(n)]));

function checkUpdates(
  updates: LossParts<unknown>['updates'],
  params: Readonly<Record<string, Tensor>>,
  trained: readonly string[],
): Record<string, Tensor> {
  const entries = updates instanceof Map ? [...updates] : Object.entries(updates ?? {});
  for (const [name, value] of entries as [string, Tensor][]) {
    const old = params[name];
    if (old === undefined || trained.includes(name)) {
      throw new DecantError('usage', `the loss returned an update of '${name}'`, {
        at: 'updates',
        allowed: 'parameters that are not trained',
        fix: old === undefined ? 'check the name' : 'exclude it with the option `trainable`',
      });
    }
    if (!shapeEquals(old.shape, value.shape) || old.dtype !== value.dtype) {
      throw new DecantError('shape', 'an update has another type than its parameter', {
        at: `updates.${name}`,
        seen: String(value),
        allowed: String(old),
      });
    }
  }
  return Object.fromEntries(entries);
}
