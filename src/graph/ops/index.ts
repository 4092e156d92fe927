import type { OpDef } from '../op.ts';
import { constantOp, inputOp } from '../tensor.ts';
import {
  eluOp,
  erfOp,
  geluOp,
  leakyReluOp,
  logSigmoidOp,
  reluOp,
  sigmoidOp,
  siluOp,
  softplusOp,
  tanhOp,
} from './activations.ts';
import { addOp, divOp, maximumOp, minimumOp, modOp, mulOp, negOp, powOp, subOp } from './arithmetic.ts';
import { broadcastOp, identityOp, reshapeOp } from './basic.ts';
import { batchNormOp, batchNormTrainOp } from './batch-norm.ts';
import {
  castOp,
  equalOp,
  greaterEqualOp,
  greaterOp,
  isInfOp,
  isNaNOp,
  lessEqualOp,
  lessOp,
  logicalAndOp,
  logicalNotOp,
  logicalOrOp,
  notEqualOp,
  whereOp,
} from './compare.ts';
import { customVjpOp, stopGradientOp, straightThroughOp } from './control.ts';
import { convOp, convToInputOp, convToWeightOp } from './conv.ts';
import { softmaxCrossEntropyOp } from './cross-entropy.ts';
import {
  absOp,
  ceilOp,
  clipOp,
  cosOp,
  expm1Op,
  expOp,
  floorOp,
  log1pOp,
  logOp,
  reciprocalOp,
  roundOp,
  rsqrtOp,
  signOp,
  sinOp,
  sqrtOp,
  squareOp,
} from './elementwise.ts';
import { gridSampleOp } from './grid-sample.ts';
import { gatherElementsOp, gatherOp, scatterAddOp, scatterElementsOp } from './indexing.ts';
import { linearOp, matmulOp } from './linear.ts';
import { layerNormOp } from './norm.ts';
import { padOp } from './padding.ts';
import { philoxOp } from './philox.ts';
import { avgPoolBackOp, avgPoolOp, maxPoolIndexOp, maxPoolOp, scatterPlanesOp } from './pool.ts';
import { bitsToMaskOp, bitsToNormalOp, bitsToUniformOp } from './random.ts';
import { sumOp } from './reduce.ts';
import {
  allOp,
  anyOp,
  argmaxOp,
  argminOp,
  cumsumOp,
  l2NormOp,
  logsumexpOp,
  maxOp,
  meanOp,
  minOp,
  prodOp,
} from './reductions.ts';
import { rotatePairsOp } from './rotary.ts';
import { expandDimsOp, squeezeOp, tileOp, transposeOp, trilOp, triuOp } from './shape.ts';
import { arangeOp, sizeOp } from './sizes.ts';
import { concatOp, flipOp, sliceOp, splitOp } from './slicing.ts';
import { logSoftmaxOp, softmaxOp } from './softmax.ts';
import { topKOp } from './sorting.ts';

// biome-ignore lint/suspicious/noExplicitAny: operators of every kind
type AnyOp = OpDef<any>;

/** Every operator, by family. docs/operators.md is made from this list; a test checks that each has samples. */
export const OPERATORS: Readonly<Record<string, readonly AnyOp[]>> = {
  Inputs: [inputOp, constantOp],
  Arithmetic: [addOp, subOp, mulOp, divOp, negOp, maximumOp, minimumOp, modOp, powOp],
  'Element-wise': [
    expOp,
    logOp,
    log1pOp,
    expm1Op,
    sinOp,
    cosOp,
    sqrtOp,
    rsqrtOp,
    squareOp,
    reciprocalOp,
    absOp,
    signOp,
    floorOp,
    ceilOp,
    roundOp,
    clipOp,
  ],
  Activations: [
    tanhOp,
    sigmoidOp,
    erfOp,
    softplusOp,
    logSigmoidOp,
    reluOp,
    leakyReluOp,
    eluOp,
    siluOp,
    geluOp,
  ],
  'Comparison and selection': [
    equalOp,
    notEqualOp,
    lessOp,
    lessEqualOp,
    greaterOp,
    greaterEqualOp,
    logicalAndOp,
    logicalOrOp,
    logicalNotOp,
    isNaNOp,
    isInfOp,
    whereOp,
    castOp,
  ],
  Reduction: [
    sumOp,
    meanOp,
    maxOp,
    minOp,
    prodOp,
    logsumexpOp,
    l2NormOp,
    anyOp,
    allOp,
    argmaxOp,
    argminOp,
    cumsumOp,
  ],
  Indexing: [gatherOp, gatherElementsOp, scatterElementsOp, scatterAddOp, topKOp, arangeOp, sizeOp],
  Shape: [
    identityOp,
    reshapeOp,
    broadcastOp,
    transposeOp,
    expandDimsOp,
    squeezeOp,
    tileOp,
    trilOp,
    triuOp,
    sliceOp,
    flipOp,
    concatOp,
    splitOp,
    padOp,
  ],
  'Gradient control': [stopGradientOp, straightThroughOp, customVjpOp],
  'Random numbers': [philoxOp, bitsToUniformOp, bitsToNormalOp, bitsToMaskOp],
  Products: [matmulOp, linearOp],
  'Convolution and pooling': [
    convOp,
    convToInputOp,
    convToWeightOp,
    maxPoolOp,
    maxPoolIndexOp,
    scatterPlanesOp,
    avgPoolOp,
    avgPoolBackOp,
    gridSampleOp,
  ],
  Normalization: [softmaxOp, logSoftmaxOp, layerNormOp, batchNormTrainOp, batchNormOp, softmaxCrossEntropyOp],
  Attention: [rotatePairsOp],
};

/** Functions made of other operators: what they compute. */
export const COMPOSITES: Readonly<Record<string, string>> = {
  squaredDifference: '(x - y)²',
  variance: 'mean squared deviation over axes',
  std: 'standard deviation over axes; the gradient at 0 is 0',
  sumTo: 'sum of a broadcast result back to a shape',
  indexAdd: 'whole slices added at positions of the first axis; positions may repeat',
  segmentSum: 'sums of the slices that share a segment',
  oneHot: '1 at the index, 0 elsewhere, along a new axis',
  sort: 'values in order along an axis, with their indices; stable',
  argsort: 'the indices that put an axis in order',
  fill: 'one value in any shape',
  swapAxes: 'two axes exchanged',
  repeat: 'each element repeated along an axis',
  stack: 'tensors joined along a new axis',
  splitKey: 'independent keys from one',
  foldIn: 'a key that depends on an integer',
  randomBits: 'uniform uint32 words',
  uniform: 'uniform float32 values',
  normal: 'normal float32 values',
  bernoulli: 'true with probability p',
  dropout: 'inverted dropout, 8 random bits per element',
  einsum: 'Einstein summation by transpositions, products and sums',
  globalAvgPool: 'mean over the spatial axes',
  globalMaxPool: 'maximum over the spatial axes',
  rmsNorm: 'x over its root mean square',
  groupNorm: 'layer normalization over groups of channels',
  rotary: 'rotary position embedding',
  scaledDotProductAttention: 'softmax(q·kᵀ·scale + mask)·v',
};
