import { create } from '@bufbuild/protobuf';
import {
  type GraphProto,
  type ModelProto,
  type NodeProto,
  OperatorSetIdProtoSchema,
  type TensorProto,
} from 'onnx-buf';
import { type NDArray, ndarray } from '../graph/ndarray.ts';
import { GraphBuilder } from '../graph/onnx/builder.ts';
import { encodeModel, joinPieces } from '../graph/onnx/encode.ts';
import type { ExternalData } from '../graph/onnx/external.ts';
import { decodeModel, nodeLabel, standardOpset } from '../graph/onnx/import/decode.ts';
import { tensorData } from '../graph/onnx/import/tensor-data.ts';
import { rawTensorProto } from '../graph/onnx/proto.ts';
import { shareNodes } from '../graph/onnx/share.ts';
import { DecantError } from '../util/errors.ts';
import { quantizeHalf, quantizeInt4, quantizeInt8 } from './quantize-weights.ts';

export interface QuantizeOptions {
  /**
   * int8: weights int8 with one scale per column, activations uint8 by their range at run time; standard operators.
   * int4: weights only, in blocks; onnxruntime's MatMulNBits.
   */
  scheme: 'int8' | 'int4';
  /** Tables that Gather reads by row; default int8 (one scale per row). */
  embeddings?: 'int8' | 'float16' | 'float32';
  /**
   * A product that gives an output, such as logits, stays float32 if it holds at most this share of the weights: its
   * errors go straight into the answer. Default 0: quantized like the others.
   */
  keepOutputLayer?: number;
  /** Layers that stay as they are, by name of the node or of its weight (substring or pattern). */
  exclude?: readonly (string | RegExp)[];
  /** Weights of fewer elements stay; default 256. */
  minElements?: number;
  /** Weights that share a scale under int4; 16, 32, 64 or 128; default 32. */
  blockSize?: number;
  /** Use 7 of the 8 bits of int8 weights, for processors without VNNI instructions, whose sums saturate. */
  reduceRange?: boolean;
  /** Data files of a model with external weights. */
  externalData?: ExternalData;
  /** For messages: the path of the model. */
  at?: string;
}

export interface QuantizeReport {
  /** Weights that were quantized, with the relative error of each: ‖w - ŵ‖ / ‖w‖. */
  quantized: { name: string; shape: readonly number[]; as: string; error: number }[];
  /** Weights of products and tables that were kept, and why. */
  kept: { name: string; shape: readonly number[]; why: string }[];
}

/**
 * Quantizes the products by constant matrices (MatMul, Gemm) and the embedding tables of an ONNX model; names of
 * inputs and outputs stay. An activation that several products read (query, key, value) is quantized once.
 */
export function quantizeOnnx(
  bytes: Uint8Array,
  options: QuantizeOptions,
): { bytes: Uint8Array<ArrayBuffer>; report: QuantizeReport } {
  const at = options.at ?? 'the ONNX model';
  const { model, graph } = decodeModel(bytes, at);
  const opset = standardOpset(model, at);
  if (opset < 13) {
    throw new DecantError('model', 'quantization needs operator set 13 or later', { at, seen: opset });
  }
  const report = new Quantizer(graph, options).run();
  if (options.scheme === 'int4') declareContrib(model);
  return { bytes: joinPieces(encodeModel(model)), report };
}

function declareContrib(model: ModelProto): void {
  if (model.opsetImport.some((o) => o.domain === 'com.microsoft')) return;
  model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }));
}

/** A product x · w (+ b) by a constant matrix. */
interface Product {
  node: NodeProto;
  weight: string;
  /** The weight is stored `[N, K]`. */
  transposed: boolean;
  bias: string | undefined;
}

/** Rewrites one graph. */
class Quantizer {
  private readonly graph: GraphProto;
  private readonly options: QuantizeOptions;
  private readonly builder = new GraphBuilder(true);
  private readonly weights: Map<string, TensorProto>;
  private readonly makers: Map<string, NodeProto>;
  /** Values of products that give the graph's outputs. */
  private readonly last: ReadonlySet<string>;
  /** Most elements of such a product's weight that stay float32. */
  private readonly outputLimit: number;
  private readonly activations = new Map<string, string[]>();
  private readonly made = new Map<string, string[]>();
  private readonly report: QuantizeReport = { quantized: [], kept: [] };

  constructor(graph: GraphProto, options: QuantizeOptions) {
    this.graph = graph;
    this.options = options;
    this.weights = new Map(graph.initializer.map((t) => [t.name, t]));
    this.makers = new Map(graph.node.flatMap((n) => n.output.map((o) => [o, n] as const)));
    this.last = lastProducts(graph, this.makers);
    const elements = graph.initializer.map((i) => i.dims.reduce((n, d) => n * Number(d), 1));
    this.outputLimit = (options.keepOutputLayer ?? 0) * elements.reduce((a, b) => a + b, 0);
    // a node keeps the name it was made with when its output is renamed: neither may come twice
    const nodes = graph.node.flatMap((n) => n.name || []);
    const inputs = graph.input.map((i) => i.name);
    for (const name of [...this.makers.keys(), ...nodes, ...this.weights.keys(), ...inputs]) {
      this.builder.reserve(name);
    }
  }

