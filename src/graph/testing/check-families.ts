import { describe, it } from 'vitest';
import { createRng } from '../../util/rng.ts';
import { checkAgainstOrt, checkGradient, type OpSample, type OpSamples } from './check-op.ts';
import { type Families, REPEATS } from './families.ts';

const draw = (s: OpSamples, kind: string, count: number): OpSample[] =>
  Array.from({ length: count }, (_, seed) => s.make(createRng(`${s.op}${kind}/${seed}`)));

/** Declares the tests of every operator in the families. */
export function checkFamilies(families: Families): void {
  for (const [family, samples] of Object.entries(families)) {
    describe(family, () => {
      for (const s of samples) {
        it(`${s.op}: oracle and onnxruntime agree`, async () => {
          await checkAgainstOrt([...draw(s, '', REPEATS.forward), ...(s.edges?.() ?? [])]);
        });
        if (s.gradient) {
          it(`${s.op}: gradient equals finite differences`, () => {
            for (const sample of draw(s, '/grad', REPEATS.gradient)) checkGradient(sample);
          });
        }
        if (s.smooth) {
          it(`${s.op}: gradient of gradient equals finite differences`, () => {
            for (const sample of draw(s, '/second', REPEATS.second))
              checkGradient(sample, { order: 2, tolerance: 1e-5 });
          });
        }
      }
    });
  }
}
