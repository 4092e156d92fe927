import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../util/json-text.ts';
import { createRng } from '../../util/rng.ts';
import { LibraryTokenizer } from './library.ts';
import { type TokenizerKind, trainTokenizer } from './train.ts';

const WORDS =
  'the cat sat on a mat, while 12 dogs ran after 3456 birds; naïve Straße ΟΔΟΣ 東京 都 мир!'.split(' ');
const corpus = (lines = 300): string[] => {
  const rng = createRng('corpus');
  return Array.from({ length: lines }, () =>
    Array.from({ length: 3 + rng.int(9) }, () => rng.pick(WORDS)).join(' '),
  );
};
const open = (files: { tokenizer: JsonObject; tokenizerConfig: JsonObject }): LibraryTokenizer =>
  new LibraryTokenizer(files.tokenizer, files.tokenizerConfig);
const vocabOf = (t: JsonObject): Record<string, number> =>
  (t.model as JsonObject).vocab as Record<string, number>;

describe('training vocabularies', () => {
  it.each<TokenizerKind>(['bpe', 'wordpiece', 'char', 'whitespace'])(
    '%s: ids are dense, special tokens first',
    (kind) => {
      const { tokenizer, tokenizerConfig } = trainTokenizer(kind, corpus(), { vocabSize: 320 });
      const ids = Object.values(vocabOf(tokenizer)).sort((a, b) => a - b);
      expect(ids).toEqual(ids.map((_, i) => i));
      expect(ids.length).toBeLessThanOrEqual(320);
      const added = tokenizer.added_tokens as JsonObject[];
      expect(added.map((t) => t.id)).toEqual(added.map((_, i) => i));
      expect(added.map((t) => t.content)).toEqual(
        expect.arrayContaining([
          tokenizerConfig.pad_token,
          tokenizerConfig.eos_token ?? tokenizerConfig.sep_token,
        ]),
      );
    },
  );

  it('does not depend on the order of the texts', () => {
    for (const kind of ['bpe', 'wordpiece', 'char', 'whitespace'] as const) {
      const texts = corpus();
      const a = trainTokenizer(kind, texts, { vocabSize: 330 });
      const b = trainTokenizer(kind, [...texts].reverse(), { vocabSize: 330 });
      expect(JSON.stringify(b)).toBe(JSON.stringify(a));
    }
  });

  it('learns the merges worked out by hand', () => {
    // "ab" x5 wins first; then (ab, ab) x3 and (c, ab) x2
    const texts = ['abab', 'abab', 'abab', 'cab', 'cab'].map((t) => `${t}\n`);
    const { tokenizer } = trainTokenizer('bpe', texts, { vocabSize: 256 + 2 + 3, minFrequency: 2 });
    const merges = (tokenizer.model as JsonObject).merges as string[];
    expect(merges).toEqual(['a b', 'ab ab', 'c ab']);
  });

  it('byte-level BPE gives back every text', () => {
    const t = open(trainTokenizer('bpe', corpus(), { vocabSize: 400 }));
    const options = { add_special_tokens: false };
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60, minLength: 1 }), (x) => {
        expect(t.decode(t.encode(x, options).ids)).toBe(x);
      }),
      { numRuns: 60, seed: 5 },
    );
  });

  it('character vocabularies give back every text of their alphabet', () => {
    const t = open(trainTokenizer('char', corpus(), { vocabSize: 400 }));
    const alphabet = [...new Set(WORDS.join(' '))];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...alphabet), { minLength: 1 }), (chars) => {
        const { ids } = t.encode(chars.join(''));
        expect(ids.length).toBe(chars.length);
        expect(t.decode(ids)).toBe(chars.join(''));
      }),
      { numRuns: 300, seed: 6 },
    );
    expect(t.encode('☃').tokens).toEqual(['<unk>']);
  });

  it('WordPiece marks continuations and wraps texts and pairs', () => {
    const t = open(trainTokenizer('wordpiece', corpus(), { vocabSize: 140 }));
    const { tokens } = t.encode('The catdog, ΟΔΟΣ');
    expect(tokens[0]).toBe('[CLS]');
    expect(tokens.at(-1)).toBe('[SEP]');
    expect(tokens).toContain('the');
    expect(tokens.filter((x) => x.startsWith('##')).length).toBeGreaterThan(0);
    expect(t.decode(t.encode('the cat sat').ids, { skip_special_tokens: true })).toBe('the cat sat');
    const pair = t.encode('cat', { text_pair: 'mat', return_token_type_ids: true });
    expect(pair.tokens.filter((x) => x === '[SEP]').length).toBe(2);
    expect(pair.token_type_ids!.at(-1)).toBe(1);
    expect(t.encode('☃').tokens).toEqual(['[CLS]', '[UNK]', '[SEP]']);
  });

  it('whitespace vocabularies hold the most frequent words', () => {
    const t = open(
      trainTokenizer('whitespace', ['b b b a a c', 'a\tb\u0085d d'], { vocabSize: 6, minFrequency: 1 }),
    );
    expect(Object.fromEntries(t.get_vocab())).toEqual({
      '<pad>': 0,
      '<unk>': 1,
      '<eos>': 2,
      b: 3,
      a: 4,
      d: 5,
    });
    expect(t.decode(t.encode('a d c').ids)).toBe('a d <unk>');
  });

  it('never learns a special token from the text', () => {
    const texts = Array(20).fill('x<|endoftext|>y');
    const { tokenizer } = trainTokenizer('bpe', texts, { vocabSize: 400 });
    expect((tokenizer.model as JsonObject).merges).toEqual([]);
  });

  it('says what is wrong with the options', () => {
    expect(() => trainTokenizer('bpe', [], { vocabSize: 100 })).toThrow(/vocabSize.*seen: 100.*at least 258/);
    expect(() => trainTokenizer('char', [], { vocabSize: 100, special: { pad: 'p' } })).toThrow(
      /needs an unk token/,
    );
  });

  it('trains on long runs and large corpora in time', () => {
    const rng = createRng(3);
    const words = Array.from({ length: 8000 }, () =>
      Array.from({ length: 2 + rng.int(9) }, () =>
        String.fromCharCode(97 + Math.floor(26 * rng.uniform() ** 2)),
      ).join(''),
    );
    const text = Array.from(
      { length: 150_000 },
      () => words[Math.floor(words.length * rng.uniform() ** 3)],
    ).join(' ');
    const start = performance.now();
    const { tokenizer } = trainTokenizer('bpe', [text, '='.repeat(200_000)], { vocabSize: 4000 });
    expect(Object.keys(vocabOf(tokenizer)).length).toBe(4000);
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});
