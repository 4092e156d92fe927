import { describe, expect, it } from 'vitest';
import { type NDArray, ndarray } from '../graph/index.ts';
import { createRng } from '../util/rng.ts';
import {
  maximumMeanDiscrepancy,
  modeHits,
  precisionRecall,
  rootMeanSquare,
  slicedWasserstein,
} from './samples.ts';

function gaussian(seed: string, count: number, { shift = 0, scale = 1 } = {}): NDArray {
  const rng = createRng(seed);
  return ndarray(
    Float32Array.from({ length: 2 * count }, (_, i) => scale * rng.normal() + (i % 2 === 0 ? shift : 0)),
    [count, 2],
  );
}

describe('slicedWasserstein', () => {
  it('is 0 for the same rows in another order, and √(mean of squared projections) for a shift', () => {
    const a = gaussian('a', 200);
    const turned = ndarray(Float32Array.from(a.data as Float32Array), a.shape);
    (turned.data as Float32Array).set((a.data as Float32Array).slice(0, 100), 300);
    (turned.data as Float32Array).set((a.data as Float32Array).slice(300), 0);
    expect(slicedWasserstein(a, turned)).toBeCloseTo(0, 12);
    const shifted = ndarray(
      Float32Array.from(a.data as Float32Array, (x, i) => (i % 2 === 0 ? x + 3 : x)),
      a.shape,
    );
    // in two dimensions a shift by d has mean square projection d² / 2
    expect(slicedWasserstein(a, shifted, { directions: 4000 })).toBeCloseTo(3 / Math.SQRT2, 1);
  });

  it('compares sets of different sizes by their quantiles', () => {
    const [few, many] = [gaussian('few', 500), gaussian('many', 4000)];
    expect(slicedWasserstein(few, many)).toBeLessThan(0.15);
    expect(slicedWasserstein(gaussian('wide', 500, { scale: 2 }), many)).toBeGreaterThan(0.8);
  });
});

describe('maximumMeanDiscrepancy', () => {
  it('is about 0 between samples of one distribution, and grows with a shift', () => {
    const data = gaussian('data', 400);
    expect(Math.abs(maximumMeanDiscrepancy(gaussian('same', 400), data))).toBeLessThan(0.01);
    const near = maximumMeanDiscrepancy(gaussian('near', 400, { shift: 0.7 }), data);
    const far = maximumMeanDiscrepancy(gaussian('far', 400, { shift: 2 }), data);
    expect(near).toBeGreaterThan(0.02);
    expect(far).toBeGreaterThan(2 * near);
  });
});

describe('precisionRecall', () => {
  it('tells samples that look unlike the data from samples that lack variety', () => {
    const data = gaussian('data', 300);
    const narrow = precisionRecall(gaussian('narrow', 300, { scale: 0.1 }), data);
    expect(narrow.precision).toBeGreaterThan(0.95);
    expect(narrow.recall).toBeLessThan(0.2);
    const wide = precisionRecall(gaussian('wide', 300, { scale: 5 }), data);
    expect(wide.precision).toBeLessThan(0.5);
    expect(wide.recall).toBeGreaterThan(0.8);
  });
});

describe('rootMeanSquare and modeHits', () => {
  it('count as they say', () => {
    const points = ndarray(Float32Array.from([1, 0, 1.1, 0, 5, 5, -1, 0]), [4, 2]);
    const centres = [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ];
    expect(modeHits(points, centres, 0.25)).toEqual({ hit: 0.75, modes: 0.5 });
    // an even share is one of four samples: two at one centre, one at another
    expect(modeHits(points, centres, 0.25, { even: 1.5 }).modes).toBe(0.25);
    expect(rootMeanSquare(points, ndarray(new Float32Array(8), [4, 2]))).toBeCloseTo(
      Math.sqrt((1 + 1.21 + 50 + 1) / 8),
      6,
    );
  });
});
