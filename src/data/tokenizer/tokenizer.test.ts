import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { isDecantError } from '../../util/errors.ts';
import type { Json, JsonObject } from '../../util/json-text.ts';
import { fixtureTokenizers } from './fixtures/corpus.ts';
import { LibraryTokenizer } from './library.ts';
import type { TokenizerFiles } from './special.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

interface Fixture {
  strings: string[];
  python_merges: string[];
  tokenizers: Record<
    string,
    { tokenizer: JsonObject; ids: number[][]; decoded: string[]; offsets?: [number, number][][] }
  >;
}
const fixture: Fixture = JSON.parse(
  gunzipSync(readFileSync(new URL('fixtures/python-ids.json.gz', import.meta.url))).toString('utf8'),
);
const names = Object.keys(fixture.tokenizers);
let trained: Record<string, TokenizerFiles>;
beforeAll(() => {
  trained = fixtureTokenizers();
});
const open = (name: string) => createTokenizer(trained[name].tokenizer, trained[name].tokenizerConfig);

describe('tokenizers against Python', () => {
  it('has a fixture of 1,000 strings for every kind', () => {
    expect(fixture.strings.length).toBe(1000);
    expect(names.sort()).toEqual(Object.keys(trained).sort());
    expect(names.length).toBe(7);
  });

  it.each(names)('%s: training gives the same file again, Python and we the same ids', (name) => {
    expect(trained[name].tokenizer).toEqual(fixture.tokenizers[name].tokenizer);
    const t = open(name);
    const library = new LibraryTokenizer(trained[name].tokenizer, trained[name].tokenizerConfig);
    const wrong: unknown[] = [];
    fixture.strings.forEach((text, i) => {
      const ids = t.encode(text);
      const expected = fixture.tokenizers[name].ids[i];
      if (`${ids}` !== `${expected}`) wrong.push({ text, ids, expected });
      expect(library.encode(text).ids).toEqual(ids);
    });
    expect(wrong).toEqual([]);
  });

  it.each(names)('%s: decodes as Python does', (name) => {
    const t = open(name);
    const { ids, decoded } = fixture.tokenizers[name];
    expect(decoded.map((_, i) => t.decode(ids[i], { skipSpecial: true }))).toEqual(decoded);
  });

  it.each(['bpe', 'wordpiece', 'char', 'whitespace'])('%s: offsets are those of Python', (name) => {
    const t = open(name);
    let traced = 0;
    fixture.tokenizers[name].offsets!.forEach((expected, i) => {
      const text = fixture.strings[i];
      const starts: number[] = []; // code point index -> UTF-16 index
      let at = 0;
      for (const c of text) {
        starts.push(at);
        at += c.length;
      }
      starts.push(at);
      const got = t.encodeWithOffsets(text);
      if (!got) return;
      traced++;
      expect(got.ids).toEqual(fixture.tokenizers[name].ids[i]);
      expected.forEach(([b, e], k) => {
        expect({ text, k, begin: got.offsets[k][0] }).toEqual({ text, k, begin: starts[b] });
        // stripped marks after a word's last letter belong to the word here and to nothing there
        const more = text.slice(starts[e], got.offsets[k][1]);
        if (more === '') expect({ text, k, end: got.offsets[k][1] }).toEqual({ text, k, end: starts[e] });
        else expect(name === 'wordpiece' && more).toMatch(/^\p{M}+$/u);
      });
    });
    expect(traced).toBeGreaterThan(name === 'wordpiece' ? 150 : 199);
  });

  it("byte-level merges are those of Python's own trainer", () => {
    expect((trained.bpe.tokenizer.model as JsonObject).merges).toEqual(fixture.python_merges);
  });
});

