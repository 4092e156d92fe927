import { DecantError } from '../../util/errors.ts';
import type { Json } from '../../util/json-text.ts';
import { BYTE_TO_CHAR, toByteChars } from './byte-level.ts';
import { type CountedWord, learnMerges } from './merges.ts';
import { createNormalizer, createSplitter } from './pieces.ts';
import {
  assembleTokenizer,
  type SpecialTokens,
  specialList,
  type TokenizerFiles,
  withoutSpecial,
} from './special.ts';

/**
 * Words with at most one leading blank or sign, numbers in groups of three, runs of signs, line breaks, blanks: the
 * split of current byte-level vocabularies, with combining marks kept inside words.
 */
export const BPE_SPLIT =
  "'(?:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** A sign or Han character alone, or a run of anything else but blanks: the split of BERT. */
export const WORDPIECE_SPLIT = '[\\p{P}$+<=>^`|~\\p{Han}]|[^\\s\\p{P}$+<=>^`|~\\p{Han}]+';

export interface TrainOptions {
  /** Entries in all, special tokens and alphabet included. */
  vocabSize: number;
  /** Pairs (BPE, WordPiece) or entries (char, whitespace) seen less often are left out. Default 2; char 1. */
  minFrequency?: number;
  special?: SpecialTokens;
  /** Lower-case (and, for WordPiece, strip accents). Default: true for WordPiece, else false. */
  lowercase?: boolean;
  /** Written as model_max_length. */
  maxLength?: number;
}

export type TokenizerKind = 'bpe' | 'wordpiece' | 'char' | 'whitespace';

const DEFAULT_SPECIAL: Record<TokenizerKind, SpecialTokens> = {
  bpe: { eos: '<|endoftext|>', pad: '<|pad|>' },
  wordpiece: { pad: '[PAD]', unk: '[UNK]', cls: '[CLS]', sep: '[SEP]', mask: '[MASK]' },
  char: { pad: '<pad>', unk: '<unk>', eos: '<eos>' },
  whitespace: { pad: '<pad>', unk: '<unk>', eos: '<eos>' },
};

/**
 * Trains a vocabulary on texts and returns the contents of tokenizer.json and tokenizer_config.json. Same texts and
 * options give the same files; the order of the texts does not matter.
 */
export function trainTokenizer(
  kind: TokenizerKind,
  texts: Iterable<string>,
  options: TrainOptions,
): TokenizerFiles {
  const special = options.special ?? DEFAULT_SPECIAL[kind];
  if (kind !== 'bpe' && special.unk === undefined) {
    throw new DecantError('usage', `a ${kind} vocabulary needs an unk token for what it does not know`, {
      at: 'special',
      seen: special,
      fix: "add { unk: '<unk>' }",
    });
  }
  const needed = specialList(special).length + (kind === 'bpe' ? 256 : 1);
  if (!Number.isInteger(options.vocabSize) || options.vocabSize < needed) {
    throw new DecantError('usage', 'the vocabulary is too small', {
      at: 'vocabSize',
      seen: options.vocabSize,
      allowed: `a whole number of at least ${needed} (special tokens and alphabet)`,
    });
  }
  const train = { bpe: trainBpe, wordpiece: trainWordPiece, char: trainChar, whitespace: trainWhitespace }[
    kind
  ];
  return train(texts, { ...options, special });
}

type Resolved = TrainOptions & { special: SpecialTokens };

/** Byte-level BPE: lossless on every text, no unknown token. */
function trainBpe(texts: Iterable<string>, options: Resolved): TokenizerFiles {
  const normalizer: Json = options.lowercase ? LOWERCASE : null;
  const counts = countPieces(texts, options.special, normalizer, createSplitter(BPE_SPLIT));
  const vocab = [...specialList(options.special), ...[...BYTE_TO_CHAR].sort()];
  const ids = new Map(vocab.map((s, i) => [s, i]));
  const words: CountedWord[] = [...counts].map(([text, count]) => ({
    symbols: Array.from(toByteChars(text), (c) => ids.get(c)!),
    count,
  }));
  const merges = learnMerges(words, vocab, {
    size: options.vocabSize,
    minFrequency: options.minFrequency ?? 2,
    join: (a, b) => a + b,
  });
  const split = { type: 'Split', pattern: { Regex: BPE_SPLIT }, behavior: 'Isolated', invert: false };
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  return assembleTokenizer({
    ...options,
    vocab,
    normalizer,
    preTokenizer: { type: 'Sequence', pretokenizers: [split, bytes] },
    decoder: { ...bytes, use_regex: true },
    model: bpeModel(vocab, merges, null),
  });
}

