import type { OpDef } from '../op.ts';
import { shapeEquals } from '../shape.ts';
import { constantOp, type Node, nodeOutputs, Tensor, type TensorType } from '../tensor.ts';
import { type Graph, topologicalNodes } from '../trace.ts';
import { attrKey, objectKey } from './attr-key.ts';
import { foldConstants } from './fold.ts';
import { COMMUTATIVE, forwardOnly, RULES, type RuleContext } from './rules.ts';

export interface OptimizeOptions {
  /** Keep what only differentiation sees (stopGradient, straightThrough, customVjp); default false. */
  differentiable?: boolean;
}

/**
 * The same function with fewer nodes: equal subexpressions are shared, small constant ones computed, and algebraic
 * identities applied (x + 0, x · 1, two transpositions, reshapes, casts or broadcasts in a row …). What no output needs
 * is left out. Inputs, output shapes and dtypes stay. Differentiate first, unless `differentiable` is set.
 */
export function optimize(graph: Graph, { differentiable = false }: OptimizeOptions = {}): Graph {
  const rewriter = new Rewriter(differentiable);
  const values = new Map<number, readonly Tensor[]>();
  for (const t of graph.inputs) values.set(t.node.id, [t]);
  for (const node of topologicalNodes(graph.outputs)) {
    if (values.has(node.id)) continue;
    const inputs = node.inputs.map((t) => values.get(t.node.id)![t.index]);
    values.set(node.id, rewriter.rewrite(node, inputs));
  }
  return { ...graph, outputs: graph.outputs.map((t) => values.get(t.node.id)![t.index]) };
}

// biome-ignore lint/suspicious/noExplicitAny: operators of every kind pass through
type AnyOp = OpDef<any>;

const sameType = (a: TensorType, b: TensorType): boolean =>
  a.dtype === b.dtype && shapeEquals(a.shape, b.shape);

/** Nodes made so far, by operator, attributes and operands. */
class Rewriter {
  private readonly known = new Map<string, Tensor[]>();
  private readonly differentiable: boolean;

  constructor(differentiable: boolean) {
    this.differentiable = differentiable;
  }

  rewrite(node: Node, inputs: readonly Tensor[]): readonly Tensor[] {
    const same = inputs.every((t, i) => t.node === node.inputs[i].node && t.index === node.inputs[i].index);
    return this.build(node.op, inputs, node.attrs, node.types, node.origin, same ? node : undefined);
  }

  private build(
    op: AnyOp,
    inputs: readonly Tensor[],
    attrs: unknown,
    types: readonly TensorType[],
    origin: Error,
    original?: Node,
  ): readonly Tensor[] {
    if (!this.differentiable) {
      const forward = forwardOnly(op, inputs, attrs as { inputs: number });
      if (forward) return forward;
    }
    const folded = foldConstants(op, inputs, attrs, types);
    if (folded) {
      return folded.map(
        (value) =>
          this.build(constantOp, [], { value }, [{ shape: value.shape, dtype: value.dtype }], origin)[0],
      );
    }
    const ctx: RuleContext = {
      make: (o, xs, a) => this.build(o, xs, a, o.infer(xs, a), origin)[0],
    };
    for (const rule of RULES.get(op) ?? []) {
      const better = rule(inputs, attrs, ctx, types[0]);
      if (better && sameType(better, types[0])) return [better];
    }
    const ids = inputs.map((t) => `${t.node.id}.${t.index}`);
    if (COMMUTATIVE.has(op)) ids.sort();
    const key = `${objectKey(op)}(${ids.join()})${attrKey(attrs)}`;
    let outputs = this.known.get(key);
    if (!outputs) {
      outputs = original
        ? types.map((_, i) => new Tensor(original, i))
        : nodeOutputs(op, inputs, attrs, types, origin);
      this.known.set(key, outputs);
    }
    return outputs;
  }
}
