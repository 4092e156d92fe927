import { gradients } from '../../autodiff.ts';
import { isFloat } from '../../dtype.ts';
import { ndarray, sizeOf } from '../../ndarray.ts';
import { constant, type Tensor } from '../../tensor.ts';
import type { OpSamples } from '../check-op.ts';

/** A fixed cotangent for y, different at every element. */
function seedFor(y: Tensor): Tensor {
  const shape = y.shape as number[];
  return constant(
    ndarray(
      Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.cos(1.7 * i + 0.4) + 0.2),
      shape,
    ),
  );
}

/** The gradients of these samples as samples of their own: onnxruntime runs what the backward pass emits. */
export const gradientsOf = (samples: readonly OpSamples[]): OpSamples[] =>
  samples
    .filter((s) => s.gradient)
    .map((s) => ({
      op: `${s.op}, backward`,
      gradient: false,
      smooth: false,
      make: (rng) => {
        const sample = s.make(rng);
        return {
          ...sample,
          tolerance: sample.tolerance ?? 2e-5,
          apply: (...t) => {
            const ys = [sample.apply(...t)].flat().filter((y) => isFloat(y.dtype));
            const xs = sample.wrt ? sample.wrt.map((i) => t[i]) : t.filter((x) => isFloat(x.dtype));
            return gradients(ys, xs, ys.map(seedFor));
          },
        };
      },
    }));
