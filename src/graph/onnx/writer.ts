import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttrType,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { DecantError } from '../../util/errors.ts';
import { DTYPES, type DType } from '../dtype.ts';
import { array, type NDArray, ndarray } from '../ndarray.ts';
import type { Emitter, OnnxAttr } from '../op.ts';
import { type Dim, dimKey, dimTerms, isConcrete, isSymbolic, type Shape, symbolName } from '../shape.ts';
import type { Tensor, TensorType } from '../tensor.ts';
import { assertClosed, type Graph, inputName, topologicalNodes } from '../trace.ts';

/** ONNX operator set that Decant writes. */
export const OPSET = 21;
const IR_VERSION = 10;

export interface WriteOptions {
  /** Only operators of the ONNX standard; default false (onnxruntime's fused operators may appear). */
  standardOnly?: boolean;
  /** Name of each output; default `out0`, `out1` … or the paths of the traced result. */
  outputNames?: readonly string[];
  graphName?: string;
  metadata?: Readonly<Record<string, string>>;
}

/** Names in emission scope: values, shared initializers, shape pieces. One per model (or subgraph). */
export class GraphBuilder implements Emitter {
  readonly standardOnly: boolean;
  readonly opset = OPSET;
  readonly nodeProtos: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  private readonly shared = new Map<string, string>();
  private readonly witnesses = new Map<string, { input: string; axis: number }>();
  private readonly prefix: string;
  private counter = 0;

  constructor(standardOnly: boolean, prefix = '') {
    this.standardOnly = standardOnly;
    this.prefix = prefix;
  }

  /** Says that axis `axis` of value `name` has the size of a symbol. */
  witness(name: string, shape: Shape): void {
    shape.forEach((d, axis) => {
      const s = symbolName(d);
      if (s !== undefined && !this.witnesses.has(s)) this.witnesses.set(s, { input: name, axis });
    });
  }

  fresh(hint: string): string {
    return `${this.prefix}${hint}_${this.counter++}`;
  }

  node(opType: string, inputs: readonly string[], attrs: Record<string, OnnxAttr> = {}, domain = ''): string {
    return this.nodes(opType, inputs, 1, attrs, domain)[0];
  }

  nodes(
    opType: string,
    inputs: readonly string[],
    outputs: number,
    attrs: Record<string, OnnxAttr> = {},
    domain = '',
  ): string[] {
    const names = Array.from({ length: outputs }, () => this.fresh(opType));
    this.nodeProtos.push(
      create(NodeProtoSchema, {
        opType,
        domain,
        name: names[0],
        input: [...inputs],
        output: names,
        attribute: Object.entries(attrs).map(([k, v]) => attribute(k, v)),
      }),
    );
    return names;
  }

  constant(value: NDArray): string {
    const small = value.data.byteLength <= 64;
    const key = small
      ? `${value.dtype}|${value.shape}|${Array.from(value.data as ArrayLike<number>).map((v) => (Object.is(v, -0) ? '-0' : String(v)))}`
      : '';
    const known = small ? this.shared.get(key) : undefined;
    if (known !== undefined) return known;
    const name = this.fresh('const');
    this.initializers.push(tensorProto(name, value));
    if (small) this.shared.set(key, name);
    return name;
  }

  int64(values: readonly number[]): string {
    return this.constant(array(values, 'int64', [values.length]));
  }

  scalar(value: number, dtype: DType): string {
    return this.constant(array(value, dtype, []));
  }

  dim(d: Dim): string {
    if (!isSymbolic(d)) return this.scalar(d, 'int64');
    const key = `dim:${dimKey(d)}`;
    let name = this.shared.get(key);
    if (name === undefined) {
      const products = dimTerms(d).map(({ coefficient, factors }) => {
        const parts = factors.map((f) =>
          'symbol' in f ? this.symbolSize(f.symbol) : this.floorDivision(f.floorOf, f.by),
        );
        if (coefficient !== 1 || parts.length === 0) parts.push(this.scalar(coefficient, 'int64'));
        return parts.reduce((a, b) => this.node('Mul', [a, b]));
      });
      name = products.reduce((a, b) => this.node('Add', [a, b]));
      this.shared.set(key, name);
    }
    return name;
  }

  // ONNX's integer Div truncates, which is floor for the non-negative numerators that sizes are; below zero
  // (a window larger than its input) the size would be invalid anyway.
  private floorDivision(a: Dim, b: Dim): string {
    return this.node('Div', [this.dim(a), this.dim(b)]);
  }

