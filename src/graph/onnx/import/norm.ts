import { add, div, mul, neg, pow, sub } from '../../ops/arithmetic.ts';
import { broadcastTo, fill, reshape } from '../../ops/basic.ts';
import { batchNorm, batchNormTrain } from '../../ops/batch-norm.ts';
import { cast, equal, where } from '../../ops/compare.ts';
import { rsqrt, square } from '../../ops/elementwise.ts';
import { gather, gatherElements, oneHot } from '../../ops/indexing.ts';
import { groupNorm, layerNorm, rmsNorm } from '../../ops/norm.ts';
import { pad } from '../../ops/padding.ts';
import { sum } from '../../ops/reduce.ts';
import { argmax, mean, std, variance } from '../../ops/reductions.ts';
import { expandDims, repeat, squeeze } from '../../ops/shape.ts';
import { slice } from '../../ops/slicing.ts';
import { logSoftmax, softmax } from '../../ops/softmax.ts';
import { dimAdd, dimEquals, dimProduct, isSymbolic, normalizeAxis } from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import type { Importer, ImportTable, OpNode } from './node.ts';

/** Up to operator set 12 the axes from `axis` on count as one, and the default is 1. */
const alongAxis =
  (f: (x: Tensor, axis: number) => Tensor): Importer =>
  (n) => {
    const x = n.tensor(0);
    const axis = normalizeAxis(n.int('axis', n.opset < 13 ? 1 : -1), x.rank);
    if (n.opset >= 13 || axis === x.rank - 1) return f(x, axis);
    const rows = [dimProduct(x.shape.slice(0, axis)), dimProduct(x.shape.slice(axis))];
    return reshape(f(reshape(x, rows), 1), x.shape);
  };

function batchNormalization(n: OpNode): Tensor | Tensor[] {
  const [x, scale, bias, mean, variance] = n.tensors();
  const eps = n.float('epsilon', 1e-5);
  if (!n.int('spatial', 1)) return n.fail('statistics per position (spatial = 0) are not supported');
  if (!n.int('training_mode', 0)) return batchNorm(x, scale, bias, mean, variance, { eps });
  const momentum = n.float('momentum', 0.9);
  const batch = batchNormTrain(x, scale, bias, { eps });
  const moved = (old: Tensor, now: Tensor): Tensor => add(mul(old, momentum), mul(now, 1 - momentum));
  return [batch.y, moved(mean, batch.mean), moved(variance, batch.variance)];
}

function layerNormalization(n: OpNode): (Tensor | undefined)[] {
  const x = n.tensor(0);
  const axis = normalizeAxis(n.int('axis', -1), x.rank);
  const eps = n.float('epsilon', 1e-5);
  const full = (t: Tensor | undefined): Tensor | undefined => t && broadcastTo(t, x.shape.slice(axis));
  const axes = x.shape.flatMap((_, i) => (i >= axis ? [i] : []));
  return [
    layerNorm(x, full(n.tensor(1)), full(n.optional(2)), { axis, eps }),
    n.wants(1) ? mean(x, axes, true) : undefined,
    n.wants(2) ? rsqrt(add(variance(x, axes, { keepDims: true }), eps)) : undefined,
  ];
}

function rmsNormalization(n: OpNode): Tensor {
  const x = n.tensor(0);
  const axis = normalizeAxis(n.int('axis', -1), x.rank);
  return rmsNorm(x, broadcastTo(n.tensor(1), x.shape.slice(axis)), { axis, eps: n.float('epsilon', 1e-5) });
}

function groupNormalization(n: OpNode): Tensor {
  const x = n.tensor(0);
  const groups = n.int('num_groups');
  const channels = x.shape[1];
  if (isSymbolic(channels)) return n.fail('the channels need a known size');
  // up to operator set 20 scale and bias are given per group
  const full = (t: Tensor): Tensor => (dimEquals(t.shape[0], channels) ? t : repeat(t, channels / groups));
  return groupNorm(x, groups, full(n.tensor(1)), full(n.tensor(2)), { eps: n.float('epsilon', 1e-5) });
}

