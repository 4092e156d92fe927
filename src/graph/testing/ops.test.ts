import { describe, it } from 'vitest';
import { createRng } from '../../util/rng.ts';
import { checkAgainstOrt, checkGradient, type OpSamples } from './check-op.ts';
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

/** Every operator's samples, by family. A new operator adds its samples to a family here. */
const FAMILIES: Record<string, OpSamples[]> = {
  arithmetic: arithmeticSamples,
  elementwise: elementwiseSamples,
  activations: activationSamples,
  compare: compareSamples,
  reduce: reduceSamples,
  indexing: indexingSamples,
  shape: shapeSamples,
  control: controlSamples,
  random: randomSamples,
  linear: linearSamples,
  norm: normSamples,
  conv: convSamples,
  attention: attentionSamples,
  pool: poolSamples,
  einsum: einsumSamples,
  gridSample: gridSampleSamples,
};
const REPEATS = 8;

for (const [family, samples] of Object.entries(FAMILIES)) {
  describe(family, () => {
    for (const s of samples) {
      it(`${s.op}: oracle and onnxruntime agree`, async () => {
        const drawn = Array.from({ length: REPEATS }, (_, seed) => s.make(createRng(`${s.op}/${seed}`)));
        await checkAgainstOrt([...drawn, ...(s.edges?.() ?? [])]);
      });
      if (s.gradient) {
        it(`${s.op}: gradient equals finite differences`, () => {
          for (let seed = 0; seed < REPEATS; seed++) checkGradient(s.make(createRng(`${s.op}/grad/${seed}`)));
        });
      }
      if (s.smooth) {
        it(`${s.op}: gradient of gradient equals finite differences`, () => {
          for (let seed = 0; seed < 3; seed++)
            checkGradient(s.make(createRng(`${s.op}/second/${seed}`)), { order: 2, tolerance: 1e-5 });
        });
      }
    }
  });
}
