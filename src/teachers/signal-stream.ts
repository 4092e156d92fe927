import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fingerprintText } from '../data/fingerprint.ts';
import type { Example } from '../data/types.ts';
import { canonicalJson } from '../util/canonical-json.ts';
import { DecantError } from '../util/errors.ts';
import { crc32 } from './store/crc.ts';
import { decodeSignal, encodeSignal } from './store/encode.ts';
import type { Encoding, Signal } from './store/signal.ts';
import { exampleKey } from './teacher.ts';

/*
 * Signals of rows that are read in one order, one after the other, for sets too large for an index in memory. Record, little
 * endian: payload length u32, CRC-32 of what follows u32, form u8, fingerprint of the row f64, payload.
 */
const HEAD = 17;
const BLOCK = 1 << 20;

/** What a row is known by: everything a teacher sees of it. */
const fingerprintOf = (e: Example): number => fingerprintText(canonicalJson(exampleKey(e)));

const checksum = (bytes: Buffer): number => crc32(bytes, 0, bytes.length);

/** Reads a file in blocks; `take` gives the next bytes, fewer at its end. */
function blockReader(path: string) {
  const fd = openSync(path, 'r');
  let buffer = Buffer.alloc(0);
  let offset = 0;
  return {
    take(n: number): Buffer {
      while (buffer.length < n) {
        const block = Buffer.allocUnsafe(Math.max(BLOCK, n));
        const got = readSync(fd, block, 0, block.length, offset);
        if (got === 0) break;
        offset += got;
        buffer = Buffer.concat([buffer, block.subarray(0, got)]);
      }
      const out = buffer.subarray(0, n);
      buffer = buffer.subarray(out.length);
      return out;
    },
    close: () => closeSync(fd),
  };
}

interface StreamedRecord {
  readonly form: number;
  readonly fingerprint: number;
  readonly payload: Buffer;
}

/** Whole records from the beginning on; ends before a torn or damaged one. */
function* records(path: string): Generator<StreamedRecord> {
  const reader = blockReader(path);
  try {
    for (;;) {
      const head = reader.take(HEAD);
      if (head.length < HEAD) return;
      const payload = reader.take(head.readUInt32LE(0));
      if (payload.length < head.readUInt32LE(0)) return;
      if (checksum(Buffer.concat([head.subarray(8), payload])) !== head.readUInt32LE(4)) return;
      yield { form: head.readUInt8(8), fingerprint: head.readDoubleLE(9), payload };
    }
  } finally {
    reader.close();
  }
}

/** Whole records of a file, and where the last one ends. */
export function wholeRecords(path: string): { count: number; bytes: number } {
  const out = { count: 0, bytes: 0 };
  if (!existsSync(path)) return out;
  for (const { payload } of records(path)) {
    out.count++;
    out.bytes += HEAD + payload.length;
  }
  return out;
}

export interface SignalAppender {
  /** Records that were there already. */
  readonly known: number;
  append(example: Example, signal: Signal, encoding?: Encoding): void;
  /** Everything appended so far is on the disk afterwards. */
  flush(): void;
  close(): void;
}

/** Opens a file for appending, after its last whole record. */
export function appendSignals(path: string): SignalAppender {
  mkdirSync(dirname(path), { recursive: true });
  const { count, bytes } = wholeRecords(path);
  const fd = openSync(path, existsSync(path) ? 'r+' : 'w');
  ftruncateSync(fd, bytes);
  let end = bytes;
  let waiting: Buffer[] = [];
  const flush = (): void => {
    const all = Buffer.concat(waiting);
    waiting = [];
    for (let done = 0; done < all.length; ) done += writeSync(fd, all, done, all.length - done, end + done);
    end += all.length;
    fsyncSync(fd);
  };
  return {
    known: count,
    append(example, signal, encoding) {
      const { form, payload } = encodeSignal(signal, encoding);
      const record = Buffer.alloc(HEAD + payload.length);
      record.writeUInt32LE(payload.length, 0);
      record.writeUInt8(form, 8);
      record.writeDoubleLE(fingerprintOf(example), 9);
      record.set(payload, HEAD);
      record.writeUInt32LE(checksum(record.subarray(8)), 4);
      waiting.push(record);
    },
    flush,
    close() {
      flush();
      closeSync(fd);
    },
  };
}

/** Rows with their signals, both read in the order they were written in. Errors: `teacher` when they do not fit. */
export async function* withSignals(
  rows: AsyncIterable<Example>,
  path: string,
): AsyncGenerator<{ example: Example; signal: Signal }> {
  const stored = records(path);
  try {
    for await (const example of rows) {
      const { value, done } = stored.next();
      if (done || value.fingerprint !== fingerprintOf(example))
        throw new DecantError('teacher', 'the stored signals do not belong to the rows', {
          at: path,
          seen: `${example.file}:${example.line}`,
          fix: 'the data changed since the run began: start a new run folder',
        });
      yield { example, signal: decodeSignal(value.form, value.payload) };
    }
  } finally {
    stored.return(undefined);
  }
}
