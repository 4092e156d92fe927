import { create } from '@bufbuild/protobuf';
import { type NodeProto, NodeProtoSchema } from 'onnx-buf';
import { attribute } from '../graph/onnx/writer.ts';
import type { Node, Tensor } from '../graph/tensor.ts';

/**
 * Plain gradient descent on a matrix, p - s·(a·b), as one Gemm that accumulates onto p: -a·(s·b) + p. The gradient
 * is then never written by itself, and the scale touches the smaller factor only. `scalars` are values of rank 0,
 * `kept` those that must stay (outputs).
 */
export function fuseUpdates(
  nodes: readonly NodeProto[],
  origins: Map<string, Node>,
  scalars: ReadonlySet<string>,
  kept: ReadonlySet<string>,
): NodeProto[] {
  const producer = new Map<string, NodeProto>();
  const uses = new Map<string, number>();
  for (const n of nodes) {
    // a subgraph reads outer values without naming them as inputs
    if (n.attribute.some((a) => a.g !== undefined)) return [...nodes];
    for (const o of n.output) producer.set(o, n);
    for (const x of n.input) uses.set(x, (uses.get(x) ?? 0) + 1);
  }
  const only = (value: string, opType: string): NodeProto | undefined => {
    const n = producer.get(value);
    return n?.opType === opType && n.domain === '' && uses.get(value) === 1 && !kept.has(value)
      ? n
      : undefined;
  };
  const dropped = new Set<NodeProto>();
  const replaced = new Map<NodeProto, NodeProto[]>();
  for (const sub of nodes) {
    if (sub.opType !== 'Sub' || sub.domain !== '') continue;
    const [p, update] = sub.input;
    const mul = only(update, 'Mul');
    if (!mul) continue;
    const scale = mul.input.find((x) => scalars.has(x));
    const gemm = only(mul.input[mul.input[0] === scale ? 1 : 0], 'Gemm');
    const node = gemm && origins.get(gemm.name);
    if (!scale || !gemm || !node || gemm.input.length !== 2) continue;
    const small = sizeOf(node.inputs[0]) < sizeOf(node.inputs[1]) ? 0 : 1;
    const scaled = `${sub.name}_scaled`;
    const factors = gemm.input.map((x, i) => (i === small ? scaled : x));
    const make = (opType: string, name: string, input: string[], attributes = gemm.attribute): NodeProto =>
      create(NodeProtoSchema, { opType, name, input, output: [name], attribute: attributes });
    const alpha = gemm.attribute.find((a) => a.name === 'alpha')?.f ?? 1;
    const fused = make(
      'Gemm',
      sub.output[0],
      [...factors, p],
      [...gemm.attribute.filter((a) => a.name !== 'alpha'), attribute('alpha', { float: -alpha })],
    );
    replaced.set(sub, [make('Mul', scaled, [gemm.input[small], scale], []), fused]);
    for (const n of [mul, gemm]) dropped.add(n);
    for (const name of [scaled, fused.name]) origins.set(name, node);
  }
  return nodes.flatMap((n) => (dropped.has(n) ? [] : (replaced.get(n) ?? [n])));
}

// Symbolic sizes count as 1: the factors share the batch, and the choice must not depend on whether it is known.
const sizeOf = (t: Tensor): number =>
  t.shape.reduce<number>((n, d) => (typeof d === 'number' ? n * d : n), 1);
