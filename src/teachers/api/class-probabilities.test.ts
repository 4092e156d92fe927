import { describe, expect, it } from 'vitest';
import { classProbabilities, readClass } from './class-probabilities.ts';
import type { AnswerToken } from './dialect.ts';

const token = (t: string, p: number, others: Record<string, number> = {}): AnswerToken => ({
  token: t,
  logp: Math.log(p),
  top: [[t, p] as const, ...Object.entries(others)].map(([o, q]) => ({ token: o, logp: Math.log(q) })),
});
const close = (p: Float64Array | undefined, wanted: number[]): void => {
  expect(p).toBeDefined();
  wanted.forEach((w, i) => {
    expect(p![i]).toBeCloseTo(w, 10);
  });
};
const json = (names: string[]): string[] => names.map((n) => `{"label":${JSON.stringify(n)}}`);

describe('classProbabilities', () => {
  it('multiplies along the branch and gives alternatives their mass', () => {
    const p = classProbabilities(
      [
        token('{"label":"', 1),
        token('card', 0.8, { refund: 0.2 }),
        token('_lost', 0.75, { _arrival: 0.25 }),
        token('"}', 1),
      ],
      json(['refund', 'card_arrival', 'card_lost']),
    );
    close(p, [0.2, 0.2, 0.6]);
  });

  it('spreads the mass outside the top k over the classes nothing led to', () => {
    const p = classProbabilities(
      [token('{"label":"', 1), token('a', 0.6, { b: 0.2 }), token('"}', 1)],
      json(['a', 'b', 'c', 'd']),
    );
    close(p, [0.6, 0.2, 0.1, 0.1]);
  });

  it('is conditional on the answer being a class', () => {
    const p = classProbabilities(
      [token('{"label":"', 1), token('yes', 0.4, { no: 0.1, Hmm: 0.5 })],
      json(['yes', 'no']),
    );
    close(p, [0.8, 0.2]);
  });

  it('handles names that begin longer ones, and tokens that straddle the start', () => {
    const names = ['card', 'card_payment'];
    close(
      classProbabilities(
        [token('{"label":', 1), token('"card', 0.9), token('"', 0.7, { _payment: 0.3 }), token('}', 1)],
        json(names),
      ),
      [0.7, 0.3],
    );
    // without JSON the end of the shorter name has no token of its own: it gets what nothing else explains
    close(classProbabilities([token('card', 0.9), token('_payment', 0.5)], names), [0.5, 0.5]);
    close(classProbabilities([token('card', 0.9)], names), [1, 0]);
  });

  it('knows nothing from tokens that spell something else', () => {
    expect(classProbabilities([token('Sure', 1)], ['a', 'b'])).toBeUndefined();
    expect(classProbabilities([], ['a', 'b'])).toBeUndefined();
  });
});

describe('readClass', () => {
  const classes = ['top up', 'refund'];
  it('finds the label in JSON and in plain text', () => {
    const read = (text: string, value?: unknown) =>
      readClass({ text, finish: 'stop', json: value }, classes, value === undefined ? undefined : 'label')
        .label;
    expect(read('{"label":"refund"}', { label: 'refund' })).toBe(1);
    expect(read(' Refund.\n')).toBe(1);
    expect(read('**top up**')).toBe(0);
    expect(read('I think it is about money')).toBeUndefined();
    expect(read('{"label":3}', { label: 3 })).toBeUndefined();
  });

  it('gives the label alone where there are no log-probabilities', () => {
    expect(readClass({ text: 'refund', finish: 'stop' }, classes, undefined)).toEqual({
      label: 1,
      p: undefined,
    });
  });
});
