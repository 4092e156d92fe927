import { type SpecialRole, specialTokens } from '../../export/folder.ts';
import { DecantError, isDecantError } from '../../util/errors.ts';
import type { JsonObject } from '../../util/json-text.ts';
import { tokenToBytes } from './byte-level.ts';
import { checkTokenizerJson } from './check.ts';
import { LibraryTokenizer } from './library.ts';
import { type Offset, offsetsOf } from './offsets.ts';
import { createPieceEncoder } from './piece-encoder.ts';
import { wellFormed } from './pieces.ts';
import type { TokenizerFiles } from './special.ts';

export type Side = 'left' | 'right';

export interface EncodeOptions {
  /** Put the tokenizer's own tokens around the text ([CLS], <bos>, ...). Default true. */
  addSpecial?: boolean;
  /** Longest result, tokens put around the text included. Default: no limit. */
  maxLength?: number;
  /** Which end is cut off. Default: truncation_side of tokenizer_config.json, else right. */
  truncationSide?: Side;
}

export interface EncodedPair {
  ids: number[];
  /** 0 for the first text and what surrounds it, 1 for the second. */
  typeIds: number[];
}

/** A tokenizer.json, ready to use. */
export interface Tokenizer {
  readonly files: TokenizerFiles;
  /** One more than the highest id. */
  readonly size: number;
  /** Ids of the special tokens by role. */
  readonly special: Readonly<Partial<Record<SpecialRole, number>>>;
  /** Ids of all special tokens. */
  readonly specialIds: ReadonlySet<number>;
  /** Ids put around one text. */
  readonly around: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** True where every text comes back from its ids unchanged (byte-level BPE without a normalizer). */
  readonly lossless: boolean;
  encode(text: string, options?: EncodeOptions): number[];
  encodePair(first: string, second: string, options?: EncodeOptions): EncodedPair;
  /** Ids with their places in the text (UTF-16, `[begin, end)`; `[0, 0]` for tokens put around it); undefined where the normalizer cannot be traced. */
  encodeWithOffsets(text: string, options?: EncodeOptions): { ids: number[]; offsets: Offset[] } | undefined;
  decode(ids: readonly number[], options?: { skipSpecial?: boolean }): string;
  /** The spelling in the vocabulary (`Ġthe`, `##ing`). */
  token(id: number): string | undefined;
  id(token: string): number | undefined;
  /** What the token adds to a text when other tokens stand before it; empty for special tokens. */
  tokenBytes(id: number): Uint8Array;
  /** The spelling of every id; holes are undefined. */
  vocabulary(): (string | undefined)[];
}

/** Opens the contents of tokenizer.json and tokenizer_config.json. Throws naming the part that is malformed. */
export function createTokenizer(tokenizer: JsonObject, tokenizerConfig: JsonObject = {}): Tokenizer {
  checkTokenizerJson(tokenizer);
  try {
    return open(tokenizer, tokenizerConfig);
  } catch (cause) {
    if (isDecantError(cause)) throw cause;
    throw new DecantError('model', `this tokenizer cannot be used (${(cause as Error).message})`, {
      at: 'tokenizer.json',
      fix: 'give a tokenizer.json as the tokenizers library writes it',
      cause,
    });
  }
}

function open(tokenizer: JsonObject, tokenizerConfig: JsonObject): Tokenizer {
  const config = withUnknown(tokenizer, tokenizerConfig);
  const library = new LibraryTokenizer(tokenizer, config);
  const vocabulary = library.model.vocab;
  const special: Partial<Record<SpecialRole, number>> = {};
  for (const [role, text] of Object.entries(specialTokens(config)) as [SpecialRole, string][]) {
    const id = library.token_to_id(text);
    if (id !== undefined) special[role] = id;
  }
  const added = (tokenizer.added_tokens ?? []) as JsonObject[];
  const specialIds = new Set(added.filter((t) => t.special).map((t) => t.id as number));
  for (const id of Object.values(special)) specialIds.add(id);
  const fast = createPieceEncoder(library, tokenizer, config);
  const frame = frames(library);
  const side = config.truncation_side === 'left' ? 'left' : 'right';
  const cleanUp = config.clean_up_tokenization_spaces === true;

  const plain = (text: string): number[] => {
    const ids: number[] = [];
    if (fast) fast.encodeInto(wellFormed(text), ids);
    else if (text !== '')
      for (const id of library.encode(wellFormed(text), { add_special_tokens: false }).ids) ids.push(id);
    return ids;
  };
  const bytesOf = tokenBytesOf(tokenizer, specialIds);

  return {
    files: { tokenizer, tokenizerConfig },
    size: vocabulary.length,
    special,
    specialIds,
    around: frame.single,
    lossless: isLossless(tokenizer),
    encode(text, options = {}) {
      const f = options.addSpecial === false ? NO_FRAME : frame.single;
      const ids = cut(
        plain(text),
        room(options, f.before.length + f.after.length),
        options.truncationSide ?? side,
      );
      return f === NO_FRAME ? ids : [...f.before, ...ids, ...f.after];
    },
    encodePair(first, second, options = {}) {
      const f = options.addSpecial === false ? frame.pairBare : frame.pair;
      const extra = f.filter((p) => typeof p.id === 'number').length;
      const [a, b] = cutPair(
        plain(first),
        plain(second),
        room(options, extra),
        options.truncationSide ?? side,
      );
      const ids: number[] = [];
      const typeIds: number[] = [];
      for (const part of f) {
        const list = part.id === 'A' ? a : part.id === 'B' ? b : [part.id];
        for (const id of list) {
          ids.push(id);
          typeIds.push(part.type);
        }
      }
      return { ids, typeIds };
    },
    encodeWithOffsets(text, options = {}) {
      const traced = fast && offsetsOf(fast, wellFormed(text), tokenizer, (id) => vocabulary[id] ?? '');
      if (!traced) return undefined;
      const f = options.addSpecial === false ? NO_FRAME : frame.single;
      const limit = room(options, f.before.length + f.after.length);
      const s = options.truncationSide ?? side;
      const none = (ids: readonly number[]): Offset[] => ids.map(() => [0, 0]);
      return {
        ids: [...f.before, ...cut(traced.ids, limit, s), ...f.after],
        offsets: [...none(f.before), ...cut(traced.offsets, limit, s), ...none(f.after)],
      };
    },
    decode(ids, options = {}) {
      const known = ids.filter(
        (id) => vocabulary[id] !== undefined && !(options.skipSpecial && specialIds.has(id)),
      );
      if (known.length === 0) return '';
      return library.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: cleanUp });
    },
    token: (id) => vocabulary[id],
    id: (token) => library.token_to_id(token),
    tokenBytes: (id) => bytesOf(vocabulary[id], id),
    vocabulary: () => vocabulary.slice(),
  };
}

