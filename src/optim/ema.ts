import type { NDArray } from '../graph/ndarray.ts';
import { ndarray } from '../graph/ndarray.ts';
import { add, div, minimum, mul, sub } from '../graph/ops/arithmetic.ts';
import type { Tensor } from '../graph/tensor.ts';
import { treeEntries } from '../graph/tree.ts';
import { type HostTree, mapTree, rebuildTree, scalarLike, type TensorTree } from './optimizer.ts';

export interface EmaOptions {
  /** δ: weight of the old average; 0.999 looks back about 1,000 steps. */
  decay: number;
  /** Starts with δ = min(decay, (1 + t)/(10 + t)), so that the first steps do not linger. */
  warmup?: boolean;
}

/** The average starts at the parameters. */
export const initEma = (params: HostTree): HostTree =>
  mapTree(params, (p: NDArray) => ndarray(p.data.slice(), p.shape, p.dtype));

/** Exponential moving average of the parameters: a ← a + (1 - δ)·(p - a). `step` counts from 1. */
export function updateEma(
  average: TensorTree,
  params: TensorTree,
  step: Tensor,
  { decay, warmup = false }: EmaOptions,
): TensorTree {
  const rate = warmup ? sub(1, minimum(div(add(step, 1), add(step, 10)), decay)) : undefined;
  const leaves = treeEntries<Tensor>(params).map(([, p]) => p);
  const updated = treeEntries<Tensor>(average).map(([, a], i) =>
    add(a, mul(sub(leaves[i], a), rate ? scalarLike(rate, a) : 1 - decay)),
  );
  return rebuildTree(average, updated);
}
