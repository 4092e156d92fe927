import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, NodeProtoSchema, type ValueInfoProto } from 'onnx-buf';
import { attribute, GraphBuilder, modelBytes, valueInfo } from '../graph/onnx/writer.ts';
import { optimize } from '../graph/passes/optimize.ts';
import { sym } from '../graph/shape.ts';
import type { Tensor, TensorType } from '../graph/tensor.ts';
import { type Graph, inputName } from '../graph/trace.ts';
import { fuseUpdates } from './fuse-update.ts';
import { emitBody, type Lowered } from './lower.ts';

/** Name of the number of steps, an int64 scalar: the first input after the state. */
const TRIPS = 'trips';

/**
 * K steps of `graph` as one ONNX Loop: the state is carried, the other inputs come stacked `[K, ...]` and the other
 * outputs leave stacked `[K, ...]`. K is an input.
 */
export function lowerLoop(traced: Graph, state: number): Lowered {
  const graph = optimize(traced);
  const stacked = (t: TensorType): TensorType => ({ shape: [sym('loop_trips'), ...t.shape], dtype: t.dtype });
  const outer = graph.inputs.map((t) => `outer.${inputName(t)}`);
  const kept = graph.inputs.map((t, i) => i < state && resolve(graph.outputs[i]) === t.node);
  const builder = new GraphBuilder(false);
  for (const t of graph.inputs) builder.reserve(inputName(t));
  const body = builder.body();
  const iter = 'body.iter';
  const inner = graph.inputs.map((t, i) => {
    if (kept[i]) return outer[i];
    return i < state ? inputName(t) : body.node('Gather', [outer[i], iter], { axis: 0 });
  });
  const { outputs, origins } = emitBody(body, graph, inner, state);
  const scalars = new Set([
    ...inner.filter((_, i) => graph.inputs[i].rank === 0),
    ...builder.initializers.filter((t) => t.dims.length === 0).map((t) => t.name),
  ]);
  // as in a single step: the bits must be the same
  const fused = fuseUpdates(body.nodeProtos, origins, scalars, new Set(outputs));
  body.nodeProtos.splice(0, body.nodeProtos.length, ...fused);
  const condition = body.node('Identity', ['body.cond']);
  const carried = graph.inputs.flatMap((_, i) => (i < state && !kept[i] ? [i] : []));
  const scanned = graph.outputs.flatMap((_, i) => (i >= state ? [i] : []));
  const bool: TensorType = { shape: [], dtype: 'bool' };
  const int64: TensorType = { shape: [], dtype: 'int64' };
  const info = (names: readonly string[], tensors: readonly Tensor[], list: number[]): ValueInfoProto[] =>
    list.map((i) => valueInfo(names[i], tensors[i]));
  const bodyProto = body.bodyProto(
    'step',
    [valueInfo(iter, int64), valueInfo('body.cond', bool), ...info(inner, graph.inputs, carried)],
    [
      valueInfo(condition, bool),
      ...info(outputs, graph.outputs, carried),
      ...info(outputs, graph.outputs, scanned),
    ],
  );
  const results = graph.outputs.map((_, i) => (kept[i] ? '' : `outer.out${i}`));
  builder.nodeProtos.push(
    create(NodeProtoSchema, {
      opType: 'Loop',
      name: 'steps',
      input: [TRIPS, '', ...carried.map((i) => outer[i])],
      output: [...carried, ...scanned].map((i) => results[i]),
      attribute: [attribute('body', { graph: bodyProto })],
    }),
  );
  const proto = create(GraphProtoSchema, {
    name: 'decant-loop',
    node: builder.nodeProtos,
    initializer: builder.initializers,
    input: [
      valueInfo(TRIPS, int64),
      ...graph.inputs.map((t, i) => valueInfo(outer[i], i < state ? t : stacked(t))),
    ],
    output: [
      ...info(results, graph.outputs, carried),
      ...scanned.map((i) => valueInfo(results[i], stacked(graph.outputs[i]))),
    ],
  });
  return {
    bytes: modelBytes(proto, builder),
    inputs: [...outer.slice(0, state), TRIPS, ...outer.slice(state)],
    outputs: results,
    plan: graph.inputs.slice(0, state).map((_, i) => (kept[i] ? 'keep' : 'swap')),
    origins,
  };
}

function resolve(t: Tensor): Tensor['node'] {
  while (t.node.op.name === 'identity') t = t.node.inputs[0];
  return t.node;
}
