import type { GraphProto, NodeProto, ValueInfoProto } from 'onnx-buf';
import { DecantError, isDecantError } from '../../../util/errors.ts';
import type { DType } from '../../dtype.ts';
import { isFloat } from '../../dtype.ts';
import { cast as castArray, type NDArray } from '../../ndarray.ts';
import { cast } from '../../ops/compare.ts';
import { type Shape, showShape } from '../../shape.ts';
import { input, Tensor } from '../../tensor.ts';
import type { ExternalData } from '../external.ts';
import { decodeModel, malformed, nodeLabel, standardOpset } from './decode.ts';
import { type DimBindings, declaredShape } from './dims.ts';
import { fold } from './fold.ts';
import { type Importer, OpNode } from './node.ts';
import { BUFFER_INPUTS, IMPORTERS } from './tables.ts';
import { importedDType, tensorData } from './tensor-data.ts';
import { constantValue, Value } from './value.ts';

export interface ImportOptions {
  /** The data files of external weights: by location, or a function that reads one. */
  externalData?: ExternalData;
  /** Symbolic dimensions of the inputs that are to have a size, or another name (so that two become one). */
  dims?: DimBindings;
  /** Shapes of inputs that the file does not declare, or declares too narrowly. */
  inputShapes?: Readonly<Record<string, Shape>>;
  /** Inputs fixed to a value; they are no inputs of the imported model. */
  fixed?: Readonly<Record<string, NDArray>>;
  /** Which initializers are parameters; default: float ones of rank 1 and more that are no running statistics or limits. */
  trainable?: (name: string, value: NDArray) => boolean;
  /** For messages: the path of the file. */
  at?: string;
}

/** An input or output: int64 and other types that Decant lacks appear as the types they are imported as. */
export interface OnnxPort {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  /** TensorProto.DataType in the file. */
  readonly onnxType: number;
}

export interface ApplyOptions {
  /** Names of values to return in place of the model's outputs: any value in the graph (a hidden activation). */
  outputs?: readonly string[];
}

/** An ONNX model as parameters and a function that builds its graph. */
export interface OnnxModel {
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  /** Initializers that can be trained, by name. */
  readonly params: Readonly<Record<string, NDArray>>;
  /** The other initializers: shapes, limits, running statistics. */
  readonly buffers: Readonly<Record<string, NDArray>>;
  /** Names that `apply` can return. */
  readonly values: readonly string[];
  readonly opset: number;
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Builds the model's operators on tensors of the inputs (of the declared dtype, or int64 where int32 is declared;
   * symbolic sizes may be bound or kept). Give the tensors in `params` for those that are trained or are inputs;
   * the others become constants.
   */
  apply(
    params: Readonly<Record<string, Tensor>>,
    inputs: Readonly<Record<string, Tensor>>,
    options?: ApplyOptions,
  ): Record<string, Tensor>;
}

/**
 * Reads an ONNX model made of supported operators (operator sets 6 to 28). Operators that are not supported are
 * listed all at once in one error; a damaged file gives a `model` DecantError.
 */
export function importOnnx(bytes: Uint8Array, options: ImportOptions = {}): OnnxModel {
  const at = options.at ?? 'the ONNX model';
  try {
    return importChecked(bytes, options, at);
  } catch (cause) {
    if (isDecantError(cause)) throw cause;
    throw malformed(at, 'the file is damaged', { cause });
  }
}

