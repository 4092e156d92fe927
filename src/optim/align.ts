import { add, div, maximum, minimum, mul, neg } from '../graph/ops/arithmetic.ts';
import { cast } from '../graph/ops/compare.ts';
import { sum } from '../graph/ops/reduce.ts';
import type { Tensor } from '../graph/tensor.ts';
import { treeLeaves } from '../graph/tree.ts';
import { scalarLike, type TensorTree } from './optimizer.ts';

/** Σ a·b over all leaves of two trees of one form, a scalar. */
function dot(a: readonly Tensor[], b: readonly Tensor[]): Tensor {
  const type = a.every((x) => x.dtype === 'float64') ? 'float64' : 'float32';
  return a.map((x, i) => sum(mul(cast(x, type), cast(b[i], type)))).reduce((x, y) => add(x, y));
}

/**
 * lead + other, where `other` first loses its component against `lead`: other - min(0, ⟨other, lead⟩) / ‖lead‖² · lead,
 * products over all leaves together. `lead` is never changed (PCGrad, Yu et al. 2020, on one side).
 */
export function addAligned<T extends Readonly<Record<string, Tensor>>>(
  lead: T,
  other: T,
): Record<string, Tensor> {
  const [a, b] = [lead, other].map((tree) => treeLeaves<Tensor>(tree as TensorTree));
  const against = minimum(dot(b, a), 0);
  const kept = neg(div(against, maximum(dot(a, a), 1e-30)));
  return Object.fromEntries(
    Object.entries(lead).map(([name, g]) => [name, add(add(g, other[name]), mul(g, scalarLike(kept, g)))]),
  );
}
