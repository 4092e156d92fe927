import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { gradients } from '../autodiff.ts';
import { writeOnnx } from '../onnx/writer.ts';
import type { Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { spec, trace } from '../trace.ts';
import { mul } from './arithmetic.ts';
import { scaledDotProductAttention } from './attention.ts';
import { batchNormTrain } from './batch-norm.ts';
import { conv } from './conv.ts';
import { linear } from './linear.ts';
import { layerNorm } from './norm.ts';
import { sum } from './reduce.ts';
import { split } from './slicing.ts';

/** How often each ONNX operator occurs in the graph of f and its gradients. */
function count(shapes: Shape[], f: (...t: Tensor[]) => Tensor, standardOnly = false): Record<string, number> {
  const { graph } = trace(
    (...t: Tensor[]) => {
      const y = f(...t);
      return [y, ...gradients(sum(mul(y, y)), t)];
    },
    shapes.map((s) => spec(s)),
  );
  const model = fromBinary(ModelProtoSchema, writeOnnx(graph, { standardOnly }));
  const counts: Record<string, number> = {};
  for (const n of model.graph!.node) counts[n.opType] = (counts[n.opType] ?? 0) + 1;
  return counts;
}

// What makes training fast on onnxruntime; losing one of these is invisible to tests of values.
describe('emitted graphs', () => {
  it('a linear layer over a batch of sequences is three products over all rows, nothing is transposed', () => {
    const ops = count([[8, 16, 32], [32, 64], [64]], (x, w, b) => linear(x, w, b));
    expect(ops.Gemm).toBe(3);
    expect([ops.MatMul, ops.Transpose, ops.FusedMatMul]).toEqual([undefined, undefined, undefined]);
  });
  it('attention multiplies by transposes without making them', () => {
    const qkv: Shape = [2, 4, 8, 16];
    const ops = count([qkv, qkv, qkv], (q, k, v) => scaledDotProductAttention(q, k, v, { causal: true }));
    expect([ops.MatMul, ops.FusedMatMul, ops.Transpose]).toEqual([1, 5, undefined]);
    const plain = count([qkv, qkv, qkv], (q, k, v) => scaledDotProductAttention(q, k, v), true);
    expect(plain.FusedMatMul).toBeUndefined();
  });
  it('grouped queries repeat no keys', () => {
    const ops = count(
      [
        [2, 4, 8, 16],
        [2, 2, 8, 16],
        [2, 2, 8, 16],
      ],
      (q, k, v) => scaledDotProductAttention(q, k, v),
    );
    expect(ops.Expand ?? 0).toBeLessThanOrEqual(2); // seeds of the reductions only
  });
  it('a 3×3 convolution and its gradients are two convolutions, two of moves and one batched product', () => {
    const ops = count(
      [
        [4, 8, 16, 16],
        [8, 8, 3, 3],
      ],
      (x, w) => conv(x, w, { pads: 1 }),
    );
    expect([ops.Conv, ops.FusedMatMul, ops.ConvTranspose, ops.Pad]).toEqual([4, 1, undefined, undefined]);
  });
  it('with more channels than positions the kernel gradient is one product', () => {
    const ops = count(
      [
        [4, 64, 4, 4],
        [64, 64, 3, 3],
      ],
      (x, w) => conv(x, w, { pads: 1 }),
    );
    expect([ops.Conv, ops.Gemm, ops.FusedMatMul]).toEqual([2, 1, undefined]);
  });
  it('batch normalization passes over the input once forwards and once backwards', () => {
    const ops = count([[4, 8, 16, 16], [8], [8]], (x, s, b) => batchNormTrain(x, s, b).y);
    expect([ops.BatchNormalization, ops.LayerNormalization, ops.FusedMatMul]).toEqual([2, 1, 1]);
  });
  it('layer normalization stays one operator, taken again backwards', () => {
    const ops = count([[4, 8, 32], [32], [32]], (x, s, b) => layerNorm(x, s, b));
    expect(ops.LayerNormalization).toBe(2);
  });
  it('the gradient of a split is one concatenation', () => {
    const ops = count([[4, 12]], (x) => {
      const [a, b, c] = split(x, 3, 1);
      return mul(mul(a, b), c);
    });
    expect([ops.Split, ops.Concat, ops.Pad]).toEqual([1, 1, undefined]);
  });
});
