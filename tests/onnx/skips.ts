const SEQUENCES = 'sequences and optionals are not tensors';
const RECURRENT = 'recurrent networks and loops are not imported';
const SIGNAL = 'signal processing: no operator in Decant';
const VISION = 'detection heads: no operator in Decant';
const SHAPE = 'the shape of the result depends on data';
const TRAINING = 'training operators: Decant differentiates and optimizes itself';
const RANDOM = 'random without a key';
const INTEGER = 'integer kernels beyond MatMulInteger and ConvInteger';

/** Operators that Decant does not import; every node test with one of them is skipped. */
export const SKIPPED_OPERATORS: Readonly<Record<string, string>> = {
  Acos: 'no inverse trigonometric operator in Decant',
  Adagrad: TRAINING,
  Adam: TRAINING,
  Asin: 'no inverse trigonometric operator in Decant',
  Atan: 'no inverse trigonometric operator in Decant',
  Bernoulli: RANDOM,
  BitShift: INTEGER,
  BlackmanWindow: SIGNAL,
  ConcatFromSequence: SEQUENCES,
  DFT: SIGNAL,
  Det: 'no determinant in Decant',
  GRU: RECURRENT,
  Gradient: TRAINING,
  HammingWindow: SIGNAL,
  HannWindow: SIGNAL,
  If: 'both branches would have to be one graph',
  LSTM: RECURRENT,
  Loop: RECURRENT,
  MaxUnpool: 'no operator of that meaning in Decant',
  MelWeightMatrix: SIGNAL,
  Momentum: TRAINING,
  NonMaxSuppression: VISION,
  NonZero: SHAPE,
  OptionalGetElement: SEQUENCES,
  OptionalHasElement: SEQUENCES,
  QLinearConv: INTEGER,
  QLinearMatMul: INTEGER,
  RNN: RECURRENT,
  RandomUniformLike: RANDOM,
  ReverseSequence: RECURRENT,
  RoiAlign: VISION,
  STFT: SIGNAL,
  Scan: RECURRENT,
  SequenceAt: SEQUENCES,
  SequenceConstruct: SEQUENCES,
  SequenceEmpty: SEQUENCES,
  SequenceErase: SEQUENCES,
  SequenceInsert: SEQUENCES,
  SequenceLength: SEQUENCES,
  SequenceMap: SEQUENCES,
  SplitToSequence: SEQUENCES,
  StringNormalizer: 'strings are not tensors of Decant',
  TfIdfVectorizer: SIGNAL,
  Unique: SHAPE,
};

/** Single node tests that are skipped though their operators are imported. */
export const SKIPPED_TESTS: readonly (readonly [RegExp, string])[] = [
  [/_STRING/, 'strings are not tensors of Decant'],
  [/BFLOAT16/, 'the data files hold bfloat16 as the bits of uint16'],
  [/identity_(opt|sequence)$/, SEQUENCES],
  [/dynamicquantizelinear(_expanded)?$/, 'a tie of float32 rounding, which the float64 oracle does not have'],
  [/\/training_dropout(_default)?(_mask)?$/, 'random without a key'],
  [/scatternd_multiply$/, 'scatter by other reductions than add'],
  [/gridsample_(bicubic|nearest|reflection_padding)$/, 'bilinear sampling with zeros or the border only'],
  [/maxpool_with_argmax_2d_precomputed_strides$/, 'indices in column-major order'],
  [/resize_tf_crop_and_resize$/, 'cropping while resizing'],
  [/\/(globalaveragepool|globalmaxpool)(_precomputed)?$/, 'operator set 1'],
  [/\/not_[234]d$/, 'operator set 1'],
  [/\/soft(plus|sign)(_example)?$/, 'operator set 1'],
];
