import type { NDArray } from '../graph/ndarray.ts';
import { zeros } from '../graph/ndarray.ts';
import { add, div, maximum, minimum, mul, sub } from '../graph/ops/arithmetic.ts';
import { exp, log, rsqrt, sqrt, square } from '../graph/ops/elementwise.ts';
import { mean } from '../graph/ops/reductions.ts';
import type { Tensor } from '../graph/tensor.ts';
import {
  type DecayMask,
  type HostTree,
  mapTree,
  type Optimizer,
  type StepInputs,
  scalarLike,
  updateLeaves,
} from './optimizer.ts';

export interface AdafactorOptions {
  /** ĉ of β2(t) = 1 - t^ĉ. */
  beta2Decay?: number;
  /** ε1: floor of the second moment; default float32's machine epsilon. */
  eps1?: number;
  /** ε2: floor of the parameter's root mean square. */
  eps2?: number;
  /** d: largest root mean square of an update. */
  clipThreshold?: number;
  /** λ, decoupled: p loses lr·λ·p. */
  weightDecay?: number;
  decayMask?: DecayMask;
}

/**
 * Adafactor (Shazeer and Stern 2018, algorithms 4 and 5; relative steps as in PyTorch): second moments of matrices
 * are kept as a row and a column, so the state is O(rows + columns). lr caps the relative step 1/√t.
 */
export function adafactor({
  beta2Decay = -0.8,
  eps1 = 2 ** -23,
  eps2 = 1e-3,
  clipThreshold = 1,
  weightDecay = 0,
  decayMask = () => true,
}: AdafactorOptions = {}): Optimizer {
  const factored = (shape: readonly unknown[]): boolean => shape.length > 1;
  // vectors keep all second moments in `row` and an empty `col`
  const slot = (params: HostTree, shapeOf: (shape: readonly number[]) => readonly number[]): HostTree =>
    mapTree(params, (p: NDArray) => zeros(shapeOf(p.shape), p.dtype));
  return {
    name: 'adafactor',
    init: (params) => ({
      row: slot(params, (s) => (factored(s) ? [...s.slice(0, -1), 1] : s)),
      col: slot(params, (s) => (factored(s) ? [...s.slice(0, -2), 1, s[s.length - 1]] : [0])),
    }),
    update: (grads, state, params, { lr, step }: StepInputs) => {
      const weight = exp(mul(log(step), beta2Decay)); // 1 - β2(t)
      const relative = minimum(lr, rsqrt(step));
      const keep = sub(1, mul(lr, weightDecay));
      return updateLeaves(grads, state, params, ({ path, p, g, slots }) => {
        const towards = (old: Tensor, seen: Tensor): Tensor =>
          add(old, mul(sub(seen, old), scalarLike(weight, p)));
        let { row, col } = slots;
        let v: Tensor;
        if (factored(p.shape)) {
          row = towards(row, mean(square(g), p.rank - 1, true));
          col = towards(col, mean(square(g), p.rank - 2, true));
          v = div(mul(row, col), maximum(mean(row, p.rank - 2, true), eps1));
        } else v = row = towards(row, square(g));
        const update = mul(g, rsqrt(maximum(v, eps1 * eps1)));
        const limit = maximum(div(rms(update), clipThreshold), 1);
        const scale = mul(maximum(rms(p), eps2), scalarLike(relative, p));
        const kept = weightDecay !== 0 && decayMask(path, p.shape) ? mul(p, scalarLike(keep, p)) : p;
        return { p: sub(kept, mul(update, div(scale, limit))), slots: { row, col } };
      });
    },
  };
}

const rms = (x: Tensor): Tensor => sqrt(mean(square(x)));
