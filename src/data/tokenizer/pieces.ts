import type { Json } from '../../util/json-text.ts';
import { LibraryTokenizer, SplitPreTokenizer } from './library.ts';

/** A tokenizer.json normalizer as a function, by the same library that encodes later. */
export function createNormalizer(normalizer: Json): (text: string) => string {
  if (normalizer === null) return wellFormed;
  const empty = new LibraryTokenizer(
    {
      added_tokens: [],
      normalizer,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      model: { type: 'BPE', vocab: {}, merges: [] },
    },
    {},
  );
  const normalize = empty.normalizer!;
  return (text) => normalize._call(wellFormed(text));
}

/** All matches of a tokenizer.json regular expression, by the same library that encodes later. */
export function createSplitter(regex: string): (text: string) => string[] {
  const split = new SplitPreTokenizer({
    type: 'Split',
    pattern: { Regex: regex },
    behavior: 'Removed',
    invert: true,
  });
  return (text) => split.pre_tokenize_text(text);
}

/** Lone surrogates replaced by U+FFFD: they have no UTF-8 form, and no other reader could see them. */
export function wellFormed(text: string): string {
  return /[\ud800-\udfff]/.test(text)
    ? text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
    : text;
}
