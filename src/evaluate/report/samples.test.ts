import { describe, expect, it } from 'vitest';
import type { ReportData } from './data.ts';
import { samplesSection } from './samples.ts';

const report = (samples: ReportData['samples']): ReportData => ({ samples }) as ReportData;
const square: [number, number][] = Array.from({ length: 100 }, (_, i) => [i % 10, Math.floor(i / 10)]);

describe('samples in a report', () => {
  it('are points in one scale, that of the data; what lies outside is counted', () => {
    const html = samplesSection(
      report({
        kind: 'points',
        axes: ['x <1>', 'y'],
        panels: [
          { title: 'Test rows', points: square },
          { title: 'Student', points: [...square.slice(0, 98), [1000, 0], [0, -1000]] },
        ],
      }),
    );
    expect(html.match(/<svg/g)).toHaveLength(2);
    expect(html.match(/M[\d.]+ [\d.]+h0/g)).toHaveLength(198);
    expect(html).toContain('2 of 100 lie outside');
    expect(html).not.toContain('<1>');
  });

  it('are pictures from data URLs only', () => {
    const html = samplesSection(
      report({
        kind: 'images',
        panels: [{ title: 'a', images: ['data:image/png;base64,AAAA', 'https://example.org/x.png'] }],
      }),
    );
    expect(html.match(/<img/g)).toHaveLength(1);
    expect(html).not.toContain('example.org');
  });

  it('are left out where nothing was drawn', () => {
    expect(samplesSection(report(undefined))).toBe('');
  });
});
