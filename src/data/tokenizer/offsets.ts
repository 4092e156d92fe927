import type { JsonObject } from '../../util/json-text.ts';
import { tokenToBytes } from './byte-level.ts';
import type { PieceEncoder } from './piece-encoder.ts';

/** `[begin, end)` in UTF-16 units of the text. */
export type Offset = [number, number];

/**
 * The ids of a text with the place each one comes from. Undefined where the normalized text cannot be traced back
 * cluster by cluster, or where pieces and tokens do not add up to it.
 */
export function offsetsOf(
  encoder: PieceEncoder,
  text: string,
  tokenizer: JsonObject,
  tokenOf: (id: number) => string,
): { ids: number[]; offsets: Offset[] } | undefined {
  const model = tokenizer.model as JsonObject;
  const prefix = typeof model.continuing_subword_prefix === 'string' ? model.continuing_subword_prefix : '';
  const byteLevel = JSON.stringify(tokenizer.pre_tokenizer ?? null).includes('"ByteLevel"');
  const ids: number[] = [];
  const offsets: Offset[] = [];
  let start = 0;
  for (const section of encoder.sections(text)) {
    const end = start + section.text.length;
    if (section.added !== undefined) {
      ids.push(section.added);
      offsets.push([start, end]);
    } else {
      const map = trace(encoder, section.text);
      if (!map) return undefined;
      let at = 0; // in the normalized section
      for (const piece of encoder.pieces(map.normalized)) {
        const from = map.normalized.indexOf(piece, at);
        if (from < 0) return undefined;
        at = from + piece.length;
        const pieceIds = encoder.idsOf(piece);
        const spans = byteLevel
          ? byteSpans(piece, pieceIds.map(tokenOf))
          : charSpans(piece, pieceIds.map(tokenOf), prefix, model.unk_token);
        if (!spans) return undefined;
        pieceIds.forEach((id, i) => {
          ids.push(id);
          const [b, e] = spans[i];
          offsets.push([start + map.begin[from + b], start + map.end[from + e - 1]]);
        });
      }
    }
    start = end;
  }
  return { ids, offsets };
}

/** For each UTF-16 unit of the normalized text, where the cluster it came from begins and ends. */
function trace(
  encoder: PieceEncoder,
  text: string,
): { normalized: string; begin: number[]; end: number[] } | undefined {
  const normalized = encoder.normalize(text);
  const begin: number[] = [];
  const end: number[] = [];
  if (normalized === text) {
    let at = 0;
    for (const c of text) {
      for (let i = 0; i < c.length; i++) {
        begin.push(at);
        end.push(at + c.length);
      }
      at += c.length;
    }
    return { normalized, begin, end };
  }
  let joined = '';
  let at = 0;
  for (const [cluster] of text.matchAll(/\P{M}\p{M}*|\p{M}+/gsu)) {
    const out = encoder.normalize(cluster);
    for (let i = 0; i < out.length; i++) {
      begin.push(at);
      end.push(at + cluster.length);
    }
    joined += out;
    at += cluster.length;
  }
  return joined === normalized ? { normalized, begin, end } : undefined;
}

/** Tokens of bytes: a token that holds part of a character's bytes spans the whole character. */
function byteSpans(piece: string, tokens: readonly string[]): Offset[] | undefined {
  const charOfByte: Offset[] = [];
  let at = 0;
  for (const c of piece) {
    const code = c.codePointAt(0)!;
    const bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (let i = 0; i < bytes; i++) charOfByte.push([at, at + c.length]);
    at += c.length;
  }
  const spans: Offset[] = [];
  let byte = 0;
  for (const token of tokens) {
    const length = tokenToBytes(token)?.length ?? 0;
    if (length === 0 || byte + length > charOfByte.length) return undefined;
    spans.push([charOfByte[byte][0], charOfByte[byte + length - 1][1]]);
    byte += length;
  }
  return byte === charOfByte.length ? spans : undefined;
}

/** Tokens of characters: the spellings follow each other; an unknown token is one character, or all where alone. */
function charSpans(
  piece: string,
  tokens: readonly string[],
  prefix: string,
  unk: unknown,
): Offset[] | undefined {
  if (tokens.length === 1) return [[0, piece.length]];
  const spans: Offset[] = [];
  let at = 0;
  for (const token of tokens) {
    const bare = prefix !== '' && at > 0 && token.startsWith(prefix) ? token.slice(prefix.length) : token;
    const length = piece.startsWith(bare, at)
      ? bare.length
      : token === unk
        ? String.fromCodePoint(piece.codePointAt(at) ?? 0).length
        : 0;
    if (length === 0) return undefined;
    spans.push([at, at + length]);
    at += length;
  }
  return at === piece.length ? spans : undefined;
}
