import { type NDArray, zeros } from '../graph/ndarray.ts';
import { cast } from '../graph/ops/compare.ts';
import type { Tensor } from '../graph/tensor.ts';
import { type Tree, treeEntries, treeMap, treeUnflatten } from '../graph/tree.ts';

export type HostTree = Tree<NDArray>;
export type TensorTree = Tree<Tensor>;
/** Named trees, each shaped like the parameters (or one scalar-like leaf per parameter). */
export type OptimizerState<L> = { readonly [slot: string]: Tree<L> };

/** Scalars that the graph gets anew each step. */
export interface StepInputs {
  /** Learning rate, float32 scalar. */
  readonly lr: Tensor;
  /** Number of this update, counted from 1, float32 scalar. */
  readonly step: Tensor;
}

/** An update rule as data: the initial state on the host, and the update as part of the graph. Pure. */
export interface Optimizer {
  readonly name: string;
  init(params: HostTree): OptimizerState<NDArray>;
  update(
    grads: TensorTree,
    state: OptimizerState<Tensor>,
    params: TensorTree,
    inputs: StepInputs,
  ): { params: TensorTree; state: OptimizerState<Tensor> };
}

/** Which parameters weight decay applies to, by dotted path and shape. */
export type DecayMask = (path: string, shape: readonly unknown[]) => boolean;

/** Decay matrices and kernels only; not biases, scales and other vectors. */
export const decayMatrices: DecayMask = (_, shape) => shape.length > 1;

// treeMap and treeUnflatten without their mapped types, which have no end on a recursive tree type
export const mapTree = treeMap as unknown as <A, B>(
  tree: Tree<A>,
  fn: (leaf: A, path: string) => B,
) => Tree<B>;
export const rebuildTree = treeUnflatten as unknown as <A, B>(tree: Tree<A>, leaves: readonly B[]) => Tree<B>;

/** Zeros shaped like every parameter. */
export const zerosLike = (params: HostTree): HostTree => mapTree(params, (p) => zeros(p.shape, p.dtype));

/** A scalar of the step in the dtype of a parameter. */
export const scalarLike = (s: Tensor, p: Tensor): Tensor => cast(s, p.dtype);

/** One parameter with its gradient and its slots of the state. */
export interface Leaf {
  readonly path: string;
  readonly p: Tensor;
  readonly g: Tensor;
  readonly slots: Readonly<Record<string, Tensor>>;
}

/** Applies a rule to each parameter; `rule` returns the new parameter and the new slots. */
export function updateLeaves(
  grads: TensorTree,
  state: OptimizerState<Tensor>,
  params: TensorTree,
  rule: (leaf: Leaf) => { p: Tensor; slots: { readonly [slot: string]: Tensor } },
): { params: TensorTree; state: OptimizerState<Tensor> } {
  const names = Object.keys(state);
  const g = treeEntries<Tensor>(grads).map(([, t]) => t);
  const slots = Object.fromEntries(names.map((n) => [n, treeEntries<Tensor>(state[n]).map(([, t]) => t)]));
  const results = treeEntries<Tensor>(params).map(([path, p], i) =>
    rule({ path, p, g: g[i], slots: Object.fromEntries(names.map((n) => [n, slots[n][i]])) }),
  );
  return {
    params: rebuildTree(
      params,
      results.map((r) => r.p),
    ),
    state: Object.fromEntries(
      names.map((n) => [
        n,
        rebuildTree(
          state[n],
          results.map((r) => r.slots[n]),
        ),
      ]),
    ),
  };
}
