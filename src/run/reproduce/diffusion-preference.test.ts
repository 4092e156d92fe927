import { describe, expect, it } from 'vitest';
import { ndarray } from '../../graph/index.ts';
import { columnSpread, judged, misplacedRing, ownCentre } from './diffusion-preference.ts';

const points = (...xy: number[]) => ndarray(Float32Array.from(xy), [xy.length / 2, 2]);
const labels = (...ids: number[]) => ndarray(Int32Array.from(ids), [ids.length], 'int32');

describe('preferences on a ring of classes', () => {
  it('lets the sample win whose angle is nearer to the centre of its class, around the circle too', () => {
    // class 0 at angle 0, class 2 of 8 at a quarter turn
    const pairs = judged(points(1, -0.1, 1, 0), points(1, 0.5, 0.2, 2), labels(0, 2), 8);
    expect([...pairs.winners.data]).toEqual([...Float32Array.of(1, -0.1, 0.2, 2)]);
    expect([...pairs.losers.data]).toEqual([...Float32Array.of(1, 0.5, 1, 0)]);
  });

  it('counts samples at the centre of their own class', () => {
    expect(ownCentre(points(1, 0.1, 1, 0, 0, 1), labels(0, 2, 2), 8, 0.25)).toBeCloseTo(2 / 3);
  });

  it('misplaces the share of points that it is told to', () => {
    const { points: ring, labels: own } = misplacedRing(4000, { std: 0.02, misplaced: 0.3, classes: 8 }, 's');
    expect(ownCentre(ring, own, 8, 0.25)).toBeCloseTo(0.7, 1);
    expect(columnSpread(ring)[0]).toBeCloseTo(Math.SQRT1_2, 1);
  });
});
