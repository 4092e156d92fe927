import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../graph/index.ts';
import { evaluate64, f64 } from '../testing/evaluate.ts';
import { weightedSampleError } from './denoising.ts';
import {
  addNoise,
  noiseProcesses,
  type PredictionType,
  predictedNoise,
  predictedSample,
  velocity,
} from './process.ts';

const x0 = f64([
  [0.3, -1.2],
  [2, 0.1],
]);
const eps = f64([
  [-0.7, 0.4],
  [0.2, 1.5],
]);
const t = f64([0.25, 0.9]);

describe.each(Object.values(noiseProcesses))('the $name process', (process) => {
  it('keeps the variance, and λ rises at the rate it says', () => {
    const h = 1e-6;
    for (const time of [0.05, 0.4, 0.95]) {
      const lambda = (at: number): number => Math.log(process.at(at).sigma / process.at(at).alpha);
      const { alpha, sigma } = process.at(time);
      expect(alpha ** 2 + sigma ** 2).toBeCloseTo(1, 12);
      const { value } = evaluate64((x) => process.rate(x), [f64([time])], []);
      const slope = (lambda(time + h) - lambda(time - h)) / (2 * h);
      expect(value[0] / slope).toBeCloseTo(1, 5);
      expect(process.timeOf(sigma / alpha)).toBeCloseTo(time, 9);
    }
  });

  it.each(['epsilon', 'sample', 'v_prediction'] as PredictionType[])(
    'an exact %s gives back sample and noise',
    (type) => {
      const out = (a: Tensor, b: Tensor, time: Tensor): Tensor => {
        const levels = process.levels(time);
        return type === 'epsilon' ? b : type === 'sample' ? a : velocity(a, b, levels);
      };
      const read = (f: typeof predictedSample) => (a: Tensor, b: Tensor, time: Tensor) => {
        const levels = process.levels(time);
        return f(out(a, b, time), addNoise(a, b, levels), levels, type);
      };
      const sample = evaluate64(read(predictedSample), [x0, eps, t], []).value;
      const noise = evaluate64(read(predictedNoise), [x0, eps, t], []).value;
      [...sample].forEach((v, i) => {
        expect(v).toBeCloseTo(Number(x0.data[i]), 9);
      });
      [...noise].forEach((v, i) => {
        expect(v).toBeCloseTo(Number(eps.data[i]), 9);
      });
    },
  );
});

describe('weights of the denoising error', () => {
  it('cap the ratio of signal to noise from above or below', () => {
    const process = noiseProcesses.cosine;
    const of = (weight: 'uniform' | 'snr' | 'truncated-snr' | 'min-snr') =>
      evaluate64(
        (a, b, time) => {
          const levels = process.levels(time);
          const x = addNoise(a, b, levels);
          return weightedSampleError(b, x, a, levels, { prediction: 'sample', weight });
        },
        [x0, eps, t],
        [],
      ).value;
    const [plain, ratio, truncated, capped] = [of('uniform'), of('snr'), of('truncated-snr'), of('min-snr')];
    const snr = [0.25, 0.9].map((time) => Math.tan((Math.PI / 2) * time) ** -2);
    expect(snr[0]).toBeGreaterThan(5);
    expect(snr[1]).toBeLessThan(1);
    expect(ratio[0] / plain[0]).toBeCloseTo(snr[0], 9);
    expect(truncated[0] / plain[0]).toBeCloseTo(snr[0], 9);
    expect(truncated[1] / plain[1]).toBeCloseTo(1, 9);
    expect(capped[0] / plain[0]).toBeCloseTo(5, 9);
    expect(capped[1] / plain[1]).toBeCloseTo(snr[1], 9);
  });
});
