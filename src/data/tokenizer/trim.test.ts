import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../util/json-text.ts';
import { fixtureCorpus, fixtureTokenizers } from './fixtures/corpus.ts';
import { createStreamDecoder } from './stream.ts';
import { createTokenizer } from './tokenizer.ts';
import { trimModelConfig, trimTokenizer } from './trim.ts';

const trained = fixtureTokenizers();
const few = fixtureCorpus().slice(0, 25);
const other = fixtureCorpus().slice(600, 640);
const open = (f: { tokenizer: JsonObject; tokenizerConfig: JsonObject }) =>
  createTokenizer(f.tokenizer, f.tokenizerConfig);

describe('trimming a vocabulary', () => {
  it.each(Object.keys(trained))('%s: the texts encode as before, by smaller ids', (name) => {
    const before = open(trained[name]);
    const trimmed = trimTokenizer(trained[name], { texts: few });
    const after = open(trimmed);
    if (name !== 'char') expect(after.size).toBeLessThan(before.size);
    expect(after.size).toBe(trimmed.kept.length);
    for (const text of few) {
      expect(after.encode(text).map((id) => trimmed.kept[id])).toEqual(before.encode(text));
      expect(after.decode(after.encode(text))).toBe(before.decode(before.encode(text)));
    }
    trimmed.kept.forEach((old, id) => {
      expect(after.token(id)).toBe(before.token(old));
      expect(trimmed.newId(old)).toBe(id);
    });
    for (const [role, id] of Object.entries(before.special)) {
      expect(after.special[role as 'pad']).toBe(trimmed.newId(id!));
    }
  });

  it('stays lossless on texts it has not seen', () => {
    const after = open(trimTokenizer(trained.bpe, { texts: few }));
    for (const text of other) expect(after.decode(after.encode(text))).toBe(text);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (x) => {
        expect(after.decode(after.encode(x))).toBe(x);
      }),
      { numRuns: 60, seed: 2 },
    );
  });

  it('keeps to a size, giving up the rarest tokens first', () => {
    const trimmed = trimTokenizer(trained.bpe, { texts: few, maxSize: 300 });
    const after = open(trimmed);
    expect(after.size).toBeLessThanOrEqual(300);
    expect(after.size).toBeGreaterThan(290);
    for (const text of few) expect(after.decode(after.encode(text))).toBe(text);
    expect(() => trimTokenizer(trained.bpe, { maxSize: 100 })).toThrow(
      /maxSize.*seen: 100; allowed: from 258/,
    );
  });

  it('keeps asked-for ids with what they are merged from', () => {
    const before = open(trained.bpe);
    const longest = before
      .vocabulary()
      .map((t, id) => [id, t?.length ?? 0])
      .sort((a, b) => b[1] - a[1])[0][0];
    const after = open(trimTokenizer(trained.bpe, { keep: [longest] }));
    const text = before.decode([longest]);
    expect(after.encode(text).map((id) => after.token(id))).toEqual([before.token(longest)]);
  });

  it('moves ids in configs', () => {
    const trimmed = trimTokenizer(trained.bpe, { texts: few });
    const gone = [...Array(700).keys()].find((id) => trimmed.newId(id) === undefined)!;
    const last = trimmed.kept.at(-1)!;
    expect(
      trimModelConfig(
        {
          vocab_size: 700,
          eos_token_id: [0, last, gone],
          bos_token_id: last,
          pad_token_id: gone,
          n_layer: last,
        },
        trimmed,
      ),
    ).toEqual({
      vocab_size: trimmed.kept.length,
      eos_token_id: [0, trimmed.kept.length - 1],
      bos_token_id: trimmed.kept.length - 1,
      pad_token_id: null,
      n_layer: last,
    });
  });

  it('handles unigram vocabularies, metaspace and older post-processors', () => {
    const vocab: [string, number][] = [
      ['<unk>', 0],
      ['</s>', 0],
      ['▁the', -2],
      ['▁', -3],
      ['cat', -4],
      ['t', -5],
      ['h', -5.5],
      ['e', -5.1],
      ['c', -6],
      ['a', -6.5],
      ['dog', -20],
      ['s', -7],
    ];
    const tokenizer: JsonObject = {
      version: '1.0',
      added_tokens: [
        {
          id: 1,
          content: '</s>',
          special: true,
          normalized: false,
          lstrip: false,
          rstrip: false,
          single_word: false,
        },
      ],
      normalizer: null,
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
      post_processor: { type: 'BertProcessing', sep: ['</s>', 1], cls: ['</s>', 1] },
      decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
      model: { type: 'Unigram', unk_id: 0, vocab, byte_fallback: false },
    };
    const before = createTokenizer(tokenizer, { eos_token: '</s>' });
    const trimmed = trimTokenizer(
      { tokenizer, tokenizerConfig: { eos_token: '</s>' } },
      { texts: ['the cats the'] },
    );
    const after = open(trimmed);
    expect(after.encode('the cats the').map((id) => trimmed.kept[id])).toEqual(before.encode('the cats the'));
    expect(after.decode(after.encode('the cats', { addSpecial: false }))).toBe('the cats');
    // "dog" is not used, but it has the least score: unknown characters are scored from it
    expect(after.id('dog')).toBeDefined();
    expect([...trimmed.kept].length).toBe(vocab.length);
  });
});

describe('decoding a stream', () => {
  it.each(['bpe', 'wordpiece', 'char', 'whitespace'])('%s: pieces join to the whole text', (name) => {
    const t = open(trained[name]);
    for (const text of [...other, '👩‍👩‍👧🇫🇷漢字 x']) {
      const ids = t.encode(text, { addSpecial: false });
      const stream = createStreamDecoder(t);
      const pieces = ids.map((id) => stream.push(id));
      pieces.push(stream.finish());
      expect(pieces.join('')).toBe(t.decode(ids));
    }
  });

  it('never gives out part of a character', () => {
    const t = open(trained.bpe);
    const stream = createStreamDecoder(t);
    const pieces = t.encode('a🇫🇷é漢').map((id) => stream.push(id));
    expect(pieces.join('')).toBe('a🇫🇷é漢');
    expect(pieces.some((p) => p.includes('\ufffd'))).toBe(false);
    const cut = createStreamDecoder(t);
    for (const id of t.encode('漢').slice(0, -1)) expect(cut.push(id)).toBe('');
    if (t.encode('漢').length > 1) expect(cut.finish()).toBe('\ufffd');
  });
});