describe('the tokenizer', () => {
  it('gives back every text where it says lossless', () => {
    const t = open('bpe');
    expect(t.lossless).toBe(true);
    expect(open('wordpiece').lossless).toBe(false);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (x) => {
        expect(t.decode(t.encode(x))).toBe(x);
      }),
      { numRuns: 1000, seed: 1 },
    );
    expect(t.decode(t.encode('a\ud800b'))).toBe('a\ufffdb');
  });

  it('truncates on either side and keeps the tokens around the text', () => {
    const t = open('wordpiece');
    const { cls, sep } = t.special;
    const bare = t.encode('the cat of the time', { addSpecial: false });
    expect(t.encode('the cat of the time')).toEqual([cls, ...bare, sep]);
    expect(t.encode('the cat of the time', { maxLength: 4 })).toEqual([cls, bare[0], bare[1], sep]);
    expect(t.encode('the cat of the time', { maxLength: 4, truncationSide: 'left' })).toEqual([
      cls,
      ...bare.slice(-2),
      sep,
    ]);
    expect(t.encode('the', { maxLength: 2 })).toEqual([cls, sep]);
    expect(() => t.encode('the', { maxLength: 1 })).toThrow(/maxLength.*seen: 1.*from 2/);
    expect(t.encode('')).toEqual([cls, sep]);
    expect(t.decode([])).toBe('');
    const left = createTokenizer(trained.bpe.tokenizer, {
      ...trained.bpe.tokenizerConfig,
      truncation_side: 'left',
    });
    const all = left.encode('the and that');
    expect(left.encode('the and that', { maxLength: 1 })).toEqual(all.slice(-1));
    expect(left.encodeWithOffsets('the and that', { maxLength: 1 })!.ids).toEqual(all.slice(-1));
  });

  it('encodes pairs as the library does, cutting the longer text first', () => {
    const t = open('wordpiece');
    const { cls, sep } = t.special;
    const library = new LibraryTokenizer(trained.wordpiece.tokenizer, trained.wordpiece.tokenizerConfig);
    const expected = library.encode('the time', { text_pair: 'and that is', return_token_type_ids: true });
    expect(t.encodePair('the time', 'and that is')).toEqual({
      ids: expected.ids,
      typeIds: expected.token_type_ids,
    });
    const a = t.encode('the time', { addSpecial: false });
    const b = t.encode('and that is from the', { addSpecial: false });
    const short = t.encodePair('the time', 'and that is from the', { maxLength: 3 + a.length + 3 });
    expect(short.ids).toEqual([cls, ...a, sep, ...b.slice(0, 3), sep]);
    expect(short.typeIds).toEqual([0, ...a.map(() => 0), 0, 1, 1, 1, 1]);
    const plain = open('bpe').encodePair('a', 'b');
    expect(plain.typeIds).toEqual([0, 1]);
  });

  it('knows ids, spellings and bytes', () => {
    const t = open('bpe');
    const ids = t.encode(' naïve');
    const bytes = ids.flatMap((id) => [...t.tokenBytes(id)]);
    expect(new TextDecoder().decode(Uint8Array.from(bytes))).toBe(' naïve');
    expect(t.id('<|endoftext|>')).toBe(t.special.eos);
    expect(t.token(t.special.eos!)).toBe('<|endoftext|>');
    expect([...t.tokenBytes(t.special.eos!)]).toEqual([]);
    expect(t.vocabulary().length).toBe(t.size);
    expect(t.decode([t.size + 5, ...ids])).toBe(' naïve');
    const w = open('wordpiece');
    const text = w
      .encode('the', { addSpecial: false })
      .map((id) => new TextDecoder().decode(w.tokenBytes(id)));
    expect(text.join('')).toBe(' the');
  });

  it('uses unknown tokens of WordLevel files without a config file', () => {
    const t = createTokenizer(trained.whitespace.tokenizer);
    expect(t.encode('☃')).toEqual([t.id('<unk>')]);
  });

  it('explains files it cannot use', () => {
    const base = trained.wordpiece.tokenizer;
    const model = base.model as JsonObject;
    const bad = (change: JsonObject): string => {
      try {
        createTokenizer({ ...base, ...change });
      } catch (e) {
        expect(isDecantError(e)).toBe(true);
        return (e as Error).message;
      }
      return 'no error';
    };
    expect(bad({ normalizer: { type: 'Nope' } })).toMatch(
      /tokenizer\.json: this tokenizer cannot be used.*Nope/,
    );
    expect(bad({ model: 3 })).toMatch(/model: is not an object/);
    expect(bad({ decoder: [] })).toMatch(/decoder: is not an object/);
    expect(bad({ model: { ...model, vocab: { a: 0, b: 0 } } })).toMatch(
      /model\.vocab\["b"\]: has the id of "a"/,
    );
    expect(bad({ model: { ...model, vocab: { a: -1 } } })).toMatch(
      /model\.vocab\["a"\]: is not an id; seen: -1/,
    );
    expect(bad({ model: { ...model, vocab: { a: 1e12 } } })).toMatch(/is not an id/);
    expect(bad({ model: { type: 'BPE', vocab: {}, merges: ['ab'] } })).toMatch(
      /model\.merges\[0\]: is not a pair/,
    );
    expect(bad({ model: { type: 'Unigram', vocab: [['a']] } })).toMatch(/model\.vocab\[0\]/);
    expect(bad({ model: { type: 'Unigram', vocab: [['a', 1]], unk_id: 4 } })).toMatch(/unk_id: is outside/);
    expect(bad({ added_tokens: [{ id: 1, content: '' }] })).toMatch(/added_tokens\[0\]/);
    expect(() => createTokenizer({})).toThrow(/tokenizer\.json: normalizer: is missing/);
  });

  it('survives random damage with nothing but explained errors', () => {
    const leaf = fc.oneof(
      fc.jsonValue({ maxDepth: 1 }),
      fc.constantFrom('Split', 'BPE', 'Sequence', null, -1),
    );
    for (const name of ['bpe', 'wordpiece', 'whitespace']) {
      const text = JSON.stringify(trained[name].tokenizer);
      fc.assert(
        fc.property(fc.nat(1_000_000), leaf, (place, value) => {
          const json = JSON.parse(text) as JsonObject;
          replaceSomewhere(json, place, value as Json);
          let t: Tokenizer;
          try {
            t = createTokenizer(json);
          } catch (e) {
            expect(isDecantError(e), String((e as Error).stack)).toBe(true);
            return;
          }
          expect(t.size).toBeLessThan(2 ** 25);
        }),
        { numRuns: 120, seed: 3 },
      );
    }
  });
});

/** Puts a value in place of one of the structural members (not of single vocabulary entries, which are most). */
function replaceSomewhere(json: JsonObject, place: number, value: Json): void {
  const spots: [JsonObject | Json[], string][] = [];
  const walk = (node: Json): void => {
    if (!node || typeof node !== 'object') return;
    for (const key of Object.keys(node).slice(0, 12)) {
      spots.push([node as JsonObject, key]);
      walk((node as JsonObject)[key]);
    }
  };
  walk(json);
  const [node, key] = spots[place % spots.length];
  (node as JsonObject)[key] = value;
}
