import { add, div, minimum, mul } from '../graph/ops/arithmetic.ts';
import { cast } from '../graph/ops/compare.ts';
import { clip, sqrt, square } from '../graph/ops/elementwise.ts';
import { sum } from '../graph/ops/reduce.ts';
import type { Tensor } from '../graph/tensor.ts';
import { treeLeaves } from '../graph/tree.ts';
import { mapTree, scalarLike, type TensorTree } from './optimizer.ts';

/** √Σ g² over all gradients, a scalar. */
export function globalNorm(grads: TensorTree): Tensor {
  const leaves = treeLeaves<Tensor>(grads);
  // half-precision sums of squares overflow early
  const type = leaves.every((g) => g.dtype === 'float64') ? 'float64' : 'float32';
  const squares = leaves.map((g) => sum(square(cast(g, type))));
  return sqrt(squares.reduce((a, b) => add(a, b)));
}

/** Scales all gradients by min(1, max/(norm + 1e-6)) (Pascanu et al. 2013; PyTorch's form). Returns the norm before. */
export function clipByGlobalNorm(grads: TensorTree, max: number): { grads: TensorTree; norm: Tensor } {
  const norm = globalNorm(grads);
  const scale = minimum(div(max, add(norm, 1e-6)), 1);
  return { grads: mapTree(grads, (g: Tensor) => mul(g, scalarLike(scale, g))), norm };
}

/** Clips every element to [-max, max]. */
export const clipByValue = (grads: TensorTree, max: number): TensorTree =>
  mapTree(grads, (g: Tensor) => clip(g, -max, max));
