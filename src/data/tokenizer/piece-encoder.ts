import type { Json, JsonObject } from '../../util/json-text.ts';
import { toByteChars } from './byte-level.ts';
import { type LibraryTokenizer, SplitPreTokenizer } from './library.ts';

/** A piece of text that the model sees alone, with its place in the normalized section it comes from. */
export interface Piece {
  text: string;
  ids: readonly number[];
}

/** A stretch of the input: one added token, or text between added tokens. */
export interface Section {
  text: string;
  /** The id, where the stretch is an added token. */
  added?: number;
}

/** Encodes piece by piece and remembers the ids of pieces, which natural text repeats. */
export interface PieceEncoder {
  sections(text: string): Section[];
  normalize(text: string): string;
  pieces(normalized: string): string[];
  idsOf(piece: string): readonly number[];
  /** Appends the ids of a text without the tokens put around it. */
  encodeInto(text: string, out: number[]): void;
}

const MAX_CACHED = 100_000;
const MAX_CACHED_LENGTH = 64;

/**
 * A cached path through the library's own parts, or undefined where pieces are not independent of each other
 * (added tokens that eat blanks or are normalized, metaspace prefixes, fused unknowns). Gives the library's ids.
 */
export function createPieceEncoder(
  library: LibraryTokenizer,
  json: JsonObject,
  config: JsonObject,
): PieceEncoder | undefined {
  const added = (json.added_tokens ?? []) as JsonObject[];
  const { normalizer, model } = library;
  if (!model || config.remove_space || config.do_lowercase_and_remove_accent) return undefined;
  if (model.fuse_unk || added.some((t) => t.lstrip || t.rstrip || t.single_word)) return undefined;
  if (normalizer && added.some((t) => t.normalized ?? !t.special)) return undefined;
  const split = splitterOf(library, json.pre_tokenizer ?? null, json.model as JsonObject);
  if (!split) return undefined;
  const addedIds = new Map(added.map((t) => [t.content as string, t.id as number]));
  const sectionPattern = longestFirst([...addedIds.keys()]);
  const cache = new Map<string, readonly number[]>();

  const idsOf = (piece: string): readonly number[] => {
    const known = cache.get(piece);
    if (known) return known;
    const tokens = model._call([split.bytes ? toByteChars(piece) : piece]);
    const ids = tokens.map(
      (t) => (addedIds.get(t) ?? model.tokens_to_ids.get(t) ?? model.unk_token_id) as number,
    );
    if (piece.length <= MAX_CACHED_LENGTH) {
      if (cache.size >= MAX_CACHED) cache.clear();
      cache.set(piece, ids);
    }
    return ids;
  };
  const normalize = (text: string): string => (normalizer ? normalizer._call(text) : text);
  const sections = (text: string): Section[] => {
    if (!sectionPattern) return text === '' ? [] : [{ text }];
    const out: Section[] = [];
    let at = 0;
    for (const match of text.matchAll(sectionPattern)) {
      if (match.index > at) out.push({ text: text.slice(at, match.index) });
      out.push({ text: match[0], added: addedIds.get(match[0])! });
      at = match.index + match[0].length;
    }
    if (at < text.length) out.push({ text: text.slice(at) });
    return out;
  };
  return {
    sections,
    normalize,
    pieces: split.pieces,
    idsOf,
    encodeInto(text, out) {
      for (const section of sections(text)) {
        if (section.added !== undefined) {
          out.push(section.added);
          continue;
        }
        const normalized = normalize(section.text);
        if (normalized === '') continue;
        for (const piece of split.pieces(normalized)) for (const id of idsOf(piece)) out.push(id);
      }
    },
  };
}

/** The pre-tokenizer as a function; a closing byte-level step is left to {@link toByteChars} on unknown pieces. */
function splitterOf(
  library: LibraryTokenizer,
  config: Json,
  model: JsonObject,
): { pieces: (text: string) => string[]; bytes: boolean } | undefined {
  if (config === null)
    return { pieces: mergesNothing(model) ? (text) => Array.from(text) : (text) => [text], bytes: false };
  const spec = config as JsonObject;
  const steps = spec.type === 'Sequence' ? (spec.pretokenizers as JsonObject[]) : [spec];
  const stateless = [
    'Split',
    'ByteLevel',
    'BertPreTokenizer',
    'Whitespace',
    'WhitespaceSplit',
    'Punctuation',
    'Digits',
  ];
  if (steps.some((s) => !stateless.includes(s.type as string))) return undefined;
  const last = steps[steps.length - 1];
  const plainBytes = (s: JsonObject): boolean =>
    s?.type === 'ByteLevel' && s.use_regex === false && !s.add_prefix_space;
  if (plainBytes(last) && steps.slice(0, -1).every((s) => s.type === 'Split')) {
    const splits = steps.slice(0, -1).map((s) => new SplitPreTokenizer(s));
    if (splits.length === 0) return { pieces: (text) => [text], bytes: true };
    return {
      pieces: (text) => splits.reduce((list, s) => list.flatMap((t) => s.pre_tokenize_text(t)), [text]),
      bytes: true,
    };
  }
  const pre = library.pre_tokenizer!;
  return { pieces: (text) => pre._call(text, {}), bytes: false };
}

/** BPE without merges looks at each character alone, so characters can be pieces. */
const mergesNothing = (model: JsonObject): boolean =>
  model.type === 'BPE' &&
  (model.merges as Json[]).length === 0 &&
  !model.continuing_subword_prefix &&
  !model.end_of_word_suffix &&
  !model.ignore_merges;

function longestFirst(contents: readonly string[]): RegExp | undefined {
  if (contents.length === 0) return undefined;
  const sorted = [...contents].sort((a, b) => b.length - a.length);
  return new RegExp(sorted.map((s) => s.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'gu');
}
