import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, type NodeProto } from 'onnx-buf';

/** The nodes of an ONNX model. */
export const modelOf = (bytes: Uint8Array): NodeProto[] => fromBinary(ModelProtoSchema, bytes).graph!.node;
