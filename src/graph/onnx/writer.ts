import { create } from '@bufbuild/protobuf';
import { type GraphProto, GraphProtoSchema, type ModelProto, ModelProtoSchema } from 'onnx-buf';
import { DecantError } from '../../util/errors.ts';
import type { DType } from '../dtype.ts';
import type { NDArray } from '../ndarray.ts';
import { showShape } from '../shape.ts';
import { assertClosed, type Graph, inputName, topologicalNodes } from '../trace.ts';
import { GraphBuilder, OPSET } from './builder.ts';
import { encodeModel, joinPieces } from './encode.ts';
import { type ExternalDataOptions, externalize } from './external.ts';
import { tensorProto, valueInfo } from './proto.ts';

export { GraphBuilder, OPSET } from './builder.ts';
export { attribute, tensorProto, valueInfo } from './proto.ts';

const IR_VERSION = 10;

export interface WriteOptions {
  /** Only operators of the ONNX standard; default false (onnxruntime's fused operators may appear). */
  standardOnly?: boolean;
  /** Name of each output; default `out0`, `out1` … */
  outputNames?: readonly string[];
  graphName?: string;
  metadata?: Readonly<Record<string, string>>;
  /** Inputs of the graph, by name, that are written as initializers of that name with these values. */
  weights?: Readonly<Record<string, NDArray>>;
  /**
   * Declares int32 inputs and outputs of the graph as int64, with a Cast at the border, as other tools expect of
   * token ids: all of them, or those named.
   */
  int64?: boolean | readonly string[];
}

/** Emits the nodes of a graph into `builder`; returns the names of its outputs. `names` maps input nodes to values. */
export function emitGraph(builder: GraphBuilder, graph: Graph, names: Map<number, string[]>): string[] {
  for (const node of topologicalNodes(graph.outputs)) {
    if (names.has(node.id)) continue;
    const inputs = node.inputs.map((t) => names.get(t.node.id)![t.index]);
    names.set(
      node.id,
      node.op.emit(builder, inputs, { attrs: node.attrs, inputs: node.inputs, outputs: node.types }),
    );
  }
  return graph.outputs.map((t) => names.get(t.node.id)![t.index]);
}

/** A graph as the bytes of an ONNX model. Weights over 2 GB: {@link writeOnnxExternal}. */
export const writeOnnx = (graph: Graph, options: WriteOptions = {}): Uint8Array<ArrayBuffer> =>
  joinPieces(encodeModel(buildModel(graph, options)));

/**
 * A graph as an ONNX model and the data file of its large weights, each as pieces in file order (views of the
 * weights, so that nothing is held twice).
 */
export function writeOnnxExternal(
  graph: Graph,
  options: WriteOptions & { externalData: ExternalDataOptions },
): { model: Uint8Array[]; data: Uint8Array[] } {
  const model = buildModel(graph, options);
  const { tensors, data } = externalize(model.graph!.initializer, options.externalData);
  model.graph!.initializer = tensors;
  return { model: encodeModel(model), data };
}

