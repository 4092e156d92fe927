/** Tensors, operators, autodiff and passes. ONNX files are under onnx/: they bring protobuf along, which few commands need. */
export * from './autodiff.ts';
export * from './dtype.ts';
export {
  array,
  cast as castArray,
  full,
  item,
  type NDArray,
  type NestedNumbers,
  ndarray,
  scalar,
  sizeOf,
  toNested,
  toNumbers,
  zeros,
} from './ndarray.ts';
export * from './ops/activations.ts';
export * from './ops/arithmetic.ts';
export * from './ops/attention.ts';
export * from './ops/basic.ts';
export * from './ops/batch-norm.ts';
export * from './ops/compare.ts';
export * from './ops/control.ts';
export * from './ops/conv.ts';
export * from './ops/cross-entropy.ts';
export * from './ops/einsum.ts';
export * from './ops/elementwise.ts';
export * from './ops/grid-sample.ts';
export * from './ops/indexing.ts';
export * from './ops/linear.ts';
export * from './ops/norm.ts';
export * from './ops/padding.ts';
export * from './ops/philox.ts';
export * from './ops/pool.ts';
export * from './ops/random.ts';
export { sum, sumTo } from './ops/reduce.ts';
export * from './ops/reductions.ts';
export * from './ops/rotary.ts';
export * from './ops/shape.ts';
export * from './ops/sizes.ts';
export * from './ops/slicing.ts';
export * from './ops/softmax.ts';
export * from './ops/sorting.ts';
export { type OptimizeOptions, optimize } from './passes/optimize.ts';
export * from './shape.ts';
export {
  apply,
  applyAll,
  constant,
  input,
  lift,
  Tensor,
  type TensorLike,
  type TensorType,
} from './tensor.ts';
export { type Graph, spec, topologicalNodes, trace } from './trace.ts';
export * from './tree.ts';
