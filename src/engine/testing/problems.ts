import { gradients } from '../../graph/autodiff.ts';
import { type NDArray, ndarray, sizeOf } from '../../graph/ndarray.ts';
import { add, mul, sub } from '../../graph/ops/arithmetic.ts';
import { sum } from '../../graph/ops/reduce.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { type Graph, spec, trace } from '../../graph/trace.ts';
import { createRng } from '../../util/rng.ts';

/** Normal values times `scale`, seeded. */
export function randomNormal(seed: string, shape: readonly number[], scale = 1): NDArray {
  const rng = createRng(seed);
  return ndarray(
    Float32Array.from({ length: sizeOf(shape) }, () => scale * rng.normal()),
    shape,
  );
}

/**
 * Momentum descent on Σ(w·x - y)² with state [w, m]; inputs x, y `[n]`; outputs the loss and
 * |w|². m may be written in place; |w|² may read w after the new w is written, so w must not be.
 */
export function momentumGraph(n: number): Graph {
  const type = spec([n]);
  return trace(
    (w: Tensor, m: Tensor, x: Tensor, y: Tensor) => {
      const error = sub(mul(w, x), y);
      const loss = sum(mul(error, error));
      const [g] = gradients(loss, [w]);
      const next = add(mul(m, 0.9), g);
      return [sub(w, mul(next, 0.01)), next, loss, sum(mul(w, w))];
    },
    [type, type, type, type],
    ['w', 'm', 'x', 'y'],
  ).graph;
}

export const momentumState = (n: number): NDArray[] => [
  randomNormal('w', [n]),
  ndarray(new Float32Array(n), [n]),
];

export const momentumBatches = (n: number, steps: number): NDArray[][] =>
  Array.from({ length: steps }, (_, k) => [randomNormal(`x${k}`, [n]), randomNormal(`y${k}`, [n])]);

/** The bytes of arrays, for bit-exact comparison. */
export const bits = (arrays: readonly NDArray[]): string =>
  arrays
    .map((a) => Buffer.from(a.data.buffer, a.data.byteOffset, a.data.byteLength).toString('base64'))
    .join('|');
