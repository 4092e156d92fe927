import { cast, type NDArray, ndarray, toNumbers } from '../../graph/ndarray.ts';
import type { RefArray } from '../../graph/op.ts';
import {
  type Bindings,
  type Dim,
  evalDim,
  evalShape,
  isSymbolic,
  showShape,
  symbolName,
} from '../../graph/shape.ts';
import { inputOp, type Tensor, userFrame } from '../../graph/tensor.ts';
import { type Graph, inputName, topologicalNodes } from '../../graph/trace.ts';
import { DecantError, isDecantError } from '../../util/errors.ts';

/** Sizes of the symbols, read off the inputs; contradictions and wrong shapes are errors that name the input. */
export function bindSymbols(graph: Graph, shapes: readonly (readonly number[])[]): Bindings {
  const bindings: Record<string, number> = {};
  const fail = (t: Tensor, shape: readonly number[]): never => {
    throw new DecantError('shape', `input '${inputName(t)}' has the wrong shape`, {
      seen: shape,
      allowed: `${showShape(t.shape)}${Object.keys(bindings).length ? ` with ${JSON.stringify(bindings)}` : ''}`,
    });
  };
  graph.inputs.forEach((t, i) => {
    if (t.shape.length !== shapes[i].length) fail(t, shapes[i]);
    t.shape.forEach((d, axis) => {
      const name = symbolName(d);
      if (name !== undefined) bindings[name] ??= shapes[i][axis];
    });
  });
  graph.inputs.forEach((t, i) => {
    t.shape.forEach((d, axis) => {
      if ((isSymbolic(d) ? evalDim(d, bindings) : d) !== shapes[i][axis]) fail(t, shapes[i]);
    });
  });
  return bindings;
}

const toRef = (a: NDArray): RefArray => ({ dtype: a.dtype, shape: a.shape, data: toNumbers(a) });

/**
 * Evaluates a graph in float64, node by node: the oracle every other engine is compared with.
 * Float outputs come back as float64; integer and bool outputs in their own dtype.
 */
export function interpret(graph: Graph, inputs: readonly NDArray[]): NDArray[] {
  if (inputs.length !== graph.inputs.length) {
    throw new DecantError('usage', 'wrong number of inputs', {
      seen: inputs.length,
      allowed: String(graph.inputs.length),
    });
  }
  const bindings = bindSymbols(
    graph,
    inputs.map((a) => a.shape),
  );
  const dim = (d: Dim): number => evalDim(d, bindings);
  const values = new Map<number, RefArray[]>();
  const nodes = topologicalNodes(graph.outputs);
  // free a value after its last use: oracle runs of long graphs would not fit otherwise
  const uses = new Map<number, number>();
  for (const n of nodes) for (const t of n.inputs) uses.set(t.node.id, (uses.get(t.node.id) ?? 0) + 1);
  const kept = new Set(graph.outputs.map((t) => t.node.id));
  graph.inputs.forEach((t, i) => {
    values.set(t.node.id, [toRef(inputs[i])]);
  });
  for (const node of nodes) {
    if (values.has(node.id)) continue;
    if (node.op === inputOp)
      throw new DecantError('usage', `input '${node.attrs.name}' is not an input of this graph`);
    const args = node.inputs.map((t) => values.get(t.node.id)![t.index]);
    const types = node.types.map((t) => ({ shape: evalShape(t.shape, bindings), dtype: t.dtype }));
    let data: Float64Array[];
    try {
      data = node.op.evaluate(args, { attrs: node.attrs, types, dim, fromNDArray: toRef });
    } catch (e) {
      if (isDecantError(e))
        throw new DecantError(e.code, `${node.op.name}: ${e.message}`, {
          at: userFrame(node.origin),
          cause: e,
        });
      throw e;
    }
    values.set(
      node.id,
      types.map((t, i) => ({ ...t, data: data[i] })),
    );
    for (const t of node.inputs) {
      const left = uses.get(t.node.id)! - 1;
      uses.set(t.node.id, left);
      if (left === 0 && !kept.has(t.node.id)) values.delete(t.node.id);
    }
  }
  return graph.outputs.map((t) => {
    const v = values.get(t.node.id)![t.index];
    const out = ndarray(v.data, v.shape, 'float64');
    return t.dtype === 'float32' || t.dtype === 'float64' || t.dtype === 'float16' ? out : cast(out, t.dtype);
  });
}
