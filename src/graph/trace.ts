import { DecantError } from '../util/errors.ts';
import type { Shape } from './shape.ts';
import { input, inputOp, type Node, Tensor, type TensorType } from './tensor.ts';
import { treeEntries } from './tree.ts';

/** A traced function: what goes in, what comes out. Nodes are reached from the outputs. */
export interface Graph {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly outputNames?: readonly string[];
}

export const inputName = (t: Tensor): string => t.node.attrs.name;

/** Type of an argument while tracing: shape (numbers or symbols) and dtype. */
export const spec = (shape: Shape, dtype: TensorType['dtype'] = 'float32'): TensorType => ({ shape, dtype });

/**
 * Runs `fn` on symbolic tensors of the given types. Input names are dotted paths of the arguments
 * (`0.encoder.weight`, or `names[i]` in place of the position).
 */
export function trace<R = unknown>(
  // biome-ignore lint/suspicious/noExplicitAny: arguments are typed by the callers that know the trees (compile)
  fn: (...args: any[]) => R,
  types: readonly unknown[],
  names?: readonly string[],
): { graph: Graph; result: R } {
  const inputs: Tensor[] = [];
  const args = types.map((type, i) => {
    const entries = specEntries(type, names?.[i] ?? String(i));
    const tensors = entries.map(([path, s]) => input(path, s.shape, s.dtype));
    inputs.push(...tensors);
    return unflattenSpec(type, tensors);
  });
  const result = fn(...args);
  const entries = treeEntries<Tensor>(result);
  for (const [path, leaf] of entries) {
    if (!(leaf instanceof Tensor)) {
      throw new DecantError('usage', 'a traced function must return tensors', {
        at: path || 'result',
        seen: leaf,
      });
    }
  }
  return {
    graph: { inputs, outputs: entries.map(([, t]) => t), outputNames: entries.map(([p]) => p) },
    result,
  };
}

// A TensorType is itself a plain object, so trees of types are walked by "has shape and dtype".
const isSpec = (x: unknown): x is TensorType =>
  typeof x === 'object' && x !== null && 'shape' in x && 'dtype' in x;

export function specEntries(tree: unknown, path: string): [string, TensorType][] {
  if (isSpec(tree)) return [[path, tree]];
  if (tree === undefined || tree === null) return [];
  return Object.entries(tree).flatMap(([k, v]) => specEntries(v, path === '' ? k : `${path}.${k}`));
}

function unflattenSpec(tree: unknown, tensors: Tensor[]): unknown {
  let i = 0;
  const walk = (t: unknown): unknown => {
    if (isSpec(t)) return tensors[i++];
    if (Array.isArray(t)) return t.map(walk);
    return Object.fromEntries(Object.entries(t as object).map(([k, v]) => [k, walk(v)]));
  };
  return walk(tree);
}

/** Nodes that the outputs need, inputs before users. Iterative: graphs are deep. Order is deterministic. */
export function topologicalNodes(outputs: readonly Tensor[]): Node[] {
  const order: Node[] = [];
  const state = new Map<number, 'open' | 'done'>();
  const stack: Node[] = [];
  for (const out of outputs) {
    stack.push(out.node);
    while (stack.length > 0) {
      const node = stack[stack.length - 1];
      const s = state.get(node.id);
      if (s === 'done') {
        stack.pop();
      } else if (s === 'open') {
        state.set(node.id, 'done');
        order.push(node);
        stack.pop();
      } else {
        state.set(node.id, 'open');
        for (let i = node.inputs.length - 1; i >= 0; i--) {
          const child = node.inputs[i].node;
          if (!state.has(child.id)) stack.push(child);
        }
      }
    }
  }
  return order;
}

/** Inputs of the graph that its outputs reach but that are not declared: a tensor leaked from another trace. */
export function assertClosed(graph: Graph): void {
  const declared = new Set(graph.inputs.map((t) => t.node.id));
  for (const node of topologicalNodes(graph.outputs)) {
    if (node.op === inputOp && !declared.has(node.id)) {
      throw new DecantError('usage', `the graph uses input '${node.attrs.name}' of another trace`, {
        fix: 'pass the tensor as an argument, or capture a host array with constant()',
      });
    }
  }
}
