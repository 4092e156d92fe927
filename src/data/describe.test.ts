import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classBalance, createHistogram, wordCount } from './describe.ts';
import { comparable, encodingDamage, normalizeText } from './normalize.ts';
import { shuffled } from './shuffle.ts';
import { takeStratified } from './split.ts';

describe('createHistogram', () => {
  it('counts everything once and brackets quantiles', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100_000), { minLength: 1 }), (lengths) => {
        const h = createHistogram();
        for (const n of lengths) h.add(n);
        const sorted = [...lengths].sort((a, b) => a - b);
        expect(h.counts.reduce((a, b) => a + b, 0)).toBe(lengths.length);
        expect([h.min, h.max]).toEqual([sorted[0], sorted.at(-1)]);
        expect(h.mean).toBeCloseTo(lengths.reduce((a, b) => a + b, 0) / lengths.length);
        expect(h.quantile(0.5)).toBeGreaterThanOrEqual(h.min);
        expect(h.quantile(1)).toBe(h.max);
      }),
    );
  });
});

describe('classBalance', () => {
  it('points at rare classes whose names are almost those of others', () => {
    const names = ['refund', 'cancel', 'Refund ', 'refnud', 'cancer', 'other'];
    expect(classBalance([80, 90, 1, 1, 70, 1], 0, names).lookalikes).toEqual([
      { name: 'Refund ', like: 'refund' },
      { name: 'refnud', like: 'refund' },
    ]);
  });

  it('measures imbalance and effective classes', () => {
    expect(classBalance([10, 10, 0], 5, ['a', 'b', 'c'])).toMatchObject({
      imbalance: 1,
      absent: ['c'],
      unlabelled: 5,
    });
    expect(classBalance([10, 10], 0, ['a', 'b']).effectiveClasses).toBeCloseTo(2);
    expect(classBalance([99, 1], 0, ['a', 'b']).effectiveClasses).toBeLessThan(1.1);
  });
});

describe('takeStratified', () => {
  const label = fc.integer({ min: -1, max: 4 });
  it('takes exactly what is asked for, in order, without loss', () => {
    fc.assert(
      fc.property(fc.array(label, { minLength: 12, maxLength: 80 }), fc.nat(), (labels, n) => {
        const items = labels.map((l, id) => ({ label: l, id }));
        const classes = new Set(labels).size;
        const count = n % (items.length - classes);
        const { taken, rest } = takeStratified(items, count, 'x');
        expect(taken).toHaveLength(count);
        expect([...taken, ...rest].sort((a, b) => a.id - b.id)).toEqual(items);
        for (const l of new Set(labels)) {
          if (labels.filter((x) => x === l).length > 1) expect(rest.some((e) => e.label === l)).toBe(true);
        }
        for (const l of new Set(labels)) {
          const share = (labels.filter((x) => x === l).length * count) / items.length;
          expect(Math.abs(taken.filter((e) => e.label === l).length - share)).toBeLessThanOrEqual(classes);
        }
      }),
    );
  });
});

describe('shuffled', () => {
  it('delivers every item once, in an order of the seed', async () => {
    const items = Array.from({ length: 300 }, (_, i) => i);
    const order = async (seed: number) => {
      const out: number[] = [];
      for await (const x of shuffled(items, { seed, buffer: 40 })) out.push(x);
      return out;
    };
    const one = await order(1);
    expect([...one].sort((a, b) => a - b)).toEqual(items);
    expect(await order(1)).toEqual(one);
    expect(await order(2)).not.toEqual(one);
    expect(one.slice(0, 20)).not.toEqual(items.slice(0, 20));
  });
});

describe('text', () => {
  it('is normalized as asked', () => {
    const how = { unicode: 'NFC', whitespace: 'collapse', lowercase: false } as const;
    expect(normalizeText(' e\u0301\u200b  a\tb\u0007 ', how)).toBe('é a b');
    expect(normalizeText(' A\nB ', { ...how, whitespace: 'trim', lowercase: true })).toBe('a\nb');
    expect(normalizeText('ﬁne', { ...how, unicode: 'NFKC' })).toBe('fine');
    expect(comparable('Don’t  PAY—now!')).toBe('don t pay now');
    expect(wordCount(' two  words ')).toBe(2);
  });
  it.each([
    ['ok text', false],
    ['crème brûlée', false],
    ['cr\ufffdme', true],
    ['crÃ¨me', true],
    ['itâ€™s', true],
    ['Âme et Âge', false],
  ])('%j damaged: %s', (text, damaged) => {
    expect(encodingDamage(text) !== undefined).toBe(damaged);
  });
});