/** WordPiece with `##` for what continues a word; pairs are chosen by frequency, as current trainers do. */
function trainWordPiece(texts: Iterable<string>, options: Resolved): TokenizerFiles {
  const normalizer: Json = options.lowercase === false ? { type: 'NFC' } : WORDPIECE_NORMALIZER;
  const counts = countPieces(texts, options.special, normalizer, createSplitter(WORDPIECE_SPLIT));
  const special = specialList(options.special);
  const alphabet = topCharacters(
    counts,
    options.minFrequency ?? 2,
    Math.floor((options.vocabSize - special.length) / 2),
  );
  const vocab = [...special, ...alphabet, ...alphabet.map((c) => `##${c}`)];
  const ids = new Map(vocab.map((s, i) => [s, i]));
  const words: CountedWord[] = [];
  for (const [text, count] of counts) {
    const symbols = Array.from(text, (c, i) => ids.get(i === 0 ? c : `##${c}`));
    if (symbols.every((s) => s !== undefined)) words.push({ symbols: symbols as number[], count });
  }
  learnMerges(words, vocab, {
    size: options.vocabSize,
    minFrequency: options.minFrequency ?? 2,
    join: (a, b) => a + b.slice(2),
  });
  const { cls, sep, unk } = options.special;
  return assembleTokenizer({
    ...options,
    vocab,
    normalizer,
    preTokenizer: { type: 'Split', pattern: { Regex: WORDPIECE_SPLIT }, behavior: 'Removed', invert: true },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    ...(cls !== undefined && sep !== undefined ? { wrap: { begin: 'cls', end: 'sep' } as const } : {}),
    model: {
      type: 'WordPiece',
      unk_token: unk!,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: vocabObject(vocab),
    },
  });
}

/** One entry per character (code point), written as BPE without merges. */
function trainChar(texts: Iterable<string>, options: Resolved): TokenizerFiles {
  const normalizer: Json = options.lowercase ? LOWERCASE : null;
  const counts = countPieces(texts, options.special, normalizer, (text) => [text]);
  const special = specialList(options.special);
  const alphabet = topCharacters(counts, options.minFrequency ?? 1, options.vocabSize - special.length);
  const vocab = [...special, ...alphabet.filter((c) => !special.includes(c))];
  return assembleTokenizer({
    ...options,
    vocab,
    normalizer,
    preTokenizer: null,
    decoder: { type: 'Fuse' },
    model: bpeModel(vocab, [], options.special.unk!),
  });
}

/** One entry per word between blanks, the most frequent first. */
function trainWhitespace(texts: Iterable<string>, options: Resolved): TokenizerFiles {
  const normalizer: Json = options.lowercase ? LOWERCASE : null;
  const counts = countPieces(texts, options.special, normalizer, createSplitter('\\S+'));
  const special = specialList(options.special);
  const words = mostFrequent(counts, options.minFrequency ?? 2).filter((w) => !special.includes(w));
  const vocab = [...special, ...words].slice(0, options.vocabSize);
  return assembleTokenizer({
    ...options,
    vocab,
    normalizer,
    preTokenizer: { type: 'Split', pattern: { Regex: '\\s+' }, behavior: 'Removed', invert: false },
    decoder: null,
    model: { type: 'WordLevel', vocab: vocabObject(vocab), unk_token: options.special.unk! },
  });
}

// Lower-casing differs between readers in one place: JavaScript knows the Greek final sigma, Rust's per-character
// mapping does not. Folding the final sigma makes every reader agree.
const SIGMA: Json = { type: 'Replace', pattern: { String: 'ς' }, content: 'σ' };
const LOWERCASE: Json = { type: 'Sequence', normalizers: [{ type: 'Lowercase' }, SIGMA] };
const WORDPIECE_NORMALIZER: Json = {
  type: 'Sequence',
  normalizers: [{ type: 'NFD' }, { type: 'Lowercase' }, { type: 'StripAccents' }, { type: 'NFC' }, SIGMA],
};

/** How often each piece occurs over all texts. */
function countPieces(
  texts: Iterable<string>,
  special: SpecialTokens,
  normalizer: Json,
  split: (text: string) => readonly string[],
): Map<string, number> {
  const normalize = createNormalizer(normalizer);
  const counts = new Map<string, number>();
  for (const text of withoutSpecial(texts, special)) {
    for (const piece of split(normalize(text))) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  }
  return counts;
}

const byCodePoint = (a: string, b: string): number => {
  const x = a.codePointAt(0)!;
  const y = b.codePointAt(0)!;
  return x - y;
};

/** The most frequent characters, sorted by code point. */
function topCharacters(counts: ReadonlyMap<string, number>, minFrequency: number, limit: number): string[] {
  const chars = new Map<string, number>();
  for (const [text, count] of counts) for (const c of text) chars.set(c, (chars.get(c) ?? 0) + count);
  return mostFrequent(chars, minFrequency).slice(0, limit).sort(byCodePoint);
}

/** By falling frequency, ties by code units, so that the result does not depend on the order of the texts. */
const mostFrequent = (counts: ReadonlyMap<string, number>, minFrequency: number): string[] =>
  [...counts]
    .filter(([, n]) => n >= minFrequency)
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .map(([text]) => text);

const vocabObject = (vocab: readonly string[]): { [key: string]: Json } =>
  Object.fromEntries(vocab.map((s, i) => [s, i]));

const bpeModel = (
  vocab: readonly string[],
  merges: readonly [number, number][],
  unk: string | null,
): { [key: string]: Json } => ({
  type: 'BPE',
  dropout: null,
  unk_token: unk,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
  vocab: vocabObject(vocab),
  merges: merges.map(([a, b]) => `${vocab[a]} ${vocab[b]}`),
});
