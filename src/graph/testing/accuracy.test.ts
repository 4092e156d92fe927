import { describe, expect, it } from 'vitest';
import { interpret } from '../../engine/reference/interpreter.ts';
import { runOrt } from '../../engine/testing/run-ort.ts';
import { array, type NDArray, ndarray, toNumbers } from '../ndarray.ts';
import { logSigmoid, softplus } from '../ops/activations.ts';
import { expm1, log1p } from '../ops/elementwise.ts';
import { logsumexp } from '../ops/reductions.ts';
import { erfReference } from '../ops/unary.ts';
import type { Tensor } from '../tensor.ts';
import { spec, trace } from '../trace.ts';

/** Largest relative error of float32 onnxruntime against the float64 oracle, on the same float32 inputs. */
async function worst(fn: (x: Tensor) => Tensor, x: NDArray): Promise<number> {
  const { graph } = trace((t: Tensor) => fn(t), [spec(x.shape)]);
  const [want] = interpret(graph, [x]);
  const [got] = await runOrt(graph, [x]);
  const g = toNumbers(got);
  return toNumbers(want).reduce((m, w, i) => {
    // float32 has no digits left below its smallest normal number
    if (g[i] === w || Math.abs(w) < 1.2e-38 || Math.abs(w) > 3.4e38) return m;
    return Math.max(m, Math.abs(g[i] - w) / Math.abs(w));
  }, 0);
}

/** ±10^e for e from `low` to `high`, many per decade; only those inside (min, max). */
function logarithmic(low: number, high: number, min: number, max: number): NDArray {
  const values: number[] = [];
  for (let e = low; e <= high; e += 0.013) values.push(10 ** e, -(10 ** e));
  return ndarray(Float32Array.from(values.filter((v) => v > min && v < max)));
}

describe('float32 accuracy, relative', () => {
  it('log1p is within 1e-6 from 1e-30 to 1e30', async () => {
    expect(await worst(log1p, logarithmic(-30, 30, -1, Infinity))).toBeLessThan(1e-6);
    // where log(1 + x) itself would have lost everything
    expect(Math.abs(Math.fround(Math.log(Math.fround(1 + 1e-8))) - 1e-8) / 1e-8).toBeGreaterThan(0.9);
  });

  it('expm1 is within 1e-6 from 1e-30 to 88', async () => {
    expect(await worst(expm1, logarithmic(-30, 3, -1000, 88))).toBeLessThan(1e-6);
  });

  it('softplus and logSigmoid are within 1e-6, from -87 to 1e4', async () => {
    expect(await worst(softplus, logarithmic(-10, 4, -87, 1e4))).toBeLessThan(1e-6);
    expect(await worst(logSigmoid, logarithmic(-10, 4, -1e4, 87))).toBeLessThan(1e-6);
  });

  it('logsumexp is within 1e-6 for rows of any size', async () => {
    const rows = [-1e4, -80, 0, 80, 1e4].flatMap((m) => [1, 2, 3, 4].map((k) => [m + k, m, m - k, m - 30]));
    expect(await worst((x) => logsumexp(x, 1), array(rows))).toBeLessThan(1e-6);
  });
});

it('the oracle computes erf to 1e-15', () => {
  // values of the C library's erf
  const known: [number, number][] = [
    [0, 0],
    [1e-10, 1.1283791670955126e-10],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [2.5, 0.9995930479825551],
    [3, 0.9999779095030014],
    [4, 0.9999999845827421],
    [6, 1],
  ];
  for (const [x, y] of known) {
    expect(Math.abs(erfReference(x) - y)).toBeLessThanOrEqual(2e-16 + 2e-15 * y);
    expect(erfReference(-x)).toBe(-erfReference(x));
  }
  // and joins its two branches smoothly
  expect(Math.abs(erfReference(2.5 - 1e-13) - erfReference(2.5 + 1e-13))).toBeLessThan(1e-14);
});
