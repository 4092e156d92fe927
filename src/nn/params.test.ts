import { describe, expect, it } from 'vitest';
import { createRng } from '../util/rng.ts';
import {
  countParams,
  fanInInit,
  glorotInit,
  heFanOutInit,
  type Initializer,
  initParams,
  normalInit,
  onesInit,
  type ParamSpecs,
  prefixed,
  zerosInit,
} from './params.ts';

const specs: ParamSpecs = {
  a: { shape: [4, 3], init: normalInit(1) },
  b: { shape: [3], init: zerosInit, buffer: true },
  c: { shape: [4, 3], init: normalInit(1), tiedTo: 'a' },
};
const deviation = (init: Initializer, shape: number[]): number => {
  const x = init(shape, createRng(0));
  return Math.sqrt(x.reduce((s, v) => s + v * v, 0) / x.length);
};

describe('parameters', () => {
  it('depend on the seed and their own name only', () => {
    const one = initParams(specs, 1);
    const more = initParams({ before: { shape: [7], init: normalInit(1) }, ...specs }, 1);
    expect(more.a.data).toEqual(one.a.data);
    expect(initParams(specs, 2).a.data).not.toEqual(one.a.data);
    expect(initParams({ other: specs.a }, 1).other.data).not.toEqual(one.a.data);
  });

  it('leave tied ones out, and count neither them nor buffers', () => {
    expect(Object.keys(initParams(specs, 1))).toEqual(['a', 'b']);
    expect(countParams(specs)).toBe(12);
    expect(Object.keys(prefixed('x.y', specs))).toEqual(['x.y.a', 'x.y.b', 'x.y.c']);
    expect(prefixed('', specs)).toBe(specs);
  });

  it('have the deviations that the initializers promise', () => {
    expect(deviation(normalInit(0.02), [100, 100])).toBeCloseTo(0.02, 3);
    expect(deviation(fanInInit, [200, 50])).toBeCloseTo(1 / Math.sqrt(3 * 50), 3);
    expect(deviation(glorotInit, [100, 50])).toBeCloseTo(Math.sqrt(2 / 150), 3);
    expect(deviation(heFanOutInit, [32, 16, 3, 3])).toBeCloseTo(Math.sqrt(2 / (32 * 9)), 2);
    expect(deviation(onesInit, [5])).toBe(1);
  });
});