  run(): QuantizeReport {
    const { builder } = this;
    const outputs = new Set(this.graph.output.map((o) => o.name));
    for (const node of shareNodes(this.graph.node, outputs).nodes) {
      const product = this.productOf(node);
      if (product && this.accepts(node, product.weight)) this.rewriteProduct(product);
      else if (this.isTable(node) && this.accepts(node, node.input[0])) this.rewriteTable(node);
      else builder.nodeProtos.push(node);
    }
    this.graph.node = withoutUnused(builder.nodeProtos, outputs);
    const used = new Set([...usedNames(this.graph.node), ...outputs]);
    this.graph.initializer = [...this.graph.initializer, ...builder.initializers].filter((t) =>
      used.has(t.name),
    );
    // up to IR version 3 initializers were listed as inputs
    this.graph.input = this.graph.input.filter((i) => !this.weights.has(i.name) || used.has(i.name));
    return this.report;
  }

  private matrix(name: string): TensorProto | undefined {
    const t = this.weights.get(name);
    return t && t.dataType === 1 && t.dims.length === 2 ? t : undefined;
  }

  /** Looks through a Transpose of a constant, as a tied output layer has it. */
  private weightOf(name: string): { weight: string; turned: boolean } | undefined {
    if (this.matrix(name)) return { weight: name, turned: false };
    const maker = this.makers.get(name);
    if (maker?.opType !== 'Transpose' || !this.matrix(maker.input[0])) return undefined;
    return { weight: maker.input[0], turned: true };
  }

  private productOf(node: NodeProto): Product | undefined {
    if (node.domain !== '' || (node.opType !== 'MatMul' && node.opType !== 'Gemm')) return undefined;
    const found = this.weightOf(node.input[1]);
    if (!found) return undefined;
    const attrs = new Map(node.attribute.map((a) => [a.name, a]));
    const transB = Number(attrs.get('transB')?.i ?? 0n) !== 0;
    const plain =
      Number(attrs.get('transA')?.i ?? 0n) === 0 &&
      (attrs.get('alpha')?.f ?? 1) === 1 &&
      ((attrs.get('beta')?.f ?? 1) === 1 || !node.input[2]);
    if (!plain) return undefined;
    return {
      node,
      weight: found.weight,
      transposed: transB !== found.turned,
      bias: node.input[2] || undefined,
    };
  }

  private isTable(node: NodeProto): boolean {
    const axis = node.attribute.find((a) => a.name === 'axis');
    return (
      node.opType === 'Gather' && this.matrix(node.input[0]) !== undefined && Number(axis?.i ?? 0n) === 0
    );
  }

  private accepts(node: NodeProto, weight: string): boolean {
    const t = this.weights.get(weight)!;
    const shape = t.dims.map(Number);
    const keep = (why: string): false => {
      this.report.kept.push({ name: weight, shape, why });
      return false;
    };
    const matches = (p: string | RegExp): boolean =>
      [nodeLabel(node), weight].some((name) => (typeof p === 'string' ? name.includes(p) : p.test(name)));
    if (this.options.exclude?.some(matches)) return keep('excluded');
    if (this.last.has(node.output[0]) && shape[0] * shape[1] <= this.outputLimit) return keep('output layer');
    if (shape[0] * shape[1] < (this.options.minElements ?? 256)) return keep('small');
    if (node.opType === 'Gather' && this.options.embeddings === 'float32')
      return keep('embeddings stay float32');
    return true;
  }

  private rewriteProduct(p: Product): void {
    const product = this.options.scheme === 'int4' ? this.int4Product(p) : this.int8Product(p);
    const last = p.bias === undefined ? product : this.builder.node('Add', [product, p.bias]);
    this.renameLast(last, p.node.output[0]);
  }

  /** Gives the value just made the name that the rest of the graph knows. */
  private renameLast(value: string, name: string): void {
    const node = this.builder.nodeProtos[this.builder.nodeProtos.length - 1];
    node.output = node.output.map((o) => (o === value ? name : o));
  }

  private int8Product({ node, weight, transposed }: Product): string {
    const { builder } = this;
    const x = this.quantizedActivation(node.input[0]);
    const [q, scales] = this.int8(weight, transposed ? 'row' : 'column');
    const w = transposed
      ? this.once(`turned:${weight}`, () => [builder.node('Transpose', [q], { perm: [1, 0] })])[0]
      : q;
    const sums = builder.node('MatMulInteger', [x[0], w, x[2]]);
    const scale = builder.node('Mul', [x[1], scales]);
    return builder.node('Mul', [builder.cast(sums, 'float32'), scale]);
  }

