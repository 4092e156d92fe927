import { describe, expect, it } from 'vitest';
import { type NDArray, ndarray, toNumbers } from '../../graph/index.ts';
import { createRng } from '../../util/rng.ts';
import { checkMethod } from '../testing/check-method.ts';
import { lelp } from './lelp.ts';
import { lelpVectors } from './lelp.vectors.ts';
import { prepareSubclasses } from './subclass-prepare.ts';

checkMethod(lelp, { vectors: lelpVectors });

describe('lelp', () => {
  // two classes of two hidden groups each: groups lie along the second coordinate, classes along the first
  const rng = createRng('groups');
  const rows = 200;
  const group = Array.from({ length: rows }, (_, i) => i % 4);
  const near = (x: number): number => x + 0.3 * rng.normal();
  const embedding = matrix(group.map((g) => [near(g < 2 ? -3 : 3), near(g % 2 ? 4 : -4), near(0)]));
  const logits = matrix(group.map((g) => (g < 2 ? [2, -2] : [-2, 2])));
  const signals = {
    logits,
    hidden: { embedding },
    outputLayer: {
      weights: matrix([
        [-1, 0, 0],
        [1, 0, 0],
      ]),
    },
    labels: new Int32Array(rows).fill(-100),
    classes: 2,
  };
  const targets = (options: object): Float64Array =>
    Float64Array.from(
      toNumbers(prepareSubclasses(lelp.config.parse(options), signals).columns!.subclasses),
      Math.exp,
    );
  /** Share of the rows of which the likeliest subclass of the own class tells the hidden group. */
  const told = (options: object): number => {
    const p = targets({ subclasses: 2, ...options });
    const best = group.map((g, i) => {
      const at = i * 4 + (g < 2 ? 0 : 2);
      return Number(p[at + 1] > p[at]);
    });
    const shares = [0, 2].map((from) => {
      const of = group.flatMap((g, i) => (g >= from && g < from + 2 ? [Number(best[i] === g % 2)] : []));
      const share = of.reduce((a, b) => a + b, 0) / of.length;
      return Math.max(share, 1 - share);
    });
    return Math.min(...shares);
  };

  it('finds hidden groups within classes, as clusters do and random splits do not', () => {
    expect(told({})).toBeGreaterThan(0.95);
    expect(told({ rotate: false, nullProjection: false })).toBeGreaterThan(0.95);
    expect(told({ split: 'clusters' })).toBe(1);
    expect(told({ split: 'random' })).toBeLessThan(0.7);
  });

  it('keeps the probability of every class, also where a split is hard', () => {
    for (const options of [{}, { split: 'clusters' }, { split: 'random' }, { subclasses: 1 }]) {
      const p = targets({ temperature: 2, subclasses: 2, ...options });
      const width = p.length / rows;
      group.forEach((g, i) => {
        const first = p.slice(i * width, i * width + width / 2).reduce((a, b) => a + b, 0);
        expect(first).toBeCloseTo(1 / (1 + Math.exp(g < 2 ? -2 : 2)), 5);
      });
    }
  });

  it('takes class membership from the labels when asked to', () => {
    const wrong = { ...signals, labels: Int32Array.from(group, (g) => Number(g < 2)) };
    const of = (members: string) =>
      prepareSubclasses(lelp.config.parse({ subclasses: 2, members }), wrong).columns!.subclasses;
    expect([...toNumbers(of('labels'))]).not.toEqual([...toNumbers(of('teacher'))]);
  });

  it('says how hard the split is, and what the directions hold', () => {
    const facts = (options: object) =>
      prepareSubclasses(lelp.config.parse({ subclasses: 2, ...options }), signals).facts!;
    expect(facts({ beta: 1e-3 }).usedSubclasses).toBeCloseTo(1, 1);
    expect(facts({ beta: 1e3 }).usedSubclasses).toBeCloseTo(2, 3);
    expect(facts({}).explainedVariance).toBeGreaterThan(0.95);
  });

  it('asks for what it needs', () => {
    const { outputLayer: _, ...without } = signals;
    expect(() => prepareSubclasses(lelp.config.parse({}), without)).toThrow(/nullProjection/);
    const rest = { subclasses: 2, nullProjection: false };
    expect(prepareSubclasses(lelp.config.parse(rest), without).columns).toBeDefined();
    for (const split of ['principal', 'clusters'])
      expect(() => prepareSubclasses(lelp.config.parse({ subclasses: 150, split }), signals)).toThrow(
        /too few rows/,
      );
    const sequence = { ...signals, hidden: { embedding: ndarray(new Float32Array(12), [2, 3, 2]) } };
    expect(() => prepareSubclasses(lelp.config.parse({}), sequence)).toThrow(/one vector per example/);
  });
});

function matrix(rows: readonly (readonly number[])[]): NDArray {
  return ndarray(Float32Array.from(rows.flat()), [rows.length, rows[0].length]);
}
