import { describe, expect, it } from 'vitest';
import type { ReportArm } from '../../evaluate/report/data.ts';
import { sampleWarnings } from './report.ts';

const arm = (role: ReportArm['role'], recall: number): ReportArm => ({
  id: role,
  role,
  name: role,
  seeds: [1],
  values: { recall: { mean: recall } },
});

describe('sampleWarnings', () => {
  it('tells of a student whose samples are typical and alike', () => {
    expect(sampleWarnings([arm('teacher', 0.86), arm('distilled', 0.03)])[0]).toMatch(/reach 3 %.*86 %/);
    expect(sampleWarnings([arm('teacher', 0.86), arm('distilled', 0.5)])).toEqual([]);
    expect(sampleWarnings([arm('distilled', 0.03)])).toEqual([]);
  });
});
