import { describe, expect, it } from 'vitest';
import { createRng } from '../util/rng.ts';
import { createNearIndex, jaccard, shingles, signature } from './minhash.ts';

const WORDS =
  'card money transfer account order parcel late refund please today cannot login address change plan invoice'.split(
    ' ',
  );
const sentence = (seed: number): string => {
  const rng = createRng(seed);
  return Array.from({ length: 12 + rng.int(20) }, () => rng.pick(WORDS)).join(' ');
};

describe('shingles and Jaccard similarity', () => {
  it('ignores case, punctuation and repeated spaces', () => {
    expect(jaccard(shingles('Where is my CARD?'), shingles('where is  my card'))).toBe(1);
  });
  it('agrees with a count by sets', () => {
    for (let seed = 0; seed < 20; seed++) {
      const [a, b] = [shingles(sentence(seed)), shingles(sentence(seed + 1000))];
      const both = [...a].filter((x) => b.includes(x)).length;
      expect(jaccard(a, b)).toBeCloseTo(both / new Set([...a, ...b]).size, 12);
    }
  });
});

describe('signature', () => {
  it('agrees in a share of entries near the Jaccard similarity', () => {
    const errors: number[] = [];
    for (let seed = 0; seed < 200; seed++) {
      const text = sentence(seed);
      const other = `${text.slice(0, 60 + (seed % 40))} ${sentence(seed + 5000).slice(0, seed % 60)}`;
      const [a, b] = [shingles(text), shingles(other)];
      const [s, t] = [signature(a), signature(b)];
      const agree = s.filter((x, i) => x === t[i]).length / s.length;
      errors.push(agree - jaccard(a, b));
    }
    const mean = errors.reduce((x, y) => x + y, 0) / errors.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.max(...errors.map(Math.abs))).toBeLessThan(0.3);
  });
});

describe('createNearIndex', () => {
  it.each([0.9, 0.75, 0.6])(
    'threshold %s: finds at least 97 in 100 pairs above it and none below',
    (threshold) => {
      const index = createNearIndex(threshold);
      const texts = Array.from({ length: 200 }, (_, i) => sentence(i));
      const sets = texts.map(shingles);
      texts.forEach((text, i) => {
        index.add(i, text);
      });
      const rng = createRng('edits');
      let above = 0;
      let found = 0;
      for (let i = 0; i < texts.length; i++) {
        // A few words replaced: similarities spread over the whole range.
        const words = texts[i].split(' ');
        for (let k = rng.int(5); k > 0; k--) words[rng.int(words.length)] = `w${rng.int(1000)}`;
        const text = words.join(' ');
        const own = shingles(text);
        const best = Math.max(...sets.map((set) => jaccard(own, set)));
        const hit = index.find(text);
        if (hit) expect(hit.similarity).toBeGreaterThanOrEqual(threshold);
        if (best >= threshold) {
          above++;
          if (hit) found++;
        } else expect(hit).toBeUndefined();
      }
      expect(above).toBeGreaterThan(25);
      expect(found / above).toBeGreaterThanOrEqual(0.97);
    },
  );
});
