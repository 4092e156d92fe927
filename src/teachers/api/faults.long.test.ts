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
    // a fault can also run into the timeout of a busy machine: then it is counted once here and twice on the right
    const lossesSeen = report.losses + report.late + (report.injected['500-before'] ?? 0);
    expect(report.totals.lost).toBeLessThanOrEqual(lossesSeen);
    expect(report.totals.lost).toBeGreaterThanOrEqual(lossesSeen - report.late);
    expect(report.repeats).toBeLessThanOrEqual(report.totals.lost + report.spoilt);
    expect(report.totals.paid).toBeLessThanOrEqual(5000 + report.spoilt);
    expect(report.totals.paid).toBeGreaterThanOrEqual(5000 + report.spoilt - report.late);
    expect(report.askedAgain).toBe(0);
    expect(report.files).not.toContain(KEY);
  });
});
