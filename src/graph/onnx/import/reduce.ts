import { isFloat } from '../../dtype.ts';
import { array } from '../../ndarray.ts';
import { div, sub } from '../../ops/arithmetic.ts';
import { cast, equal, where } from '../../ops/compare.ts';
import { abs, log, square } from '../../ops/elementwise.ts';
import { sum } from '../../ops/reduce.ts';
import {
  all,
  any,
  argmax,
  argmin,
  cumsum,
  logsumexp,
  max,
  mean,
  min,
  norm,
  prod,
} from '../../ops/reductions.ts';
import { flip } from '../../ops/slicing.ts';
import { normalizeAxis } from '../../shape.ts';
import { constant, type Tensor } from '../../tensor.ts';
import type { Importer, ImportTable, OpNode } from './node.ts';

type Reduce = (x: Tensor, axes: readonly number[], keepDims: boolean) => Tensor;

/** Axes are an attribute up to operator set 17 (12 for ReduceSum), an input after. */
const reduce =
  (f: Reduce): Importer =>
  (n) => {
    const x = n.tensor(0);
    return f(x, n.axesArg(x.rank), n.int('keepdims', 1) !== 0);
  };

/** By way of float32 for integers: exact below 2^24. */
const inFloat =
  (f: Reduce): Reduce =>
  (x, axes, keep) =>
    isFloat(x.dtype) ? f(x, axes, keep) : cast(f(cast(x, 'float32'), axes, keep), x.dtype);

function extreme(f: typeof argmax): Importer {
  return (n) => {
    const x = n.tensor(0);
    const axis = normalizeAxis(n.int('axis', 0), x.rank);
    const keep = n.int('keepdims', 1) !== 0;
    if (!n.int('select_last_index', 0)) return f(x, axis, keep);
    const size = x.shape[axis];
    if (typeof size !== 'number') return n.fail('select_last_index needs an axis of known size');
    return sub(constant(array(size - 1, 'int32', [])), f(flip(x, axis), axis, keep));
  };
}

function runningSum(n: OpNode): Tensor {
  return cumsum(n.tensor(0), n.scalar(1), {
    exclusive: n.int('exclusive', 0) !== 0,
    reverse: n.int('reverse', 0) !== 0,
  });
}

function lpNormalization(n: OpNode): Tensor {
  const x = n.tensor(0);
  const axis = normalizeAxis(n.int('axis', -1), x.rank);
  const length = n.int('p', 2) === 1 ? sum(abs(x), axis, true) : norm(x, axis, true);
  // a vector of zeros stays one
  return div(x, where(equal(length, 0), 1, length));
}

/** Reductions and running sums. */
export const reductions: ImportTable = {
  ReduceSum: reduce(sum),
  ReduceMean: reduce(inFloat(mean)),
  ReduceMax: reduce((x, axes, keep) => (x.dtype === 'bool' ? any : max)(x, axes, keep)),
  ReduceMin: reduce((x, axes, keep) => (x.dtype === 'bool' ? all : min)(x, axes, keep)),
  ReduceProd: reduce(inFloat(prod)),
  ReduceLogSumExp: reduce(inFloat(logsumexp)),
  ReduceLogSum: reduce(inFloat((x, axes, keep) => log(sum(x, axes, keep)))),
  ReduceSumSquare: reduce((x, axes, keep) => sum(square(x), axes, keep)),
  ReduceL1: reduce((x, axes, keep) => sum(abs(x), axes, keep)),
  ReduceL2: reduce(inFloat(norm)),
  ArgMax: extreme(argmax),
  ArgMin: extreme(argmin),
  CumSum: runningSum,
  LpNormalization: lpNormalization,
};
