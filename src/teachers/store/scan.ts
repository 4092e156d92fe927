import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { DecantError } from '../../util/errors.ts';
import {
  checkSegmentHead,
  claimedLength,
  headIsWhole,
  RECORD_HEAD,
  RECORD_MAGIC_BYTES,
  recordIsWhole,
  SEGMENT_HEAD,
} from './format.ts';

/** A whole record inside the scanner's buffer: one object, valid until the next record is asked for. */
export interface ScannedRecord {
  /** Byte of the record's head in its segment. */
  offset: number;
  bytes: Buffer;
  /** Byte of the record's head in `bytes`. */
  at: number;
  /** Bytes of the payload. */
  length: number;
}

export interface Damage {
  segment: number;
  /** Byte range [from, to) that holds no readable record. */
  from: number;
  to: number;
}

export interface ScanResult {
  /** End of the last whole record. */
  goodEnd: number;
  /** Bytes of the file when the scan ended. */
  fileEnd: number;
  /** Unreadable ranges that have a whole record behind them; what follows goodEnd is a torn tail. */
  damage: Damage[];
}

/**
 * Reads the records of a segment from `from` on in order, each with its checksum verified, holding at most
 * `chunk` bytes or one record. Where a record is not whole it searches for the next one that is.
 */
export function* scanSegment(
  path: string,
  segment: number,
  from = 0,
  chunk = 4 << 20,
): Generator<ScannedRecord, ScanResult> {
  const result: ScanResult = { goodEnd: from, fileEnd: from, damage: [] };
  const fd = openSync(path, 'r');
  try {
    let buffer: Buffer = Buffer.allocUnsafe(chunk);
    let base = from; // file offset of buffer[0]
    let filled = 0;
    /** Makes the bytes [at, at + count) available; false where the file ends before. Returns through `view`. */
    const need = (at: number, count: number): boolean => {
      if (at + count <= base + filled) return true;
      const keep = base + filled - at;
      if (count > buffer.length) {
        // do not trust a damaged length with memory: the bytes must be there
        if (at + count > fstatSync(fd).size) return false;
        const larger = Buffer.allocUnsafe(count);
        if (keep > 0) buffer.copy(larger, 0, at - base, filled);
        buffer = larger;
      } else if (keep > 0) buffer.copy(buffer, 0, at - base, filled);
      base = at;
      filled = Math.max(0, keep);
      while (filled < buffer.length) {
        const n = readSync(fd, buffer, filled, buffer.length - filled, base + filled);
        if (n === 0) break;
        filled += n;
      }
      return count <= filled;
    };
    let at = from;
    if (from === 0) {
      need(0, SEGMENT_HEAD);
      const head = checkSegmentHead(buffer.subarray(0, Math.min(filled, SEGMENT_HEAD)), segment);
      if (head === 'newer')
        throw new DecantError('data', 'the signal store was written by a newer version', {
          at: path,
          fix: 'update decant, or use another folder for the signals',
        });
      if (filled < SEGMENT_HEAD) {
        result.fileEnd = filled;
        return result;
      }
      // a damaged head says nothing about the records behind it
      if (head === 'damaged') result.damage.push({ segment, from: 0, to: SEGMENT_HEAD });
      at = SEGMENT_HEAD;
      result.goodEnd = at;
    }
    let lostFrom = -1;
    const record: ScannedRecord = { offset: 0, bytes: buffer, at: 0, length: 0 };
    for (;;) {
      if (!need(at, RECORD_HEAD)) break;
      const length = claimedLength(buffer, at - base);
      const size = RECORD_HEAD + length;
      if (
        length >= 0 &&
        (at + size <= base + filled || (headIsWhole(buffer, at - base, segment, at) && need(at, size))) &&
        recordIsWhole(buffer, at - base, length, segment, at)
      ) {
        if (lostFrom >= 0) result.damage.push({ segment, from: lostFrom, to: at });
        lostFrom = -1;
        record.offset = at;
        record.bytes = buffer;
        record.at = at - base;
        record.length = length;
        yield record;
        at += size;
        result.goodEnd = at;
        continue;
      }
      if (lostFrom < 0) lostFrom = at;
      at = nextMagic(at + 1);
    }
    result.fileEnd = Math.max(result.goodEnd, fstatSync(fd).size);
    return result;

    function nextMagic(start: number): number {
      for (let p = start; ; ) {
        if (!need(p, RECORD_MAGIC_BYTES.length)) return p;
        const found = buffer.subarray(0, filled).indexOf(RECORD_MAGIC_BYTES, p - base);
        if (found >= 0) return base + found;
        p = base + filled - RECORD_MAGIC_BYTES.length + 1;
      }
    }
  } finally {
    closeSync(fd);
  }
}
