import { readdirSync } from 'node:fs';
import { crc32 } from './crc.ts';

/*
 * Byte format of the store's segments, version 1; docs/signal-store.md describes it. All numbers little-endian.
 *
 * segment: 32 bytes of head, then records.
 *   0  magic "DECANTSG"   8  version u32   12 segment number u32   16 zero   28 CRC-32 of bytes 0-27
 * record: 36 bytes of head, then the payload.
 *   0  magic "DRec"       4  CRC-32 of bytes 8 to the end, started with place(segment, offset)
 *   8  payload length u32 12 form u8       13 zero u8             14 check of the head u16
 *   16 tag of the source u32               20 key, 16 bytes
 */
export const SEGMENT_HEAD = 32;
export const RECORD_HEAD = 36;
/** Byte of the key in a record. */
export const KEY_AT = 20;
export const FORMAT_VERSION = 1;
const SEGMENT_MAGIC = Buffer.from('DECANTSG', 'latin1');
const RECORD_MAGIC = 0x63655244; // "DRec"
export const RECORD_MAGIC_BYTES = Buffer.from('DRec', 'latin1');
/** A length above this is damage, not a record. */
export const MAX_PAYLOAD = 0x7fff_ffff - RECORD_HEAD;

export interface RecordHead {
  form: number;
  /** First four bytes of the source's hash. */
  source: number;
  /** 16 bytes. */
  key: Uint8Array;
}

export function segmentHead(segment: number): Buffer {
  const head = Buffer.alloc(SEGMENT_HEAD);
  SEGMENT_MAGIC.copy(head);
  head.writeUInt32LE(FORMAT_VERSION, 8);
  head.writeUInt32LE(segment, 12);
  head.writeUInt32LE(crc32(head, 0, 28), 28);
  return head;
}

/** `ok`, `newer` (a later format version) or `damaged`. */
export function checkSegmentHead(head: Buffer, segment: number): 'ok' | 'newer' | 'damaged' {
  if (head.length < SEGMENT_HEAD || crc32(head, 0, 28) !== head.readUInt32LE(28)) return 'damaged';
  if (!head.subarray(0, 8).equals(SEGMENT_MAGIC)) return 'damaged';
  if (head.readUInt32LE(8) > FORMAT_VERSION) return 'newer';
  return head.readUInt32LE(12) === segment ? 'ok' : 'damaged';
}

/** The checksum's start: bytes copied to another place are no record there. */
const place = (segment: number, offset: number): number =>
  (Math.imul(segment, 0x9e3779b1) ^ offset ^ Math.imul(Math.floor(offset / 2 ** 32), 0x85ebca6b)) >>> 0;

/** A whole record for one place in one segment. */
export function encodeRecord(head: RecordHead, payload: Uint8Array, segment: number, offset: number): Buffer {
  const record = Buffer.allocUnsafe(RECORD_HEAD + payload.length);
  record.writeUInt32LE(RECORD_MAGIC, 0);
  record.writeUInt32LE(payload.length, 8);
  record[12] = head.form;
  record[13] = 0;
  record.writeUInt16LE(0, 14);
  record.writeUInt32LE(head.source, 16);
  record.set(head.key, 20);
  const start = place(segment, offset);
  record.writeUInt16LE(crc32(record, 8, RECORD_HEAD, start) & 0xffff, 14);
  record.set(payload, RECORD_HEAD);
  record.writeUInt32LE(crc32(record, 8, record.length, start), 4);
  return record;
}

/** Length of the payload that a record at `at` claims; -1 where there is no record head. */
export function claimedLength(bytes: Buffer, at: number): number {
  if (at + RECORD_HEAD > bytes.length || bytes.readUInt32LE(at) !== RECORD_MAGIC) return -1;
  const length = bytes.readUInt32LE(at + 8);
  return length > MAX_PAYLOAD ? -1 : length;
}

/** Whether the head alone has its check: then the claimed length is worth the memory. */
export function headIsWhole(bytes: Buffer, at: number, segment: number, offset: number): boolean {
  const head = Buffer.from(bytes.subarray(at, at + RECORD_HEAD));
  head.writeUInt16LE(0, 14);
  return (crc32(head, 8, RECORD_HEAD, place(segment, offset)) & 0xffff) === bytes.readUInt16LE(at + 14);
}

/** Whether the whole record that starts at `at` has its checksum. */
export function recordIsWhole(
  bytes: Buffer,
  at: number,
  length: number,
  segment: number,
  offset: number,
): boolean {
  const end = at + RECORD_HEAD + length;
  return (
    end <= bytes.length && crc32(bytes, at + 8, end, place(segment, offset)) === bytes.readUInt32LE(at + 4)
  );
}

export const formAt = (bytes: Buffer, at: number): number => bytes[at + 12];
export const sourceAt = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at + 16);
export const keyAt = (bytes: Buffer, at: number): Buffer => bytes.subarray(at + 20, at + RECORD_HEAD);

const SEGMENT_NAME = /^segment-(\d{8})\.sig$/;

export const segmentName = (n: number): string => `segment-${String(n).padStart(8, '0')}.sig`;

/** Numbers of the segments in a folder, in order. */
export const listSegments = (folder: string): number[] =>
  readdirSync(folder)
    .map((name) => Number(SEGMENT_NAME.exec(name)?.[1] ?? 0))
    .filter((n) => n > 0)
    .sort((a, b) => a - b);
