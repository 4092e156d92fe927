import { DecantError } from '../util/errors.ts';
import type { ByteSource } from '../util/folder.ts';
import { type Json, parseJsonObject, scanJson } from '../util/json-text.ts';
import { STORED_BITS, type StoredDType } from './safetensors-dtype.ts';

/** Where a tensor lies; `begin` and `end` count from the start of the data section. */
export interface TensorEntry {
  name: string;
  dtype: StoredDType;
  shape: readonly number[];
  begin: number;
  end: number;
}

export interface SafetensorsHeader {
  /** In the order of the data section. */
  entries: TensorEntry[];
  metadata?: Record<string, string>;
  /** Where the data section starts in the file. */
  dataStart: number;
  /** The header as it stands in the file (length word and padding included). */
  bytes: Uint8Array;
}

/** The format's own limit on the header, 100 MB. */
export const MAX_HEADER_BYTES = 100_000_000;

const HELP = 'get the file again: it is damaged or was not written completely';

/**
 * Reads and checks the header of a safetensors file: length, UTF-8, JSON, no key twice, known types, sizes that fit
 * the shapes, and a data section that is covered without overlap, hole or rest.
 * Throws naming file and tensor. Source: the format description of huggingface/safetensors.
 */
export async function readHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const at = source.name;
  if (source.size < 8)
    throw damaged(at, 'too short for a safetensors file', `${source.size} bytes`, 'at least 8');
  const head = await source.read(0, 8);
  const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw damaged(at, 'the header length is over the limit', String(length), `at most ${MAX_HEADER_BYTES}`);
  }
  const dataStart = 8 + Number(length);
  if (length < 2n || dataStart > source.size) {
    throw damaged(at, 'the header length does not fit the file', Number(length), `2 to ${source.size - 8}`);
  }
  const bytes = await source.read(0, dataStart);
  const header = parseHeader(bytes.subarray(8), at);
  checkLayout(header.entries, source.size - dataStart, at);
  return { ...header, dataStart, bytes };
}

function parseHeader(bytes: Uint8Array, at: string): Pick<SafetensorsHeader, 'entries' | 'metadata'> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new DecantError('model', 'the header is not valid UTF-8', { at, fix: HELP, cause });
  }
  if (text[0] !== '{') throw damaged(at, 'the header does not begin with {', text.slice(0, 8));
  const json = parseJsonObject(text, `${at} (header)`, 'model');
  const { duplicate } = scanJson(text);
  if (duplicate !== undefined) throw damaged(at, 'a name stands twice in the header', duplicate);
  let metadata: Record<string, string> | undefined;
  const entries: TensorEntry[] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') metadata = parseMetadata(value, at);
    else entries.push(parseEntry(name, value, at));
  }
  return metadata ? { entries, metadata } : { entries };
}

function parseMetadata(value: Json, at: string): Record<string, string> {
  const ok =
    value !== null &&
    typeof value === 'object' &&
    !Array.isArray(value) &&
    Object.values(value).every((v) => typeof v === 'string');
  if (!ok) throw damaged(at, '__metadata__ is not an object of strings', value);
  return value as Record<string, string>;
}

function parseEntry(name: string, value: Json, at: string): TensorEntry {
  const where = `${at}: tensor ${JSON.stringify(name)}`;
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw damaged(where, 'its header entry is not an object', value);
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(STORED_BITS, dtype)) {
    throw damaged(where, 'unknown dtype', dtype ?? null, Object.keys(STORED_BITS).join(', '));
  }
  const isIndex = (v: Json): v is number => typeof v === 'number' && Number.isSafeInteger(v) && v >= 0;
  if (!Array.isArray(shape) || !shape.every(isIndex)) {
    throw damaged(where, 'shape is not a list of sizes', shape ?? null, 'whole numbers from 0');
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isIndex)) {
    throw damaged(where, 'data_offsets is not a pair of positions', offsets ?? null, '[begin, end]');
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) throw damaged(where, 'data_offsets run backwards', offsets, 'begin <= end');
  const bits = (shape as number[]).reduce((n, d) => n * d, STORED_BITS[dtype as StoredDType]);
  if (!Number.isSafeInteger(bits) || bits % 8 !== 0)
    throw damaged(where, 'its shape has no whole number of bytes', shape);
  if (bits / 8 !== end - begin) {
    throw damaged(where, `${dtype} ${JSON.stringify(shape)} needs ${bits / 8} bytes`, `${end - begin} bytes`);
  }
  return { name, dtype: dtype as StoredDType, shape: shape as number[], begin, end };
}

/** Sorts by position and checks that the entries cover the data section exactly. */
function checkLayout(entries: TensorEntry[], dataSize: number, at: string): void {
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const entry of entries) {
    const where = `${at}: tensor ${JSON.stringify(entry.name)}`;
    if (entry.end > dataSize) {
      throw damaged(where, 'it ends outside the file', [entry.begin, entry.end], `0 to ${dataSize}`);
    }
    if (entry.begin < covered)
      throw damaged(where, 'it overlaps the tensor before it', [entry.begin, entry.end]);
    if (entry.begin > covered) {
      throw damaged(where, `bytes ${covered} to ${entry.begin} of the data belong to no tensor`, entry.begin);
    }
    covered = entry.end;
  }
  if (covered !== dataSize) {
    throw damaged(at, 'the data section is longer than its tensors', `${dataSize} bytes`, `${covered} bytes`);
  }
}

function damaged(at: string, what: string, seen: unknown, allowed?: string): DecantError {
  return new DecantError('model', what, { at, seen, fix: HELP, ...(allowed ? { allowed } : {}) });
}

/**
 * Header bytes for tensors laid out one after another in the given order, padded with spaces to a multiple of 8,
 * in the spelling that the reference implementation uses (metadata first, no blanks).
 */
export function buildHeader(
  tensors: readonly { name: string; dtype: StoredDType; shape: readonly number[] }[],
  metadata?: Record<string, string>,
): { bytes: Uint8Array; entries: TensorEntry[] } {
  const members: string[] = metadata ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  const entries: TensorEntry[] = [];
  const seen = new Set<string>(['__metadata__']);
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    if (seen.has(name))
      throw new DecantError('model', 'a tensor name is reserved or stands twice', { at: name });
    seen.add(name);
    const end = offset + shape.reduce((n, d) => n * d, STORED_BITS[dtype]) / 8;
    entries.push({ name, dtype, shape, begin: offset, end });
    members.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES)
    throw new DecantError('model', 'the header would be over 100 MB', { seen: length });
  const bytes = new Uint8Array(8 + length).fill(0x20, 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return { bytes, entries };
}
