import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ReportData, ReportValue } from '../evaluate/report/data.ts';
import { DecantError } from '../util/errors.ts';

export interface ComparedRun {
  run: string;
  task: string;
  method: string;
  metric: string;
  kept?: { estimate: number; low: number; high: number };
  student?: ReportValue;
  teacher?: ReportValue;
  alone?: ReportValue;
  parameters?: number;
  bytes?: number;
}

/** The headline figures of finished runs, from their report.json. Runs of different tasks stand beside each other unranked. */
export async function compareRuns(
  runs: readonly string[],
  cwd: string,
): Promise<{ rows: ComparedRun[]; header: string[]; table: string[][] }> {
  const rows = await Promise.all(
    runs.map(async (run): Promise<ComparedRun> => {
      const path = join(resolve(cwd, run), 'report.json');
      let report: ReportData;
      try {
        report = JSON.parse(await readFile(path, 'utf8')) as ReportData;
      } catch (cause) {
        throw new DecantError('usage', 'there is no finished run here', {
          at: path,
          fix: 'give the folders of runs that ended; decant resume goes on with one that did not',
          cause,
        });
      }
      const arm = (role: string) => report.arms.find((a) => a.role === role);
      const distilled = arm('distilled');
      return {
        run,
        task: report.task,
        method: report.method,
        metric: report.metric,
        kept: report.headline.kept,
        student: distilled?.values[report.metric],
        teacher: arm('teacher')?.values[report.metric],
        alone: arm('alone')?.values[report.metric],
        parameters: distilled?.parameters,
        bytes: distilled?.bytes,
      };
    }),
  );
  const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
  const value = (v: ReportValue | undefined, metric: string): string => {
    if (!v) return '–';
    const show = (x: number): string => (/accuracy|agreement|F1/.test(metric) ? percent(x) : x.toFixed(3));
    return v.sd === undefined ? show(v.mean) : `${show(v.mean)} ± ${show(v.sd)}`;
  };
  return {
    rows,
    header: [
      'run',
      'task',
      'method',
      'metric',
      'student',
      'without teacher',
      'teacher',
      'kept',
      'parameters',
      'bytes',
    ],
    table: rows.map((r) => [
      r.run,
      r.task,
      r.method,
      r.metric,
      value(r.student, r.metric),
      value(r.alone, r.metric),
      value(r.teacher, r.metric),
      r.kept ? `${percent(r.kept.estimate)} [${percent(r.kept.low)}, ${percent(r.kept.high)}]` : '–',
      r.parameters?.toLocaleString('en-US') ?? '–',
      r.bytes?.toLocaleString('en-US') ?? '–',
    ]),
  };
}
