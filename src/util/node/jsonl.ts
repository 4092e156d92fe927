import {
  closeSync,
  existsSync,
  fdatasyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fsyncFolder, writeAll } from './atomic.ts';

/** One readable line: its value, its number from 1, and the byte where it starts. */
export interface JsonLine<T> {
  value: T;
  line: number;
  offset: number;
}

export interface JsonlScan {
  lines: number;
  /** Numbers of complete lines that are not JSON (damaged in place, not torn); they are skipped. */
  damaged: number[];
  /** Bytes up to the end of the last complete line. */
  goodBytes: number;
  /** Bytes after it: the start of a line whose writer was killed. */
  tornBytes: number;
}

/** Reads a JSONL file line by line in bounded memory; a torn last line and damaged lines are reported, not thrown. */
export function* scanJsonl<T>(path: string, chunkBytes = 1 << 20): Generator<JsonLine<T>, JsonlScan> {
  const scan: JsonlScan = { lines: 0, damaged: [], goodBytes: 0, tornBytes: 0 };
  if (!existsSync(path)) return scan;
  const fd = openSync(path, 'r');
  try {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    let rest: Buffer = Buffer.alloc(0);
    for (
      let n = readSync(fd, chunk, 0, chunkBytes, null);
      n > 0;
      n = readSync(fd, chunk, 0, chunkBytes, null)
    ) {
      const text: Buffer = rest.length ? Buffer.concat([rest, chunk.subarray(0, n)]) : chunk.subarray(0, n);
      let start = 0;
      for (let end = text.indexOf(10, start); end >= 0; end = text.indexOf(10, start)) {
        const offset = scan.goodBytes;
        scan.lines++;
        scan.goodBytes += end + 1 - start;
        const body = text.toString('utf8', start, end).trim();
        start = end + 1;
        if (body === '') continue;
        let value: T;
        try {
          value = JSON.parse(body) as T;
        } catch {
          scan.damaged.push(scan.lines);
          continue;
        }
        yield { value, line: scan.lines, offset };
      }
      rest = Buffer.from(text.subarray(start));
    }
    scan.tornBytes = rest.length;
    return scan;
  } finally {
    closeSync(fd);
  }
}

/** All values of a JSONL file with what the scan found; for files that fit in memory. */
export function readJsonl<T>(path: string): JsonlScan & { values: T[] } {
  const values: T[] = [];
  const lines = scanJsonl<T>(path);
  for (let next = lines.next(); ; next = lines.next()) {
    if (next.done) return { ...next.value, values };
    values.push(next.value.value);
  }
}

export interface JsonlJournal<T> {
  readonly path: string;
  /** What was found and cut when the file was opened. */
  readonly recovered: { tornBytes: number };
  /** Writes one line at once: it survives the death of the process; `sync` makes it survive the machine's. */
  append(value: T): void;
  /** Forces what was appended to the disk. */
  sync(): void;
  close(): void;
}

/**
 * Opens a JSONL file for appending, creating it and its folder. A line torn by a killed writer is cut first, so
 * that the file always is whole lines followed by at most one torn one. One write per line: with O_APPEND lines
 * of several processes do not mix on local disks.
 */
export function openJsonl<T>(path: string, options: { syncEach?: boolean } = {}): JsonlJournal<T> {
  mkdirSync(dirname(path), { recursive: true });
  const fresh = !existsSync(path);
  const tornBytes = fresh ? 0 : cutTornLine(path);
  const fd = openSync(path, 'a');
  if (fresh) fsyncFolder(dirname(path));
  let open = true;
  return {
    path,
    recovered: { tornBytes },
    append(value) {
      writeAll(fd, Buffer.from(`${JSON.stringify(value)}\n`, 'utf8'));
      if (options.syncEach) fdatasyncSync(fd);
    },
    sync: () => fdatasyncSync(fd),
    close() {
      if (!open) return;
      open = false;
      fdatasyncSync(fd);
      closeSync(fd);
    },
  };
}

/** Cuts everything after the last line feed and returns the number of bytes cut. */
function cutTornLine(path: string): number {
  const fd = openSync(path, 'r+');
  try {
    const size = statSync(path).size;
    const piece = Buffer.allocUnsafe(64 << 10);
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - piece.length);
      const n = readSync(fd, piece, 0, end - start, start);
      const at = piece.subarray(0, n).lastIndexOf(10);
      if (at >= 0 || start === 0) {
        const keep = at >= 0 ? start + at + 1 : 0;
        if (keep < size) {
          ftruncateSync(fd, keep);
          fdatasyncSync(fd);
        }
        return size - keep;
      }
      end = start;
    }
    return 0;
  } finally {
    closeSync(fd);
  }
}