/** The library takes the unknown token of WordLevel models from the config file; tokenizer.json has it as well. */
function withUnknown(tokenizer: JsonObject, config: JsonObject): JsonObject {
  const unk = (tokenizer.model as JsonObject | undefined)?.unk_token;
  return typeof unk === 'string' && config.unk_token === undefined ? { ...config, unk_token: unk } : config;
}

type PairPart = { id: number | 'A' | 'B'; type: number };
interface Frame {
  before: readonly number[];
  after: readonly number[];
}
const NO_FRAME: Frame = { before: [], after: [] };

/** What the post-processor puts around one text and around two, found by running it on place holders. */
function frames(library: LibraryTokenizer): { single: Frame; pair: PairPart[]; pairBare: PairPart[] } {
  const bare: PairPart[] = [
    { id: 'A', type: 0 },
    { id: 'B', type: 1 },
  ];
  const post = library.post_processor;
  if (!post) return { single: NO_FRAME, pair: bare, pairBare: bare };
  const A = '\u0000A';
  const B = '\u0000B';
  const run = (second: string[] | null): PairPart[] => {
    const { tokens, token_type_ids } = post._call([A], second, true) as {
      tokens: string[];
      token_type_ids?: number[];
    };
    return tokens.map((t, i) => ({
      id: t === A ? 'A' : t === B ? 'B' : library.token_to_id(t)!,
      type: token_type_ids?.[i] ?? 0,
    }));
  };
  const single = run(null);
  const at = single.findIndex((p) => p.id === 'A');
  const ids = (parts: PairPart[]): number[] => parts.map((p) => p.id as number);
  const pair = run([B]);
  return {
    single: { before: ids(single.slice(0, at)), after: ids(single.slice(at + 1)) },
    pair,
    pairBare: pair.filter((p) => typeof p.id === 'string'),
  };
}

function room(options: EncodeOptions, extra: number): number {
  if (options.maxLength === undefined) return Number.POSITIVE_INFINITY;
  if (Number.isInteger(options.maxLength) && options.maxLength >= extra) return options.maxLength - extra;
  throw new DecantError('usage', 'too short for the tokens put around the text', {
    at: 'maxLength',
    seen: options.maxLength,
    allowed: `whole numbers from ${extra}`,
  });
}

const cut = <T>(list: T[], limit: number, side: Side): T[] =>
  list.length <= limit ? list : side === 'right' ? list.slice(0, limit) : list.slice(list.length - limit);

/** Takes tokens away from whichever text is longer (the second when equal) until both fit. */
function cutPair(a: number[], b: number[], limit: number, side: Side): [number[], number[]] {
  if (a.length + b.length <= limit) return [a, b];
  const half = Math.floor(limit / 2);
  const keepA = Math.min(a.length, Math.max(limit - half, limit - b.length));
  return [cut(a, keepA, side), cut(b, limit - keepA, side)];
}

function isLossless(tokenizer: JsonObject): boolean {
  const pre = tokenizer.pre_tokenizer as JsonObject | null;
  const steps = pre?.type === 'Sequence' ? (pre.pretokenizers as JsonObject[]) : [pre];
  const bytes = steps[steps.length - 1];
  return tokenizer.normalizer === null && bytes?.type === 'ByteLevel' && bytes.add_prefix_space !== true;
}

/** How a spelling turns into bytes depends on the decoder: byte alphabet, byte fallback, metaspace or `##`. */
function tokenBytesOf(
  tokenizer: JsonObject,
  specialIds: ReadonlySet<number>,
): (token: string | undefined, id: number) => Uint8Array {
  const decoder = tokenizer.decoder as JsonObject | null;
  const steps = decoder?.type === 'Sequence' ? (decoder.decoders as JsonObject[]) : [decoder];
  const types = new Set(steps.map((s) => s?.type));
  const utf8 = new TextEncoder();
  const metaspace = types.has('Metaspace') || JSON.stringify(decoder).includes('▁');
  const prefix = (steps.find((s) => s?.type === 'WordPiece')?.prefix as string | undefined) ?? '##';
  return (token, id) => {
    if (token === undefined || specialIds.has(id)) return new Uint8Array();
    const fallback = /^<0x([0-9A-F]{2})>$/.exec(token);
    if (fallback && types.has('ByteFallback')) return Uint8Array.of(Number.parseInt(fallback[1], 16));
    if (types.has('ByteLevel')) return tokenToBytes(token) ?? utf8.encode(token);
    if (metaspace) return utf8.encode(token.replaceAll('▁', ' '));
    if (types.has('WordPiece'))
      return utf8.encode(token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`);
    return utf8.encode(decoder === null ? ` ${token}` : token);
  };
}
