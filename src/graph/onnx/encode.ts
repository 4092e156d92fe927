import { create, toBinary } from '@bufbuild/protobuf';
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from 'onnx-buf';
import { DecantError } from '../../util/errors.ts';

// Field numbers of onnx.proto. The fields of a message may stand in any order, so weights can be appended to a
// message that the protobuf library wrote without them: each weight is then copied once, into the final array.
const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const TENSOR_RAW_DATA = 9;
const LIMIT = 2 ** 31 - 1;

/**
 * The bytes of a model as a list of pieces in file order; weights are views of the arrays they came from.
 * Equal models give equal bytes.
 */
export function encodeModel(model: ModelProto): Uint8Array[] {
  const graph = model.graph!;
  const pieces = graphPieces(graph);
  const shell = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { ...plain(model), graph: undefined } as never),
  );
  const out = [shell, header(MODEL_GRAPH, sizeOf(pieces)), ...pieces];
  if (sizeOf(out) > LIMIT) {
    throw new DecantError('model', 'an ONNX file holds at most 2 GB', {
      seen: `${sizeOf(out)} bytes`,
      fix: 'write the weights as external data (externalData: { location })',
    });
  }
  return out;
}

function graphPieces(graph: GraphProto): Uint8Array[] {
  const { initializer } = graph;
  const shell = create(GraphProtoSchema, { ...plain(graph), initializer: [] } as never);
  return [toBinary(GraphProtoSchema, shell), ...initializer.flatMap(initializerPieces)];
}

function initializerPieces(t: TensorProto): Uint8Array[] {
  const raw = t.rawData;
  const meta = create(TensorProtoSchema, { ...plain(t), rawData: undefined } as never);
  const pieces: Uint8Array[] = [toBinary(TensorProtoSchema, meta)];
  if (Object.hasOwn(t, 'rawData')) pieces.push(header(TENSOR_RAW_DATA, raw.length), raw);
  return [header(GRAPH_INITIALIZER, sizeOf(pieces)), ...pieces];
}

/** The fields that are set, without the message's type tag. */
function plain(message: object): Record<string, unknown> {
  const { $typeName: _, ...fields } = message as Record<string, unknown>;
  return fields;
}

/** Tag and length of a length-delimited field. */
function header(field: number, length: number): Uint8Array {
  const bytes: number[] = [];
  for (const v of [field * 8 + 2, length]) {
    let n = v;
    while (n >= 128) {
      bytes.push((n % 128) | 128);
      n = Math.floor(n / 128);
    }
    bytes.push(n);
  }
  return Uint8Array.from(bytes);
}

export const sizeOf = (pieces: readonly Uint8Array[]): number => pieces.reduce((n, p) => n + p.length, 0);

export function joinPieces(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(sizeOf(pieces));
  let at = 0;
  for (const p of pieces) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
