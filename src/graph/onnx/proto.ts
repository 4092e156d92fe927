import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttrType,
  type GraphProto,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { DTYPES, type DType } from '../dtype.ts';
import type { NDArray } from '../ndarray.ts';
import type { OnnxAttr } from '../op.ts';
import { dimKey, isSymbolic, type Shape } from '../shape.ts';

/** Declares an input or output; a symbolic dimension becomes its `dim_param`. */
export function valueInfo(name: string, type: { shape: Shape; dtype: DType }): ValueInfoProto {
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

/** A tensor whose raw data is a view of the array's memory, not a copy. */
export function tensorProto(name: string, value: NDArray): TensorProto {
  return rawTensorProto(name, DTYPES[value.dtype].onnx, value.shape, value.data);
}

/** A tensor of an ONNX type that Decant's arrays do not have, such as int8. */
export function rawTensorProto(
  name: string,
  dataType: number,
  shape: readonly number[],
  data: ArrayBufferView,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType,
    dims: shape.map(BigInt),
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
