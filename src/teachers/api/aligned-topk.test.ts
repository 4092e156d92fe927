import { describe, expect, it } from 'vitest';
import { createTokenizer, type Tokenizer } from '../../data/tokenizer/tokenizer.ts';
import { trainTokenizer } from '../../data/tokenizer/train.ts';
import { alignedTopK, spellingOf } from './aligned-topk.ts';
import type { AnswerToken } from './dialect.ts';

const texts = ['the cat sat on the mat', 'a cat and a mat', 'häuser am see', 'the sea'];
const made = (kind: 'bpe' | 'char', vocabSize: number): Tokenizer => {
  const files = trainTokenizer(kind, texts, { vocabSize, minFrequency: 1 });
  return createTokenizer(files.tokenizer, files.tokenizerConfig);
};
const [fine, coarse, chars] = [made('bpe', 262), made('bpe', 300), made('char', 64)];

/** An answer as a server with this tokenizer lists it: every token has half of the mass, two others a quarter and an eighth. */
function answered(tokenizer: Tokenizer, text: string, others: string[] = []): AnswerToken[] {
  return tokenizer.encode(text, { addSpecial: false }).map((id) => {
    const bytes = [...tokenizer.tokenBytes(id)];
    const token = new TextDecoder().decode(Uint8Array.from(bytes));
    const top = others.map((t, i) => ({ token: t, logp: Math.log(0.25 / (i + 1)) }));
    return { token, bytes, logp: Math.log(0.5), top: [{ token, bytes, logp: Math.log(0.5) }, ...top] };
  });
}
const rowOf = (tokenizer: Tokenizer, response: string, prompt = 'a') => {
  const before = tokenizer.encode(prompt, { addSpecial: false });
  const ids = [...before, ...tokenizer.encode(response, { addSpecial: false }), tokenizer.special.eos!];
  return { ids, learned: ids.map((_, i) => (i < before.length ? 0 : 1)), before: before.length };
};
const at = (s: { ids: Int32Array; logp: Float32Array; k: number }, t: number) =>
  Array.from({ length: s.k }, (_, i) => [s.ids[t * s.k + i], s.logp[t * s.k + i]]).filter(([id]) => id >= 0);

describe('top-k of an API at the tokens of a student', () => {
  it.each([
    ['bytes', fine],
    ['characters', chars],
  ])('is the answer’s own where both have one tokenizer (%s), but for the end', (_, tokenizer) => {
    const text = 'the cat sat';
    const row = rowOf(tokenizer, text);
    const { signal, aligned } = alignedTopK(
      answered(tokenizer, text, ['s', tokenizer.token(tokenizer.special.eos!)!]),
      row,
      spellingOf(tokenizer),
      4,
    );
    expect(aligned).toBe(row.ids.length - row.before - 1);
    const [s] = tokenizer.encode('s', { addSpecial: false });
    for (let t = row.before - 1; t < row.ids.length - 2; t++) {
      const target = row.ids[t + 1];
      const want =
        target === s
          ? [
              [s, 0.5],
              [tokenizer.special.eos, 0.125],
            ]
          : [
              [target, 0.5],
              [s, 0.25],
              [tokenizer.special.eos, 0.125],
            ];
      // the token itself and an alternative of its spelling are one
      const got = at(signal, t).map(([id, logp]) => [id, Math.exp(logp)]);
      expect(got.map(([id]) => id)).toEqual(want.map(([id]) => id));
      if (target !== s) expect(got.map(([, p]) => p)).toEqual(want.map(([, p]) => expect.closeTo(p!, 6)));
    }
    // the end of the text is learned as it was written
    expect(at(signal, row.ids.length - 2)).toEqual([[tokenizer.special.eos, 0]]);
  });

  it('keeps to positions where both cut the text alike', () => {
    const text = 'the cat sat on the mat';
    const row = rowOf(fine, text);
    const answer = answered(coarse, text, ['q']);
    const { signal, aligned } = alignedTopK(answer, row, spellingOf(fine), 3);
    expect(answer.length).toBeLessThan(row.ids.length - row.before - 1);
    expect(aligned).toBeGreaterThan(0);
    expect(aligned).toBeLessThan(row.ids.length - row.before - 1);
    // boundaries of both, found anew
    const spans = (tokens: readonly string[]): string[] => {
      let from = 0;
      return tokens.map((t) => `${from}-${(from += t.length)}`);
    };
    const own = row.ids.slice(row.before, -1).map((id) => fine.decode([id]));
    const common = new Set(spans(answer.map((a) => a.token)));
    spans(own).forEach((span, i) => {
      const hard = at(signal, row.before - 1 + i);
      if (common.has(span)) expect(hard.map(([, logp]) => Math.exp(logp))[0]).toBeCloseTo(0.5, 6);
      else expect(hard).toEqual([[row.ids[row.before + i], 0]]);
    });
  });

  it('finds the response where it was trimmed, cut, or joined with other text, and gives up where it is not certain', () => {
    const spelling = spellingOf(fine);
    const aligned = (answer: string, response: string): number =>
      alignedTopK(answered(fine, answer), rowOf(fine, response), spelling, 2).aligned;
    const length = (t: string): number => fine.encode(t, { addSpecial: false }).length;
    expect(aligned('\nhäuser am see\n', 'häuser am see')).toBe(length('häuser am see'));
    expect(aligned('the cat sat on the mat', 'the cat sat')).toBeGreaterThanOrEqual(
      length('the cat sat') - 1,
    );
    expect(aligned('am see', 'the cat\nam see')).toBeGreaterThan(0);
    // twice in the answer: which of the two it is cannot be told
    expect(aligned('q cat or cat q', 'cat')).toBe(0);
    expect(aligned('something else', 'the mat')).toBe(0);
    expect(alignedTopK(undefined, rowOf(fine, 'the mat'), spelling, 2).aligned).toBe(0);
  });

  it('keeps log-probabilities a distribution: what is not a token of the student goes to the tail', () => {
    const row = rowOf(chars, 'cat');
    const { signal } = alignedTopK(answered(chars, 'cat', ['th', 'ca']), row, spellingOf(chars), 3);
    expect(at(signal, row.before - 1)).toHaveLength(1);
    expect(Math.exp(signal.logTail[row.before - 1])).toBeCloseTo(0.5, 6);
  });
});
