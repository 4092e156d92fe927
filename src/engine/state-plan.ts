import type { NodeProto } from 'onnx-buf';
import type { StateMove } from './lower.ts';

// Their output may share the input's buffer, so whoever reads the output reads the input.
const VIEWS = new Set(['Identity', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten']);
// Element i of the output depends on element i of the inputs only, and is written after they are read.
const ELEMENTWISE = new Set(['Add', 'Sub', 'Mul', 'Div', 'Sqrt', 'Neg']);

/**
 * Decides per state entry whether its next value may overwrite it. onnxruntime raises no error when an output
 * buffer is also an input that is still to be read, so the proof is here: every reader of the old value must be an
 * ancestor of the node that writes the new one (it has then finished in any order of execution), or be that node
 * itself, element by element.
 */
export function statePlan(
  nodes: readonly NodeProto[],
  inputs: readonly string[],
  outputs: readonly string[],
): StateMove[] {
  const producer = new Map<string, number>();
  const readers = new Map<string, number[]>();
  let subgraphs = false;
  nodes.forEach((n, i) => {
    for (const o of n.output) if (o !== '') producer.set(o, i);
    for (const x of n.input) {
      const list = readers.get(x);
      if (list) list.push(i);
      else readers.set(x, [i]);
    }
    subgraphs ||= n.attribute.some((a) => a.g !== undefined);
  });
  const ancestors = (from: number): Set<number> => {
    const seen = new Set<number>();
    const stack = [from];
    while (stack.length > 0) {
      for (const x of nodes[stack.pop()!].input) {
        const p = producer.get(x);
        if (p !== undefined && !seen.has(p)) {
          seen.add(p);
          stack.push(p);
        }
      }
    }
    return seen;
  };
  return inputs.map((input, i) => {
    const output = outputs[i];
    if (output === '') return 'keep';
    // a subgraph reads outer values without naming them as inputs
    if (subgraphs) return 'swap';
    const writer = producer.get(output)!;
    const before = ancestors(writer);
    const pending: { value: string; view: boolean }[] = [{ value: input, view: false }];
    while (pending.length > 0) {
      const { value, view } = pending.pop()!;
      for (const r of readers.get(value) ?? []) {
        if (r === writer) {
          if (view || !ELEMENTWISE.has(nodes[r].opType)) return 'swap';
        } else if (!before.has(r)) return 'swap';
        if (VIEWS.has(nodes[r].opType)) pending.push({ value: nodes[r].output[0], view: true });
      }
    }
    return 'inPlace';
  });
}
