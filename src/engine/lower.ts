import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, NodeProtoSchema } from 'onnx-buf';
import { GraphBuilder, modelBytes, valueInfo } from '../graph/onnx/writer.ts';
import { optimize } from '../graph/passes/optimize.ts';
import type { Node } from '../graph/tensor.ts';
import { assertClosed, type Graph, inputName, topologicalNodes } from '../graph/trace.ts';
import { fuseUpdates } from './fuse-update.ts';
import { statePlan } from './state-plan.ts';

/** A graph as onnxruntime takes it, and what the engine must know to run it step after step. */
export interface Lowered {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly inputs: readonly string[];
  /** Name of each output value; '' for a state output that is its own input, unchanged. */
  readonly outputs: readonly string[];
  /** Per state entry: how its buffers move on (see {@link statePlan}). */
  readonly plan: readonly StateMove[];
  /** ONNX node name to the traced node that emitted it, for error messages. */
  readonly origins: ReadonlyMap<string, Node>;
}

/** keep: never written. inPlace: written into its own buffer. swap: written into a second buffer, then swapped. */
export type StateMove = 'keep' | 'inPlace' | 'swap';

/**
 * Emits the nodes of `graph` into `builder`; `inputs` are the value names of its inputs. Each output gets a value
 * name of its own that is not an input; '' for a state output that is its own input.
 */
export function emitBody(
  builder: GraphBuilder,
  graph: Graph,
  inputs: readonly string[],
  state: number,
): { outputs: string[]; origins: Map<string, Node> } {
  assertClosed(graph);
  const names = new Map<number, string[]>();
  const origins = new Map<string, Node>();
  graph.inputs.forEach((t, i) => {
    names.set(t.node.id, [inputs[i]]);
    builder.witness(inputs[i], t.shape);
  });
  for (const node of topologicalNodes(graph.outputs)) {
    if (names.has(node.id)) continue;
    const begin = builder.nodeProtos.length;
    const args = node.inputs.map((t) => names.get(t.node.id)![t.index]);
    names.set(
      node.id,
      node.op.emit(builder, args, { attrs: node.attrs, inputs: node.inputs, outputs: node.types }),
    );
    for (let i = begin; i < builder.nodeProtos.length; i++) origins.set(builder.nodeProtos[i].name, node);
  }
  const produced = new Set(builder.nodeProtos.flatMap((n) => n.output));
  const used = new Set<string>();
  const outputs = graph.outputs.map((t, i) => {
    const value = names.get(t.node.id)![t.index];
    if (i < state && value === inputs[i]) return '';
    if (produced.has(value) && !used.has(value)) {
      used.add(value);
      return value;
    }
    // an input, a constant or a value listed twice: onnxruntime wants a value of its own
    const name = builder.fresh('output');
    builder.nodeProtos.push(
      create(NodeProtoSchema, { opType: 'Identity', name, input: [value], output: [name] }),
    );
    return name;
  });
  return { outputs, origins };
}

/** Optimizes and emits `graph` with `state` leading state inputs and outputs. */
export function lower(traced: Graph, state = 0): Lowered {
  const graph = optimize(traced);
  const builder = new GraphBuilder(false);
  const inputs = graph.inputs.map(inputName);
  for (const name of inputs) builder.reserve(name);
  const { outputs, origins } = emitBody(builder, graph, inputs, state);
  const scalars = new Set([
    ...inputs.filter((_, i) => graph.inputs[i].rank === 0),
    ...builder.initializers.filter((t) => t.dims.length === 0).map((t) => t.name),
  ]);
  const nodes = fuseUpdates(builder.nodeProtos, origins, scalars, new Set(outputs));
  const proto = create(GraphProtoSchema, {
    name: 'decant',
    node: nodes,
    initializer: builder.initializers,
    input: graph.inputs.map((t, i) => valueInfo(inputs[i], t)),
    output: graph.outputs.flatMap((t, i) => (outputs[i] === '' ? [] : [valueInfo(outputs[i], t)])),
  });
  return {
    bytes: modelBytes(proto, builder),
    inputs,
    outputs,
    plan: statePlan(nodes, inputs.slice(0, state), outputs.slice(0, state)),
    origins,
  };
}
