import { closeSync, existsSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import type { Problem } from '../data/types.ts';

const BLOCK = 1 << 16;

/** Writes the rows that a run does not use, one JSON object per line: kind, file, line, message, split, the row as read. */
export function openPutAside(path: string) {
  const draft = `${path}.draft`;
  let file: number | undefined;
  let waiting = '';
  let rows = 0;
  const flush = (): void => {
    if (waiting === '') return;
    file ??= openSync(draft, 'w');
    writeSync(file, waiting);
    waiting = '';
  };
  return {
    /** Rows that were kept all the same are not written. */
    add(problem: Problem): void {
      if (problem.kept) return;
      const { kept: _, ...rest } = problem;
      waiting += `${JSON.stringify(rest)}\n`;
      rows++;
      if (waiting.length >= BLOCK) flush();
    },
    /** Puts the file in its place (a run that is resumed writes it anew); without such rows there is none. */
    close(): number {
      flush();
      if (file === undefined) rmSync(path, { force: true });
      else {
        closeSync(file);
        renameSync(draft, path);
      }
      file = undefined;
      return rows;
    },
    /** Leaves no half-written file behind. */
    abandon(): void {
      if (file !== undefined) closeSync(file);
      file = undefined;
      if (existsSync(draft)) rmSync(draft, { force: true });
    },
  };
}
