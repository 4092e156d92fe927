import {
  abs,
  add,
  arange,
  cumsum,
  equal,
  exp,
  gatherElements,
  lessEqual,
  logicalOr,
  mul,
  neg,
  sort,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from '../graph/index.ts';
import { forwardKl, type RowOptions, reverseKl } from './divergences.ts';
import { maskRows, safeDiv } from './numerics.ts';

export interface AdaptiveKl {
  /** `[...]` nats */
  loss: Tensor;
  /** `[...]`, weight of KL(p‖q); no gradient */
  headWeight: Tensor;
  /** `[...]`, weight of KL(q‖p); no gradient */
  tailWeight: Tensor;
}

/**
 * Adaptive KL: w_head KL(p‖q) + w_tail KL(q‖p). With the vocabulary sorted by p descending, the head is every entry
 * whose cumulative p is at most μ, and always the first; g_head and g_tail are Σ |p - q| over each, and the weights are
 * their shares (½ each where p = q). The weights carry no gradient.
 *
 * @param studentLogp `[..., classes]` log q
 * @param teacherLogp `[..., classes]` log p
 * @returns loss `[...]` nats, and both weights `[...]`
 * @source Wu et al. 2024 (2404.02657), AKL as in the authors' code (`AKL.py`)
 * @example
 * adaptiveKl(temperedLogp(constant([[0, 0]])), temperedLogp(constant([[1, 0]]))).headWeight // => [0.5]
 */
export function adaptiveKl(
  studentLogp: Tensor,
  teacherLogp: Tensor,
  { mu = 0.5, mask }: RowOptions & { mu?: number } = {},
): AdaptiveKl {
  const axis = studentLogp.rank - 1;
  const logq = maskRows(studentLogp, mask);
  const p = stopGradient(exp(maskRows(teacherLogp, mask)));
  const gap = abs(sub(p, stopGradient(exp(logq))));
  const [sorted, order] = sort(p, axis, { descending: true });
  const first = equal(arange(p.shape[axis]), 0);
  const head = logicalOr(lessEqual(cumsum(sorted, axis), mu), first);
  const sortedGap = gatherElements(gap, order, axis);
  const headGap = sum(where(head, sortedGap, 0), -1);
  const tailGap = sum(where(head, 0, sortedGap), -1);
  const headWeight = safeDiv(headGap, add(headGap, tailGap), 0.5);
  const tailWeight = add(neg(headWeight), 1);
  const loss = add(
    mul(headWeight, forwardKl(studentLogp, teacherLogp, { mask })),
    mul(tailWeight, reverseKl(studentLogp, teacherLogp, { mask })),
  );
  return { loss, headWeight, tailWeight };
}