function instanceNormalization(n: OpNode): Tensor {
  const x = n.tensor(0);
  const channels = x.shape[1];
  if (isSymbolic(channels)) return n.fail('the channels need a known size');
  return groupNorm(x, channels, n.tensor(1), n.tensor(2), { eps: n.float('epsilon', 1e-5) });
}

/** x / (bias + alpha/size · Σ x²)^beta, the sum over `size` neighbouring channels (AlexNet). */
function localResponse(n: OpNode): Tensor {
  const x = n.tensor(0);
  const size = n.int('size');
  const before = Math.floor((size - 1) / 2);
  const wide = pad(
    square(x),
    x.shape.map((_, i) => (i === 1 ? [before, size - 1 - before] : [0, 0])),
  );
  const shifted = Array.from({ length: size }, (_, i) =>
    slice(wide, { axes: [1], starts: [i], ends: [dimAdd(x.shape[1], i)] }),
  );
  const scale = n.float('alpha', 1e-4) / size;
  return div(x, pow(add(mul(shifted.reduce(add), scale), n.float('bias', 1)), n.float('beta', 0.75)));
}

function meanVariance(n: OpNode): Tensor {
  const x = n.tensor(0);
  const axes = n.ints('axes') ?? [0, 2, 3];
  return div(sub(x, mean(x, axes, true)), add(std(x, axes, { keepDims: true }), 1e-9));
}

/** -weight[y] · logp[y], the mean weighted; labels equal to `ignore_index` count for nothing. */
function negativeLogLikelihood(n: OpNode, logp: Tensor): Tensor {
  const labels = cast(n.tensor(1), 'int32');
  const ignore = n.hasAttr('ignore_index') ? equal(labels, n.int('ignore_index')) : undefined;
  const safe = ignore ? where(ignore, 0, labels) : labels;
  const picked = squeeze(gatherElements(logp, expandDims(safe, 1), 1), 1);
  const given = n.optional(2);
  let weight = given ? gather(given, safe) : fill(labels.shape, 1, logp.dtype);
  if (ignore) weight = where(ignore, 0, weight);
  const loss = neg(mul(picked, weight));
  const reduction = n.string('reduction', 'mean');
  if (reduction === 'none') return loss;
  return reduction === 'sum' ? sum(loss) : div(sum(loss), sum(weight));
}

function softmaxCrossEntropy(n: OpNode): Tensor[] {
  const logp = logSoftmax(n.tensor(0), 1);
  return [negativeLogLikelihood(n, logp), logp];
}

const hardmax = (x: Tensor, axis: number): Tensor => oneHot(argmax(x, axis), x.shape[axis], x.dtype, axis);

/** Without training a dropout does nothing. */
function dropout(n: OpNode): (Tensor | undefined)[] {
  const x = n.tensor(0);
  const ratio = n.has(1) ? n.scalar(1) : n.float('ratio', 0.5);
  if (n.has(2) && n.scalar(2) !== 0 && ratio !== 0) {
    return n.fail('dropout in training mode is not supported', {
      fix: 'export the model in evaluation mode',
    });
  }
  return [x, n.wants(1) ? fill(x.shape, 1, n.opset < 10 ? x.dtype : 'bool') : undefined];
}

/** Normalizations, softmax and the losses of the standard. */
export const normalizations: ImportTable = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  MeanVarianceNormalization: meanVariance,
  LRN: localResponse,
  Softmax: alongAxis(softmax),
  LogSoftmax: alongAxis(logSoftmax),
  Hardmax: alongAxis(hardmax),
  NegativeLogLikelihoodLoss: (n) => negativeLogLikelihood(n, n.tensor(0)),
  SoftmaxCrossEntropyLoss: softmaxCrossEntropy,
  Dropout: dropout,
};
