import { join } from 'node:path';
import { writeFileAtomic } from '../../util/node/atomic.ts';
import type { ReportData } from './data.ts';
import { renderReport } from './html.ts';

/** Writes `report.json` and `report.html` into a run folder, each whole or not at all. */
export async function writeReport(folder: string, data: ReportData): Promise<{ html: string; json: string }> {
  const html = join(folder, 'report.html');
  const json = join(folder, 'report.json');
  writeFileAtomic(json, `${JSON.stringify(data, null, 1)}\n`);
  writeFileAtomic(html, await renderReport(data));
  return { html, json };
}