/** A graph as an ONNX model message. */
export function buildModel(graph: Graph, options: WriteOptions = {}): ModelProto {
  assertClosed(graph);
  const builder = new GraphBuilder(options.standardOnly ?? false);
  const outputNames = options.outputNames ?? graph.outputs.map((_, i) => `out${i}`);
  const weights = checkedWeights(graph, options.weights ?? {});
  checkNames(graph.inputs.map(inputName), outputNames, graph.outputs.length);
  for (const name of [...graph.inputs.map(inputName), ...outputNames]) builder.reserve(name);
  const asInt64 = (name: string, dtype: DType): boolean =>
    dtype === 'int32' &&
    (options.int64 === true || (Array.isArray(options.int64) && options.int64.includes(name)));

  const used = new Set(topologicalNodes(graph.outputs));
  const names = new Map<number, string[]>();
  const inputs = [];
  for (const t of graph.inputs) {
    const name = inputName(t);
    const weight = weights.get(name);
    if (weight) {
      // a model that leaves a part out (a head, a pooler) carries no weights of it
      if (used.has(t.node)) builder.initializers.push(tensorProto(name, weight));
      names.set(t.node.id, [name]);
      continue;
    }
    builder.witness(name, t.shape);
    const wide = asInt64(name, t.dtype);
    inputs.push(valueInfo(name, { shape: t.shape, dtype: wide ? 'int64' : t.dtype }));
    names.set(t.node.id, [wide ? builder.cast(name, 'int32') : name]);
  }
  const results = emitGraph(builder, graph, names);
  const outputs = graph.outputs.map((t, i) => {
    const wide = asInt64(outputNames[i], t.dtype);
    if (wide) results[i] = builder.cast(results[i], 'int64');
    return valueInfo(outputNames[i], { shape: t.shape, dtype: wide ? 'int64' : t.dtype });
  });
  nameOutputs(builder, results, outputNames);
  const proto = create(GraphProtoSchema, {
    name: options.graphName ?? 'decant',
    node: builder.nodeProtos,
    initializer: builder.initializers,
    input: inputs,
    output: outputs,
  });
  return modelProto(proto, builder, options.metadata);
}

/** The model around a graph: operator sets, producer, metadata. */
export function modelProto(
  graph: GraphProto,
  builder: GraphBuilder,
  metadata: Readonly<Record<string, string>> = {},
): ModelProto {
  return create(ModelProtoSchema, {
    irVersion: BigInt(IR_VERSION),
    producerName: 'decant',
    opsetImport: [
      { domain: '', version: BigInt(OPSET) },
      ...builder.domains.map((domain) => ({ domain, version: 1n })),
    ],
    graph,
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
}

export const modelBytes = (
  graph: GraphProto,
  builder: GraphBuilder,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> => joinPieces(encodeModel(modelProto(graph, builder, metadata)));

/**
 * Gives each result its output name: renames the value where a node made it, and copies it by Identity where it is
 * an input, a constant, an output already, or seen by the body of a Loop.
 */
function nameOutputs(
  builder: GraphBuilder,
  results: readonly string[],
  outputNames: readonly string[],
): void {
  const made = new Set(builder.nodeProtos.flatMap((n) => n.output));
  const hasBodies = builder.nodeProtos.some((n) => n.attribute.some((a) => a.g !== undefined));
  const renamed = new Map<string, string>();
  results.forEach((value, i) => {
    if (made.has(value) && !renamed.has(value) && !hasBodies) renamed.set(value, outputNames[i]);
    else builder.append('Identity', [value], [outputNames[i]]);
  });
  const rename = (v: string): string => renamed.get(v) ?? v;
  for (const n of builder.nodeProtos) {
    n.input = n.input.map(rename);
    n.output = n.output.map(rename);
  }
}

function checkedWeights(graph: Graph, weights: Readonly<Record<string, NDArray>>): Map<string, NDArray> {
  const inputs = new Map(graph.inputs.map((t) => [inputName(t), t]));
  for (const [name, value] of Object.entries(weights)) {
    const t = inputs.get(name);
    const fits =
      t &&
      t.dtype === value.dtype &&
      t.shape.length === value.shape.length &&
      t.shape.every((d, i) => d === value.shape[i]);
    if (fits) continue;
    throw new DecantError(
      'shape',
      t ? 'a weight does not fit its input' : 'a weight is no input of the graph',
      {
        at: name,
        seen: `${value.dtype}[${value.shape}]`,
        allowed: t ? `${t.dtype}${showShape(t.shape)}` : [...inputs.keys()].slice(0, 20).join(', '),
      },
    );
  }
  return new Map(Object.entries(weights));
}

function checkNames(inputs: readonly string[], outputs: readonly string[], count: number): void {
  const seen = new Set<string>();
  for (const name of [...inputs, ...outputs]) {
    if (name === '' || seen.has(name)) {
      throw new DecantError('usage', 'inputs and outputs of a model need distinct names', { seen: name });
    }
    seen.add(name);
  }
  if (outputs.length !== count) {
    throw new DecantError('usage', 'one name per output is needed', {
      seen: outputs.length,
      allowed: String(count),
    });
  }
}
