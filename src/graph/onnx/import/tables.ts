import { attentions } from './attention.ts';
import { convolutions } from './conv.ts';
import { elementwise } from './elementwise.ts';
import { indexing } from './indexing.ts';
import { linearAlgebra } from './linear.ts';
import type { ImportTable } from './node.ts';
import { normalizations } from './norm.ts';
import { quantization } from './quantize.ts';
import { reductions } from './reduce.ts';
import { resampling } from './resize.ts';
import { shapes } from './shape.ts';

/** Every operator of the ONNX standard that can be imported. */
export const IMPORTERS: ImportTable = {
  ...attentions,
  ...convolutions,
  ...elementwise,
  ...indexing,
  ...linearAlgebra,
  ...normalizations,
  ...quantization,
  ...reductions,
  ...resampling,
  ...shapes,
};

/** Inputs of operators that are limits, running statistics or scales: float initializers there are no parameters. */
export const BUFFER_INPUTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
  Clip: [1, 2],
  DequantizeLinear: [1, 2],
  Dropout: [1],
  OneHot: [2],
  Pad: [2],
  QuantizeLinear: [1, 2],
  Range: [0, 1, 2],
  Resize: [1, 2],
  Upsample: [1],
  RotaryEmbedding: [1, 2],
};
