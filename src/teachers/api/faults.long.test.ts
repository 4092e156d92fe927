import { describe, expect, it } from 'vitest';
import { faultRun, KEY } from './testing/fault-run.ts';

describe('a faulty connection, at length', () => {
  it('labels 5,000 texts with 30 % faults', async () => {
    const report = await faultRun({ n: 5000, rate: 0.3, seed: 7, concurrency: 32 });
    console.log(
      `${report.seconds.toFixed(1)} s; answers repeated ${report.repeats}, injected losses ${report.losses}, spoilt ${report.spoilt}; ledger ${JSON.stringify(report.totals)}`,
    );
    expect(report.labels).toEqual(report.wanted);
    expect(report.repeats).toBeLessThanOrEqual(report.losses + report.spoilt + report.late);
    expect(report.totals.lost).toBe(report.losses + report.late + (report.injected['500-before'] ?? 0));
    expect(report.totals.paid).toBe(5000 + report.spoilt);
    expect(report.askedAgain).toBe(0);
    expect(report.files).not.toContain(KEY);
  });
});
