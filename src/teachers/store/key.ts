import { createHash } from 'node:crypto';
import { canonicalJson } from '../../util/canonical-json.ts';

/** What produced a signal: everything that changes the answer to one and the same input. */
export interface SignalSource {
  /** Teacher identity: content hash of a local model, or provider, model name and revision of a remote one. */
  teacher: string;
  /** Kind of signal asked for: logits, topk, text, hidden, score. */
  signal: string;
  /** Sampling settings, k, layers, template, schema …: any JSON value. */
  settings?: unknown;
}

export interface SourceId {
  /** 32 bytes. */
  hash: Uint8Array;
  /** First four bytes of the hash, kept in every record. */
  tag: number;
  /** Canonical JSON of the description. */
  json: string;
}

export function sourceId(source: SignalSource): SourceId {
  const json = canonicalJson({
    teacher: source.teacher,
    signal: source.signal,
    settings: source.settings ?? null,
  });
  const hash = createHash('sha256').update(json).digest();
  return { hash, tag: hash.readUInt32LE(0), json };
}

/**
 * Key of one signal: the first 16 bytes of SHA-256(source hash ‖ kind ‖ input). The input is text, raw bytes (token
 * ids, pixels) or any JSON value; the kind byte keeps equal bytes of different kinds apart.
 */
export function signalKey(source: SourceId, input: unknown): Uint8Array {
  const hash = createHash('sha256').update(source.hash);
  if (typeof input === 'string') hash.update('s').update(input, 'utf8');
  else if (ArrayBuffer.isView(input))
    hash.update('b').update(new Uint8Array(input.buffer, input.byteOffset, input.byteLength));
  else hash.update('j').update(canonicalJson(input));
  return new Uint8Array(hash.digest().subarray(0, 16));
}

export const keyToHex = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.length).toString('hex');

export const keyFromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
