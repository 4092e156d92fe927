import { create, toBinary } from '@bufbuild/protobuf';
import {
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { type NDArray, ndarray, toNumbers } from '../ndarray.ts';
import { joinPieces } from './encode.ts';
import { decodeModel } from './import/decode.ts';
import { tensorData } from './import/tensor-data.ts';

/** The linear layer at the end of an ONNX model. */
export interface OnnxOutputLayer {
  /** Name of the value that the layer is given. */
  readonly input: string;
  /** `[outputs, width]` */
  readonly weights: NDArray;
  /** `[outputs]` */
  readonly bias?: NDArray;
}

/**
 * The linear layer that makes an output: Gemm, or MatMul with constant weights, an Add after it or not. Undefined where
 * the output is made in another way (or its layer is quantized). Errors: `model` for a damaged file.
 */
export function onnxOutputLayer(bytes: Uint8Array, output: string, at: string): OnnxOutputLayer | undefined {
  const { graph } = decodeModel(bytes, at);
  const madeBy = (name: string): NodeProto | undefined => graph.node.find((n) => n.output[0] === name);
  let node = madeBy(output);
  while (node?.opType === 'Identity') node = madeBy(node.input[0]);
  let bias: NDArray | undefined;
  if (node?.opType === 'Add') {
    const [a, b] = node.input;
    bias = constantOf(graph, b) ?? constantOf(graph, a);
    node = madeBy(constantOf(graph, b) ? a : b);
    if (!bias) return undefined;
  }
  if (node?.opType === 'Gemm') {
    const number = (name: string): number | undefined => node?.attribute.find((a) => a.name === name)?.f;
    const transB = node.attribute.find((a) => a.name === 'transB')?.i === 1n;
    const plain = (number('alpha') ?? 1) === 1 && (number('beta') ?? 1) === 1;
    const weights = constantOf(graph, node.input[1]);
    if (!weights || !plain || node.attribute.some((a) => a.name === 'transA' && a.i !== 0n)) return undefined;
    const own = node.input[2] ? constantOf(graph, node.input[2]) : undefined;
    return { input: node.input[0], weights: transB ? weights : transposed(weights), bias: own ?? bias };
  }
  if (node?.opType !== 'MatMul') return undefined;
  const swapped = madeBy(node.input[1]);
  const weights = constantOf(graph, swapped?.opType === 'Transpose' ? swapped.input[0] : node.input[1]);
  if (weights?.shape.length !== 2) return undefined;
  return { input: node.input[0], weights: swapped ? weights : transposed(weights), bias };
}

/** The model with further values among its outputs. */
export function exposeValues(bytes: Uint8Array, names: readonly string[]): Uint8Array<ArrayBuffer> {
  const output = names.map((name) =>
    create(ValueInfoProtoSchema, {
      name,
      type: { value: { case: 'tensorType', value: { elemType: 1 } } },
    }),
  );
  // the end of a message is merged into what stands before it: repeated fields grow, nothing has to be copied apart
  const more = create(ModelProtoSchema, { graph: create(GraphProtoSchema, { output }) });
  return joinPieces([bytes, toBinary(ModelProtoSchema, more)]);
}

/** A float initializer, or the value of a Constant node. */
function constantOf(graph: GraphProto, name: string): NDArray | undefined {
  const found =
    graph.initializer.find((t) => t.name === name) ??
    graph.node
      .find((n) => n.opType === 'Constant' && n.output[0] === name)
      ?.attribute.find((a) => a.name === 'value')?.t;
  if (!found || found.externalData.length > 0) return undefined;
  const value = tensorData(found, undefined);
  return value.dtype === 'float32' ? value : undefined;
}

/** `[width, outputs]` to `[outputs, width]`. */
function transposed(a: NDArray): NDArray {
  const [rows, columns] = a.shape;
  const from = toNumbers(a);
  const data = new Float32Array(from.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) data[c * rows + r] = from[r * columns + c];
  return ndarray(data, [columns, rows]);
}
