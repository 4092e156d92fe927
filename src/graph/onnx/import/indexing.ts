import { add, mul } from '../../ops/arithmetic.ts';
import { broadcastTo, reshape } from '../../ops/basic.ts';
import { cast, less, where } from '../../ops/compare.ts';
import { gather, gatherElements, oneHot, scatterAdd, scatterElements } from '../../ops/indexing.ts';
import { sum } from '../../ops/reduce.ts';
import { arange, sizeTensor } from '../../ops/sizes.ts';
import { slice } from '../../ops/slicing.ts';
import { topK } from '../../ops/sorting.ts';
import { type Dim, dimMul, dimProduct, normalizeAxis, type Shape } from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import type { ImportTable, OpNode } from './node.ts';
import { knownValue } from './value.ts';

const indices = (t: Tensor): Tensor => cast(t, 'int32');

function topElements(n: OpNode): Tensor[] {
  const x = n.tensor(0);
  const k = n.has(1) ? n.dims(1)[0] : n.int('k');
  const axis = normalizeAxis(n.int('axis', -1), x.rank);
  return topK(x, k, axis, { largest: n.int('largest', 1) !== 0 });
}

/** Values `[off, on]` at the indices, which may count from the end. */
function oneHotOf(n: OpNode): Tensor {
  const raw = cast(n.tensor(0), 'int32');
  const depth = n.dims(1)[0];
  const count = sizeTensor(depth, 'int32');
  // indices outside [-depth, depth) stay outside
  const at = add(raw, mul(cast(less(raw, 0), 'int32'), count));
  const hot = oneHot(at, depth, 'bool', n.int('axis', -1));
  const values = n.tensor(2);
  const pick = (i: number): Tensor => reshape(slice(values, { starts: [i], ends: [i + 1] }), []);
  return where(hot, pick(1), pick(0));
}

/** Sizes as a 1-d tensor. */
const sizeVector = (dims: readonly Dim[]): Tensor => knownValue(dims, [dims.length], 'int32').tensor;

/** Flat positions of index tuples `[..., k]` over the first k of `sizes`. */
function flatPositions(tuples: Tensor, sizes: Shape): Tensor {
  const k = tuples.shape[tuples.rank - 1] as number;
  let stride: Dim = 1;
  const strides: Dim[] = [];
  for (let i = k - 1; i >= 0; i--) {
    strides[i] = stride;
    stride = dimMul(stride, sizes[i]);
  }
  // indices below 0 count from the end
  const limits = sizeVector(sizes.slice(0, k));
  const positive = add(tuples, mul(cast(less(tuples, 0), 'int32'), limits));
  return sum(mul(positive, sizeVector(strides)), -1);
}

function gatherTuples(n: OpNode): Tensor {
  const x = n.tensor(0);
  const tuples = indices(n.tensor(1));
  const batch = n.int('batch_dims', 0);
  const k = tuples.shape[tuples.rank - 1];
  if (typeof k !== 'number' || batch + k > x.rank) return n.fail('the index tuples do not fit');
  const rest = x.shape.slice(batch + k);
  const flat = flatPositions(tuples, x.shape.slice(batch));
  const lead = dimProduct(x.shape.slice(0, batch));
  const inner = dimProduct(x.shape.slice(batch, batch + k));
  let rows = reshape(flat, [lead, dimProduct(flat.shape.slice(batch))]);
  if (lead !== 1) {
    const offsets = mul(arange(lead), sizeTensor(inner, 'int32'));
    rows = add(rows, reshape(offsets, [lead, 1]));
  }
  const table = reshape(x, [dimMul(lead, inner), ...rest]);
  return reshape(gather(table, reshape(rows, [dimProduct(rows.shape)]), 0), [...flat.shape, ...rest]);
}

/** x with slices at index tuples replaced, or (by reduction) combined. */
function scatterTuples(n: OpNode): Tensor {
  const x = n.tensor(0);
  const tuples = indices(n.tensor(1));
  const k = tuples.shape[tuples.rank - 1];
  if (typeof k !== 'number' || k > x.rank) return n.fail('the index tuples do not fit');
  const inner = dimProduct(x.shape.slice(k));
  const flat = flatPositions(tuples, x.shape);
  const count = dimProduct(flat.shape);
  const rows = broadcastTo(reshape(flat, [count, 1]), [count, inner]);
  const table = reshape(x, [dimProduct(x.shape.slice(0, k)), inner]);
  const updates = reshape(n.tensor(2), [count, inner]);
  return reshape(scatterBy(n, table, rows, updates, 0), x.shape);
}

function scatterBy(n: OpNode, x: Tensor, at: Tensor, updates: Tensor, axis: number): Tensor {
  const reduction = n.string('reduction', 'none');
  if (reduction === 'none') return scatterElements(x, at, updates, axis);
  if (reduction === 'add') return scatterAdd(x, at, updates, axis);
  return n.fail(`reduction '${reduction}' is not supported`, { allowed: 'none, add' });
}

function scatter(n: OpNode): Tensor {
  const x = n.tensor(0);
  return scatterBy(n, x, indices(n.tensor(1)), n.tensor(2), normalizeAxis(n.int('axis', 0), x.rank));
}

/** Reading and writing at computed positions. */
export const indexing: ImportTable = {
  Gather: (n) => gather(n.tensor(0), indices(n.tensor(1)), n.int('axis', 0)),
  GatherElements: (n) => gatherElements(n.tensor(0), indices(n.tensor(1)), n.int('axis', 0)),
  GatherND: gatherTuples,
  ScatterElements: scatter,
  Scatter: scatter,
  ScatterND: scatterTuples,
  OneHot: oneHotOf,
  TopK: topElements,
};
