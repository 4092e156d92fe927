import { add, mul } from '../graph/ops/arithmetic.ts';
import type { Tensor } from '../graph/tensor.ts';
import { treeLeaves } from '../graph/tree.ts';
import { rebuildTree, type TensorTree } from './optimizer.ts';

/** sums + grads·weight: with weight 1/N over N micro-batches, the gradient of their mean loss. */
export function accumulate(sums: TensorTree, grads: TensorTree, weight: number): TensorTree {
  const g = treeLeaves<Tensor>(grads);
  const next = treeLeaves<Tensor>(sums).map((s, i) => add(s, mul(g[i], weight)));
  return rebuildTree(sums, next);
}
