import { closeSync, fdatasync, fdatasyncSync, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fsyncFolder, writeAll } from '../../util/node/atomic.ts';
import { acquireLock } from '../../util/node/lock.ts';
import {
  encodeRecord,
  RECORD_HEAD,
  type RecordHead,
  SEGMENT_HEAD,
  segmentHead,
  segmentName,
} from './format.ts';

export interface SegmentAppender {
  /** Continues segment `segment` at byte `end`, cutting what stands behind it; 0: begins the first segment. */
  resume(segment: number, end: number): void;
  /** Gives the record its place at once; `durable` resolves when it is on the disk. */
  append(
    head: RecordHead,
    payload: Uint8Array,
  ): { place: { segment: number; offset: number }; durable: Promise<void> };
  /** Hands pending bytes to the operating system when the record at this place is among them. */
  ensureWritten(segment: number, offset: number): void;
  /** Hands all pending bytes to the operating system: from then on they survive the death of the process. */
  writePending(): void;
  /** Closes the segment and begins the next one. */
  roll(): void;
  flush(): Promise<void>;
  /** Ends of the segments this writer has touched. */
  ends(): Map<number, number>;
  /** A segment that is removed. */
  forget(segment: number): void;
  close(): Promise<void>;
  /** Gives the lock back without writing anything. */
  abandon(): void;
}

/** Pending bytes above this are written at once, so that memory stays bounded. */
const PENDING_LIMIT = 8 << 20;

/**
 * The single writer: takes the lock, gathers records in memory, and writes them with one write and one fsync for all
 * that arrived while the last fsync ran (group commit). Writes go to known offsets, so that a failed one can be
 * repeated without leaving a gap.
 */
export function openAppender(folder: string, segmentBytes: number): SegmentAppender {
  const lock = acquireLock(join(folder, 'lock'), 'the signal store');
  let fd = -1;
  let segment = 0;
  let written = 0; // bytes of the segment handed to the operating system
  let end = 0; // written plus pending
  let pending: Buffer[] = [];
  let waiting: { promise: Promise<void>; resolve(): void; reject(e: unknown): void } | undefined;
  let running: Promise<void> | undefined;
  let retired: number[] = [];
  const ends = new Map<number, number>();

  const writePending = (): void => {
    if (pending.length === 0) return;
    const bytes = pending.length === 1 ? pending[0] : Buffer.concat(pending);
    writeAll(fd, bytes, written); // on failure everything stays pending at the same place
    pending = [];
    written += bytes.length;
  };

  const begin = (next: number): void => {
    segment = next;
    fd = openSync(join(folder, segmentName(next)), 'w+');
    written = 0;
    pending = [segmentHead(next)];
    end = SEGMENT_HEAD;
    ends.set(segment, end);
    writePending();
    fdatasyncSync(fd);
    fsyncFolder(folder);
  };

  const roll = (): void => {
    writePending();
    fdatasyncSync(fd);
    retired.push(fd); // an fsync may still run on it
    begin(segment + 1);
    if (!running) closeRetired();
  };

  const closeRetired = (): void => {
    for (const old of retired) closeSync(old);
    retired = [];
  };

  const syncNow = (target: number): Promise<void> =>
    new Promise((resolve, reject) => {
      fdatasync(target, (error) => (error ? reject(error) : resolve()));
    });

  /** Commits groups until nobody waits; one at a time. */
  const commit = async (): Promise<void> => {
    while (waiting) {
      await new Promise((resolve) => setImmediate(resolve)); // let puts of the same turn join
      const group = waiting;
      waiting = undefined;
      try {
        writePending();
        await syncNow(fd);
        group.resolve();
      } catch (error) {
        group.reject(error);
      }
      closeRetired();
    }
    running = undefined;
  };

  const joinGroup = (): Promise<void> => {
    if (!waiting) {
      let resolve!: () => void;
      let reject!: (e: unknown) => void;
      const promise = new Promise<void>((ok, no) => {
        resolve = ok;
        reject = no;
      });
      waiting = { promise, resolve, reject };
      running ??= commit();
    }
    return waiting.promise;
  };

  return {
    resume(number, goodEnd) {
      if (number === 0) begin(1);
      else if (goodEnd < SEGMENT_HEAD)
        begin(number); // died while the segment's head was written
      else {
        segment = number;
        fd = openSync(join(folder, segmentName(number)), 'r+');
        if (fstatSync(fd).size > goodEnd) {
          ftruncateSync(fd, goodEnd);
          fdatasyncSync(fd);
        }
        written = goodEnd;
        end = goodEnd;
        ends.set(segment, end);
      }
    },
    append(head, payload) {
      const length = payload.length + RECORD_HEAD;
      if (end > SEGMENT_HEAD && end + length > segmentBytes) roll();
      const place = { segment, offset: end };
      pending.push(encodeRecord(head, payload, segment, end));
      end += length;
      ends.set(segment, end);
      const durable = joinGroup();
      if (end - written > PENDING_LIMIT) writePending();
      return { place, durable };
    },
    ensureWritten(number, offset) {
      if (number === segment && offset >= written) writePending();
    },
    writePending,
    roll,
    flush: () => (pending.length || waiting || running ? joinGroup() : Promise.resolve()),
    ends: () => ends,
    forget: (number) => void ends.delete(number),
    async close() {
      try {
        if (pending.length || waiting || running) await joinGroup();
        while (running) await running;
      } finally {
        closeRetired();
        if (fd >= 0) closeSync(fd);
        fd = -1;
        lock.release();
      }
    },
    abandon() {
      if (fd >= 0) closeSync(fd);
      lock.release();
    },
  };
}
