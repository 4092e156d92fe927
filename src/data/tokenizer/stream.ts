import type { Tokenizer } from './tokenizer.ts';

/** Turns ids that arrive one by one into text, holding back what is not yet a whole character. */
export interface StreamDecoder {
  /** The text that has become certain. */
  push(id: number): string;
  /** What was held back. */
  finish(): string;
}

/** How many ids are kept as context when a stretch of text has been given out. */
const CONTEXT = 4;

/**
 * A decoder for streaming. The texts given out, joined, are the decoding of all ids (for decoders that look no further
 * back than a few tokens, which holds for byte-level, metaspace and WordPiece).
 */
export function createStreamDecoder(
  tokenizer: Tokenizer,
  options: { skipSpecial?: boolean } = {},
): StreamDecoder {
  let ids: number[] = [];
  let given = ''; // the decoding of the ids that were given out
  const next = (certainOnly: boolean): string => {
    const text = tokenizer.decode(ids, options);
    // a replacement character at the end may be the beginning of a longer sequence of bytes
    if (certainOnly && text.endsWith('\ufffd')) return '';
    const out = text.slice(given.length);
    if (ids.length > 2 * CONTEXT) ids = ids.slice(-CONTEXT);
    given = tokenizer.decode(ids, options);
    return out;
  };
  return {
    push(id) {
      ids.push(id);
      return next(true);
    },
    finish: () => next(false),
  };
}
