import { describe, expect, it } from 'vitest';
import { faultRun, KEY } from './testing/fault-run.ts';
import { faults } from './testing/faulty-proxy.ts';

describe('a faulty connection', () => {
  it('labels every text once, in order, and asks again only for what was lost', async () => {
    const report = await faultRun({ n: 150, rate: 0.3, seed: 1 });
    expect(report.labels).toEqual(report.wanted);
    for (const fault of faults) expect(report.injected[fault], fault).toBeGreaterThan(0);
    expect(report.repeats).toBeGreaterThan(0);
    expect(report.repeats).toBeLessThanOrEqual(report.losses + report.spoilt + report.late);
    // each loss stands in the ledger as possibly paid; 500 before the model was reached looks the same
    // a fault can also run into the timeout of a busy machine: then it is counted once here and twice on the right
    const lossesSeen = report.losses + report.late + (report.injected['500-before'] ?? 0);
    expect(report.totals.lost).toBeLessThanOrEqual(lossesSeen);
    expect(report.totals.lost).toBeGreaterThanOrEqual(lossesSeen - report.late);
    expect(report.repeats).toBeLessThanOrEqual(report.totals.lost + report.spoilt);
    expect(report.totals.paid).toBeLessThanOrEqual(150 + report.spoilt);
    expect(report.totals.paid).toBeGreaterThanOrEqual(150 + report.spoilt - report.late);
    expect(report.lines.filter((l) => l.t === 'lost' && l.possiblyPaid)).toHaveLength(report.totals.lost);
    expect(report.askedAgain).toBe(0);
    expect(report.files).not.toContain(KEY);
    expect(report.files).toContain('message');
  });

  it('causes no repeat at a server that honours idempotency keys', async () => {
    const report = await faultRun({ n: 60, rate: 0.3, seed: 2, honoursIdempotency: true });
    expect(report.labels).toEqual(report.wanted);
    expect(report.losses).toBeGreaterThan(0);
    // spoilt answers are whole: asking for another is another question with another key
    // (unless it came too late on a busy machine: the same question again then gets the first answer, whole)
    expect(report.repeats).toBeLessThanOrEqual(report.spoilt);
    expect(report.repeats).toBeGreaterThanOrEqual(report.spoilt - report.late);
  });
});
