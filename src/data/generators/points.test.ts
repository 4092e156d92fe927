import { describe, expect, it } from 'vitest';
import { createRng } from '../../util/rng.ts';
import { drawPoints, pointOptions, points, ringCentres } from './points.ts';

const pairs = (shape: 'ring' | 'moons' | 'checkerboard' | 'spirals', count = 400): [number, number][] => {
  const xy = drawPoints(count, createRng('points'), { shape, std: 0.02 });
  return Array.from({ length: count }, (_, i) => [xy[2 * i], xy[2 * i + 1]]);
};

describe('points', () => {
  it('lie on their shapes', () => {
    const centres = ringCentres(8);
    const near = new Set(
      pairs('ring').map(([x, y]) => centres.findIndex(([a, b]) => Math.hypot(x - a, y - b) < 0.15)),
    );
    expect([...near].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const [x, y] of pairs('moons'))
      expect(Math.min(Math.abs(Math.hypot(x, y) - 1), Math.abs(Math.hypot(x - 1, y - 0.5) - 1))).toBeLessThan(
        0.12,
      );
    for (const [x, y] of pairs('checkerboard')) {
      expect(Math.max(Math.abs(x), Math.abs(y))).toBeLessThanOrEqual(1);
      expect((Math.floor(2 * (x + 1)) + Math.floor(2 * (y + 1))) % 2).toBe(0);
    }
    for (const [x, y] of pairs('spirals')) expect(Math.hypot(x, y)).toBeLessThan(1.1);
  });

  it('are the same for the same options, and differ between splits', () => {
    const made = () => points(pointOptions.parse({ train: 50, test: 50 }));
    expect(made().splits.train()).toEqual(made().splits.train());
    expect(made().splits.test()).not.toEqual(made().splits.train());
    expect(made().splits.train()).toHaveLength(50);
  });
});
