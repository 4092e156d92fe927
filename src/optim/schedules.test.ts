import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { constant, cosine, inverseSqrt, linear, oneCycle, type Schedule, warmup } from './schedules.ts';

const { schedules } = JSON.parse(
  readFileSync(new URL('./fixtures/pytorch.json', import.meta.url), 'utf8'),
) as { schedules: Record<string, number[]> };

const cases: [string, Schedule][] = [
  ['linear', linear({ from: 0.1, to: 0.02, steps: 10 })],
  ['cosine', cosine({ from: 0.1, to: 0.01, steps: 10 })],
  ['oneCycle', oneCycle({ max: 0.5, steps: 20 })],
  ['warmupCosine', warmup(cosine({ from: 0.1, steps: 8 }), 4)],
];

describe('schedules', () => {
  it.each(cases)('%s is PyTorch', (name, schedule) => {
    schedules[name].forEach((lr, step) => {
      expect(schedule(step)).toBeCloseTo(lr, 12);
    });
  });
  it('holds the last value after the end', () => {
    expect(linear({ from: 1, to: 0.5, steps: 4 })(100)).toBe(0.5);
    expect(cosine({ from: 1, to: 0.5, steps: 4 })(100)).toBeCloseTo(0.5, 15);
    expect(constant(3)(7)).toBe(3);
  });
  it('inverse square root peaks where the warm-up ends', () => {
    const s = inverseSqrt({ peak: 2, warmup: 4 });
    expect([0, 1, 3, 15].map(s)).toEqual([0.5, 1, 2, 1]);
  });
  it('refuses a length of 0', () => {
    expect(() => linear({ from: 1, steps: 0 })).toThrow(/positive number of steps/);
  });
});