  private symbolSize(symbol: string): string {
    const key = `symbol:${symbol}`;
    let name = this.shared.get(key);
    if (name === undefined) {
      const w = this.witnesses.get(symbol);
      if (!w) {
        throw new DecantError('shape', `the symbolic dimension '${symbol}' is the size of no input axis`, {
          fix: `give an input an axis of size '${symbol}'`,
        });
      }
      const size = this.node('Shape', [w.input], { start: w.axis, end: w.axis + 1 });
      name = this.node('Squeeze', [size, this.int64([0])]);
      this.shared.set(key, name);
    }
    return name;
  }

  shape(shape: Shape): string {
    if (isConcrete(shape)) return this.int64(shape);
    const key = `shape:${shape.map(dimKey).join()}`;
    let name = this.shared.get(key);
    if (name === undefined) {
      const parts = shape.map((d) =>
        isSymbolic(d) ? this.node('Unsqueeze', [this.dim(d), this.int64([0])]) : this.int64([d]),
      );
      name = parts.length === 1 ? parts[0] : this.node('Concat', parts, { axis: 0 });
      this.shared.set(key, name);
    }
    return name;
  }

  reshapeTarget(shape: Shape): string {
    // with allowzero=1 a -1 may not stand beside a 0
    const open = shape.filter(isSymbolic).length;
    if (open === 1 && !shape.includes(0)) return this.int64(shape.map((d) => (isSymbolic(d) ? -1 : d)));
    return this.shape(shape);
  }

  cast(x: string, to: DType): string {
    return this.node('Cast', [x], { to: DTYPES[to].onnx });
  }
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

/** A graph as an ONNX model. Weights over 2 GB: see external.ts. */
export function writeOnnx(graph: Graph, options: WriteOptions = {}): Uint8Array<ArrayBuffer> {
  assertClosed(graph);
  const builder = new GraphBuilder(options.standardOnly ?? false);
  const names = new Map<number, string[]>();
  for (const t of graph.inputs) {
    names.set(t.node.id, [inputName(t)]);
    builder.witness(inputName(t), t.shape);
  }
  const results = emitGraph(builder, graph, names);
  // every output gets its own name, also when it is an input, a constant, or listed twice
  const outputNames = options.outputNames ?? graph.outputs.map((_, i) => `out${i}`);
  results.forEach((value, i) => {
    builder.nodeProtos.push(
      create(NodeProtoSchema, {
        opType: 'Identity',
        name: outputNames[i],
        input: [value],
        output: [outputNames[i]],
      }),
    );
  });
  const proto = create(GraphProtoSchema, {
    name: options.graphName ?? 'decant',
    node: builder.nodeProtos,
    initializer: builder.initializers,
    input: graph.inputs.map((t) => valueInfo(inputName(t), t)),
    output: graph.outputs.map((t: Tensor, i) => valueInfo(outputNames[i], t)),
  });
  return modelBytes(proto, builder, options.metadata);
}

export function modelBytes(
  graph: GraphProto,
  builder: GraphBuilder,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const domains = new Set(builder.nodeProtos.map((n) => n.domain).filter((d) => d !== ''));
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: BigInt(IR_VERSION),
      producerName: 'decant',
      opsetImport: [
        { domain: '', version: BigInt(builder.opset) },
        ...[...domains].map((domain) => ({ domain, version: 1n })),
      ],
      graph,
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    }),
  ) as Uint8Array<ArrayBuffer>;
}

export function valueInfo(name: string, type: TensorType): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: DTYPES[type.dtype].onnx,
          shape: {
            dim: type.shape.map((d) => ({
              value: isSymbolic(d)
                ? { case: 'dimParam' as const, value: dimKey(d) }
                : { case: 'dimValue' as const, value: BigInt(d) },
            })),
          },
        },
      },
    },
  });
}

export function tensorProto(name: string, value: NDArray): TensorProto {
  const { data } = value;
  return create(TensorProtoSchema, {
    name,
    dataType: DTYPES[value.dtype].onnx,
    dims: value.shape.map(BigInt),
    rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  });
}

export function attribute(name: string, value: OnnxAttr): AttributeProto {
  const make = (fields: Partial<AttributeProto>): AttributeProto =>
    create(AttributeProtoSchema, { name, ...fields } as never);
  if (typeof value === 'number') return make({ type: AttrType.INT, i: BigInt(value) });
  if (typeof value === 'string') return make({ type: AttrType.STRING, s: new TextEncoder().encode(value) });
  if (Array.isArray(value)) return make({ type: AttrType.INTS, ints: value.map(BigInt) });
  if ('float' in value) return make({ type: AttrType.FLOAT, f: value.float });
  if ('floats' in value) return make({ type: AttrType.FLOATS, floats: [...value.floats] });
  if ('tensor' in value) return make({ type: AttrType.TENSOR, t: tensorProto('', value.tensor) });
  return make({ type: AttrType.GRAPH, g: (value as { graph: GraphProto }).graph });
}

export { ndarray };