  private quantizedActivation(name: string): string[] {
    let q = this.activations.get(name);
    if (!q) {
      q = this.builder.nodes('DynamicQuantizeLinear', [name], 3);
      this.activations.set(name, q);
    }
    return q;
  }

  private int4Product({ node, weight, transposed }: Product): string {
    const { builder } = this;
    const block = this.options.blockSize ?? 32;
    const w = this.data(weight);
    const [n, k] = transposed ? w.shape : [w.shape[1], w.shape[0]];
    const [q, scales] = this.once(`int4:${weight}:${transposed}`, () => {
      const m = quantizeInt4(w, transposed, block);
      this.note(weight, w, 'int4', m.error);
      return [
        this.add(`${weight}.int4`, 2, [n, m.blocks, block / 2], m.data),
        this.add(`${weight}.scale`, 1, [n * m.blocks], m.scales),
      ];
    });
    const attrs = { K: k, N: n, bits: 4, block_size: block };
    return builder.node('MatMulNBits', [node.input[0], q, scales], attrs, 'com.microsoft');
  }

  private rewriteTable(node: NodeProto): void {
    const { builder } = this;
    const [table, ids] = node.input;
    if (this.options.embeddings === 'float16') {
      const [half] = this.once(`half:${table}`, () => [this.halfTable(table)]);
      this.renameLast(builder.cast(builder.node('Gather', [half, ids]), 'float32'), node.output[0]);
      return;
    }
    const [q, scales] = this.int8(table, 'row');
    const column = this.once(`column:${table}`, () => [
      builder.node('Unsqueeze', [scales, builder.int64([1])]),
    ])[0];
    const rows = builder.cast(builder.node('Gather', [q, ids]), 'float32');
    const scale = builder.node('Gather', [column, ids]);
    this.renameLast(builder.node('Mul', [rows, scale]), node.output[0]);
  }

  private halfTable(name: string): string {
    const w = this.data(name);
    const half = quantizeHalf(w);
    this.note(name, w, 'float16', half.error);
    return this.add(`${name}.half`, 10, w.shape, half.data);
  }

  private int8(name: string, per: 'row' | 'column'): string[] {
    return this.once(`int8:${name}:${per}`, () => {
      const w = this.data(name);
      const m = quantizeInt8(w, per, this.options.reduceRange ? 63 : 127);
      this.note(name, w, 'int8', m.error);
      return [
        this.add(`${name}.int8`, 3, w.shape, m.data),
        this.add(`${name}.scale`, 1, [m.scales.length], m.scales),
      ];
    });
  }

  private note(name: string, w: NDArray, as: string, error: number): void {
    this.report.quantized.push({ name, shape: w.shape, as, error });
  }

  private data(name: string): NDArray {
    const a = tensorData(this.weights.get(name)!, this.options.externalData);
    return ndarray(a.data, a.shape, a.dtype);
  }

  private add(name: string, type: number, shape: readonly number[], data: ArrayBufferView): string {
    let unique = name;
    for (
      let i = 1;
      this.weights.has(unique) || this.builder.initializers.some((t) => t.name === unique);
      i++
    ) {
      unique = `${name}_${i}`;
    }
    this.builder.initializers.push(rawTensorProto(unique, type, shape, data));
    return unique;
  }

  private once(key: string, make: () => string[]): string[] {
    let names = this.made.get(key);
    if (!names) {
      names = make();
      this.made.set(key, names);
    }
    return names;
  }
}

/** Values of the products that become outputs by nothing more than a bias or a change of shape. */
function lastProducts(graph: GraphProto, makers: ReadonlyMap<string, NodeProto>): Set<string> {
  const found = new Set<string>();
  for (const output of graph.output) {
    let name: string | undefined = output.name;
    let maker = makers.get(name);
    while (maker && ['Add', 'Identity', 'Reshape', 'Squeeze'].includes(maker.opType)) {
      const made: string[] = maker.input.filter((i) => makers.has(i));
      // a sum of two values is no bias
      name = maker.opType !== 'Add' || made.length === 1 ? made[0] : undefined;
      maker = name === undefined ? undefined : makers.get(name);
    }
    if (name !== undefined && maker && ['MatMul', 'Gemm'].includes(maker.opType)) found.add(name);
  }
  return found;
}

function usedNames(nodes: readonly NodeProto[]): Set<string> {
  const used = new Set<string>();
  const visit = (n: NodeProto): void => {
    for (const i of n.input) used.add(i);
    for (const a of n.attribute) for (const inner of a.g?.node ?? []) visit(inner);
  };
  nodes.forEach(visit);
  return used;
}

/** Drops nodes whose outputs nobody reads (a Transpose whose product was rewritten). */
function withoutUnused(nodes: readonly NodeProto[], outputs: ReadonlySet<string>): NodeProto[] {
  const kept: NodeProto[] = [];
  const used = new Set(outputs);
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (!nodes[i].output.some((o) => used.has(o))) continue;
    for (const name of usedNames([nodes[i]])) used.add(name);
    kept.push(nodes[i]);
  }
  return kept.reverse();
}
