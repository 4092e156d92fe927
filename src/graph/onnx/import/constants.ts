import { sizeOf, toNumbers } from '../../ndarray.ts';
import type { RefArray } from '../../op.ts';
import { isConcrete } from '../../shape.ts';
import { constantOp, inputOp, type Node, type Tensor } from '../../tensor.ts';
import { topologicalNodes } from '../../trace.ts';

/** No intermediate of a folded computation may be larger: what shapes and attributes come from is small. */
const MAX_ELEMENTS = 1 << 16;

/** Whether a node's value depends on constants of modest size only; remembered, so that each node is seen once. */
const foldable = new WeakMap<Node, boolean>();
const values = new WeakMap<Node, RefArray[]>();

/** The value of a tensor that depends on constants only (float64); undefined for any other. */
export function evaluateConstant(t: Tensor): RefArray | undefined {
  if (!isFoldable(t.node)) return undefined;
  for (const node of topologicalNodes([t])) {
    if (values.has(node)) continue;
    const types = node.types.map((x) => ({ dtype: x.dtype, shape: x.shape as readonly number[] }));
    const data = node.op.evaluate(
      node.inputs.map((x) => values.get(x.node)![x.index]),
      {
        attrs: node.attrs,
        types,
        dim: (d) => d as number,
        fromNDArray: (a) => ({ dtype: a.dtype, shape: a.shape, data: toNumbers(a) }),
      },
    );
    values.set(
      node,
      types.map((x, i) => ({ ...x, data: data[i] })),
    );
  }
  return values.get(t.node)![t.index];
}

function isFoldable(root: Node): boolean {
  const stack = [root];
  while (stack.length > 0) {
    const node = stack[stack.length - 1];
    if (foldable.has(node)) {
      stack.pop();
      continue;
    }
    const open = node.inputs.find((x) => !foldable.has(x.node));
    const small =
      node.op !== inputOp && node.types.every((x) => isConcrete(x.shape) && sizeOf(x.shape) <= MAX_ELEMENTS);
    if (small && open) {
      stack.push(open.node);
      continue;
    }
    foldable.set(
      node,
      small &&
        (node.op === constantOp || node.inputs.length > 0) &&
        node.inputs.every((x) => foldable.get(x.node)),
    );
    stack.pop();
  }
  return foldable.get(root)!;
}
