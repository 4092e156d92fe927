import type { OpSamples } from './check-op.ts';
import { arithmeticSamples } from './samples/arithmetic.ts';
import { attentionSamples } from './samples/attention.ts';
import { compareSamples } from './samples/compare.ts';
import { controlSamples, randomSamples } from './samples/control.ts';
import { convSamples } from './samples/conv.ts';
import { einsumSamples } from './samples/einsum.ts';
import { activationSamples, elementwiseSamples } from './samples/elementwise.ts';
import { gridSampleSamples } from './samples/grid-sample.ts';
import { indexingSamples } from './samples/indexing.ts';
import { linearSamples } from './samples/linear.ts';
import { normSamples } from './samples/norm.ts';
import { poolSamples } from './samples/pool.ts';
import { reduceSamples } from './samples/reduce.ts';
import { shapeSamples } from './samples/shape.ts';

export type Families = Readonly<Record<string, readonly OpSamples[]>>;

/** Samples of the elementary operators, by family. A new operator adds its samples to a family. */
export const ELEMENTARY: Families = {
  arithmetic: arithmeticSamples,
  elementwise: elementwiseSamples,
  activations: activationSamples,
  compare: compareSamples,
  reduce: reduceSamples,
  indexing: indexingSamples,
  shape: shapeSamples,
  control: controlSamples,
  random: randomSamples,
};

/** Samples of the operators that layers are made of, by family. */
export const LAYERS: Families = {
  linear: linearSamples,
  norm: normSamples,
  conv: convSamples,
  attention: attentionSamples,
  pool: poolSamples,
  einsum: einsumSamples,
  gridSample: gridSampleSamples,
};

/** How often each operator is drawn against onnxruntime, for the gradient, and for the gradient of the gradient. */
export const REPEATS = { forward: 8, gradient: 8, second: 3 } as const;