function importChecked(bytes: Uint8Array, options: ImportOptions, at: string): OnnxModel {
  const { model, graph } = decodeModel(bytes, at);
  assertSupported(graph, at);
  const opset = standardOpset(model, at);
  const { params, buffers } = readInitializers(graph, options, model.producerName === 'decant');
  const types = new Map(graph.initializer.map((t) => [t.name, t.dataType]));
  const fixed = new Map(Object.entries(options.fixed ?? {}));
  const inputs = graph.input
    .filter((i) => !fixed.has(i.name) && !Object.hasOwn(params, i.name) && !Object.hasOwn(buffers, i.name))
    .map((i) => port(i, options));

  const build = (given: Map<string, Value>, wanted: readonly string[]): Record<string, Tensor> => {
    const values = new Map(given);
    for (const [name, a] of Object.entries(buffers))
      if (!values.has(name)) values.set(name, constantValue(a, types.get(name)));
    for (const [name, a] of Object.entries(params)) if (!values.has(name)) values.set(name, constantValue(a));
    for (const [name, a] of fixed) values.set(name, constantValue(a));
    for (const node of neededNodes(graph, wanted)) buildNode(node, values, opset, options.externalData, at);
    return Object.fromEntries(wanted.map((name) => [name, values.get(name)!.tensor]));
  };

  const apply: OnnxModel['apply'] = (given, tensors, { outputs } = {}) => {
    const values = new Map<string, Value>();
    for (const p of inputs) {
      const v = new Value(checkedInput(p, tensors[p.name], at));
      v.onnxType = p.onnxType;
      values.set(p.name, v);
    }
    for (const [name, t] of Object.entries(given)) {
      const a = params[name] ?? buffers[name];
      if (!a) throw new DecantError('usage', 'the model has no such parameter', { at: name });
      if (t.dtype !== a.dtype || `${t.shape}` !== `${a.shape}`) {
        throw new DecantError('shape', 'a parameter does not fit', {
          at: name,
          seen: String(t),
          allowed: `${a.dtype}[${a.shape}]`,
        });
      }
      values.set(name, new Value(t));
    }
    return build(values, outputs ?? graph.output.map((o) => o.name));
  };

  // a run on symbolic tensors finds every problem now, and the shapes of the outputs
  const dry = apply({}, Object.fromEntries(inputs.map((p) => [p.name, input(p.name, p.shape, p.dtype)])));
  return {
    inputs,
    outputs: graph.output.map((o) => ({
      name: o.name,
      shape: dry[o.name].shape,
      dtype: dry[o.name].dtype,
      onnxType: elementType(o),
    })),
    params,
    buffers,
    values: graph.node.flatMap((n) => n.output.filter((o) => o !== '')),
    opset,
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    metadata: Object.fromEntries(model.metadataProps.map((p) => [p.key, p.value])),
    apply,
  };
}

const importerOf = (n: NodeProto): Importer | undefined => {
  const table = n.domain === '' || n.domain === 'ai.onnx' ? IMPORTERS : undefined;
  return table && Object.hasOwn(table, n.opType) ? table[n.opType] : undefined;
};

function assertSupported(graph: GraphProto, at: string): void {
  const missing = graph.node.filter((n) => !importerOf(n));
  if (missing.length === 0) return;
  const lines = missing.map((n) => `  ${nodeLabel(n)}: ${n.domain ? `${n.domain}.` : ''}${n.opType}`);
  const kinds = [...new Set(missing.map((n) => n.opType))].sort();
  throw new DecantError(
    'model',
    `${missing.length} of ${graph.node.length} nodes have operators that are not supported:\n${lines.join('\n')}\n`,
    { at, seen: kinds.join(', '), fix: 'export the model with other operators, or remove those nodes' },
  );
}

/** PyTorch's names of float tensors that are no parameters. */
const STATISTICS = /(^|\.)(running_mean|running_var|inv_freq|original_inv_freq)$/;

function readInitializers(graph: GraphProto, options: ImportOptions, own: boolean) {
  const params: Record<string, NDArray> = {};
  const buffers: Record<string, NDArray> = {};
  if (graph.sparseInitializer.length > 0) {
    throw malformed(options.at ?? 'the ONNX model', 'sparse initializers are not supported');
  }
  const limits = new Set(
    graph.node.flatMap((n) => (BUFFER_INPUTS[n.opType] ?? []).map((i) => n.input[i] ?? '')),
  );
  const isParam =
    options.trainable ??
    ((name: string, a: NDArray) =>
      isFloat(a.dtype) &&
      a.shape.length > 0 &&
      a.data.length > 0 &&
      !limits.has(name) &&
      !STATISTICS.test(name) &&
      // what Decant names so was a constant of the graph
      !(own && /^const_\d+$/.test(name)));
  for (const t of graph.initializer) {
    const value = tensorData(t, options.externalData);
    (isParam(t.name, value) ? params : buffers)[t.name] = value;
  }
  return { params, buffers };
}

