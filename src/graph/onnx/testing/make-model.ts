import { create, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, NodeProtoSchema } from 'onnx-buf';
import type { NDArray } from '../../ndarray.ts';
import type { OnnxAttr } from '../../op.ts';
import { sym } from '../../shape.ts';
import { attribute, tensorProto, valueInfo } from '../proto.ts';

/** A node in short. */
export type NodeSpec = {
  op: string;
  in: string[];
  out: string[];
  attrs?: Record<string, OnnxAttr>;
  domain?: string;
};

/** A model from nodes; inputs and outputs by name. */
export function makeModel(
  nodes: NodeSpec[],
  {
    inputs = {} as Record<string, { shape: (number | string)[]; dtype?: 'float32' | 'int64' }>,
    outputs = [] as string[],
    weights = {} as Record<string, NDArray>,
    opset = 17,
  },
): Uint8Array {
  const shapeOf = (s: (number | string)[]) => s.map((d) => (typeof d === 'number' ? d : sym(d)));
  const proto = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: BigInt(opset) }],
    graph: {
      name: 'test',
      node: nodes.map((n, i) =>
        create(NodeProtoSchema, {
          opType: n.op,
          domain: n.domain ?? '',
          name: `n${i}`,
          input: n.in,
          output: n.out,
          attribute: Object.entries(n.attrs ?? {}).map(([k, v]) => attribute(k, v)),
        }),
      ),
      initializer: Object.entries(weights).map(([k, v]) => tensorProto(k, v)),
      input: Object.entries(inputs).map(([k, v]) =>
        valueInfo(k, { shape: shapeOf(v.shape), dtype: v.dtype ?? 'float32' }),
      ),
      output: outputs.map((o) => valueInfo(o, { shape: [], dtype: 'float32' })),
    },
  });
  return toBinary(ModelProtoSchema, proto);
}
