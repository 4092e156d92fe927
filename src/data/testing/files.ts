import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { isProblem, type Problem, type RawRow, type Source } from '../types.ts';

/** A temporary folder with these files, removed after the test. */
export function folderWith(files: Record<string, string | Uint8Array> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'decant-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** Everything a source yields. */
export async function readSource(source: Source): Promise<{ rows: RawRow[]; problems: Problem[] }> {
  const rows: RawRow[] = [];
  const problems: Problem[] = [];
  for await (const batch of source.batches())
    for (const item of batch) {
      if (isProblem(item)) problems.push(item.problem);
      else rows.push(item);
    }
  return { rows, problems };
}