const elementType = (v: ValueInfoProto): number =>
  v.type?.value.case === 'tensorType' ? v.type.value.value.elemType : 0;

function port(v: ValueInfoProto, options: ImportOptions): OnnxPort {
  const at = `input '${v.name}'`;
  if (v.type?.value.case !== 'tensorType') {
    throw new DecantError('model', 'only tensors can be inputs', {
      at,
      seen: v.type?.value.case ?? 'no type',
    });
  }
  const type = v.type.value.value;
  const given = options.inputShapes;
  const shape = given && Object.hasOwn(given, v.name) ? given[v.name] : undefined;
  if (!shape && !type.shape) {
    throw new DecantError('model', 'the file does not declare the shape of an input', {
      at,
      fix: `pass inputShapes: { ${JSON.stringify(v.name)}: [...] }`,
    });
  }
  return {
    name: v.name,
    shape: shape ?? declaredShape(type, v.name, options.dims ?? {}),
    dtype: importedDType(type.elemType, at),
    onnxType: type.elemType,
  };
}

function checkedInput(p: OnnxPort, t: Tensor | undefined, at: string): Tensor {
  if (!(t instanceof Tensor)) {
    throw new DecantError('usage', `the input '${p.name}' is missing`, {
      at,
      allowed: `${p.dtype}${showShape(p.shape)}`,
    });
  }
  const fits = t.dtype === p.dtype || (p.dtype === 'int32' && t.dtype === 'int64');
  const sizes =
    t.rank === p.shape.length &&
    p.shape.every((d, i) => typeof d !== 'number' || typeof t.shape[i] !== 'number' || d === t.shape[i]);
  if (!fits || !sizes) {
    throw new DecantError('shape', `the input '${p.name}' does not fit`, {
      at,
      seen: `${t.dtype}${showShape(t.shape)}`,
      allowed: `${p.dtype}${showShape(p.shape)}`,
    });
  }
  return cast(t, p.dtype);
}

/** The nodes that the wanted values need, in order. */
function neededNodes(graph: GraphProto, wanted: readonly string[]): NodeProto[] {
  const made = new Set(graph.node.flatMap((n) => n.output));
  const needed = new Set(wanted);
  for (const name of wanted) {
    const known = made.has(name) || [...graph.input, ...graph.initializer].some((v) => v.name === name);
    if (!known) throw new DecantError('usage', 'the model has no value of that name', { seen: name });
  }
  const nodes: NodeProto[] = [];
  for (let i = graph.node.length - 1; i >= 0; i--) {
    const n = graph.node[i];
    if (!n.output.some((o) => o !== '' && needed.has(o))) continue;
    for (const name of n.input) needed.add(name);
    nodes.push(n);
  }
  return nodes.reverse();
}

function buildNode(
  proto: NodeProto,
  values: Map<string, Value>,
  opset: number,
  files: ExternalData | undefined,
  at: string,
): void {
  const inputs = proto.input.map((name) => (name === '' ? undefined : values.get(name)));
  try {
    const node = new OpNode(proto, inputs, opset, files);
    const made = fold(node) ?? importerOf(proto)!(node);
    const outputs = Array.isArray(made) ? made : [made];
    proto.output.forEach((name, i) => {
      if (name === '') return;
      const v = outputs[i] ?? node.fail(`output ${i} of ${proto.opType} is not supported`);
      values.set(name, v instanceof Value ? v : new Value(v));
    });
  } catch (cause) {
    const seen = inputs.map((v) => (v ? `${v.dtype}${showShape(v.shape)}` : '-')).join(', ');
    const what = isDecantError(cause) ? cause.message : 'the node is malformed';
    throw new DecantError('model', `node '${nodeLabel(proto)}' (${proto.opType} of ${seen}): ${what}`, {
      at,
      cause,
    });
  }
}

/** An array in the dtype that an input is imported as (int64 becomes int32, float16 becomes float32). */
export const asInput = (p: OnnxPort, a: NDArray): NDArray => castArray(a, p.dtype);
