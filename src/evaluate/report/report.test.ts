import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelCard } from '../../export/model-card.ts';
import { cardOfReport } from './card.ts';
import {
  escapeText,
  formatBytes,
  formatCount,
  formatDifference,
  formatInterval,
  formatNumber,
  formatRatio,
  formatValue,
} from './format.ts';
import { renderReport } from './html.ts';
import { sampleReport } from './testing/sample.ts';
import { writeReport } from './write.ts';

describe('report formats', () => {
  it('write numbers as people read them', () => {
    const percent = { format: 'percent' } as const;
    expect(formatValue(0.9124, percent)).toBe('91.2\u202f%');
    expect(formatValue(Number.NaN, percent)).toBe('–');
    expect(formatInterval(-0.012, 0.034, percent)).toBe('[−1.2, 3.4]');
    expect(formatDifference(-0.05, percent)).toBe('−5.0');
    expect([0, 0.0321, 0.00012, 2.34567, 23.4567, 234.567, 23456.7].map(formatNumber)).toEqual([
      '0.000',
      '0.032',
      '1.2e-4',
      '2.35',
      '23.5',
      '235',
      '23\u202f457',
    ]);
    expect([999, 1570000, 402_000].map(formatBytes)).toEqual(['999\u202fB', '1.57\u202fMB', '402\u202fkB']);
    expect([391_245, 4_812_365, 77].map(formatCount)).toEqual(['391\u202fk', '4.81\u202fM', '77']);
    expect([formatRatio(4.8, 0.4), formatRatio(3, 2)]).toEqual(['12×', '1.5×']);
  });
  it('show signs that would hide or reorder text', () => {
    expect(escapeText('<b>&"\u202eabc\u0000\n')).toBe('&#60;b&#62;&#38;&#34;\\u202eabc\\u0000\n');
  });
});

describe('renderReport', () => {
  it('draws every part, and requests nothing', async () => {
    const html = await renderReport(sampleReport());
    for (const title of [
      'Results',
      'Size and speed',
      'Training',
      'Calibration',
      'Where it goes wrong',
      'By slice',
      'Where teacher and student differ',
      'Data',
      'How this was made',
    ])
      expect(html).toContain(`<h2>${title}</h2>`);
    expect(html).toContain('97.6<small>%</small>');
    expect(html.match(/<svg /g)).toHaveLength(10);
    // nothing is fetched, nothing runs, nothing of the input is taken for markup
    expect(html).not.toMatch(/<(script|link|img|iframe|object|embed|base)\b/i);
    expect(html).not.toMatch(/\b(src|srcset|href|action|poster)\s*=/i);
    expect(html).not.toMatch(/url\(|@import|expression\(/i);
    expect(html.replaceAll(/http:\/\/www\.w3\.org\/[\w/]+/g, '')).not.toMatch(/https?:\/\//);
    expect(html).toContain("default-src 'none'");
    expect(html).toContain('&#60;b&#62;twice');
    expect(html).not.toContain('NaN');
    expect(html).not.toContain('undefined');
    expect(html.match(/ id="/g)?.length).toBe(3); // the colour switch; charts bring no ids that could meet
  });

  it('takes hostile text in every place where a user can write', async () => {
    const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`;
    const poison = (value: unknown): unknown =>
      typeof value === 'string'
        ? evil
        : Array.isArray(value)
          ? value.map(poison)
          : value && typeof value === 'object'
            ? Object.fromEntries(
                Object.entries(value).map(([k, v]) => [
                  k,
                  ['kind', 'format', 'better', 'role', 'id', 'arm', 'key', 'metric', 'created'].includes(k)
                    ? v
                    : poison(v),
                ]),
              )
            : value;
    const html = await renderReport(poison(sampleReport()) as ReturnType<typeof sampleReport>);
    expect(/<script|<img/i.test(html)).toBe(false);
    // inside quotes the text is harmless; outside them it would be an attribute
    expect(/<[^>]*\sonerror=[^>]*>/i.test(html.replaceAll(/="[^"]*"/g, ''))).toBe(false);
  });

  it('says that accuracy is unknown without gold labels, and leaves empty parts out', async () => {
    const full = sampleReport();
    const html = await renderReport({
      ...full,
      gold: { kind: 'none' },
      headline: { sentence: 'Agreement only.' },
      arms: full.arms.slice(1, 2).map((a) => ({ ...a, values: { agreement: a.values.agreement } })),
      metric: 'agreement',
      comparisons: [],
      curves: [],
      reliability: [],
      confusion: undefined,
      slices: undefined,
      examples: [],
      data: { splits: [], duplicates: [], problems: [] },
      cost: undefined,
      warnings: [],
      recipe: undefined,
    });
    expect(html).toContain('Accuracy is unknown');
    expect(html).toContain('93.1\u202f%');
    for (const absent of ['Calibration', 'Where it goes wrong', 'By slice', 'Training</h2>'])
      expect(html).not.toContain(absent);
    expect(html).not.toContain('NaN');
  });

  it('is the same for the same data and is written beside its data', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'decant-report-'));
    await writeReport(folder, sampleReport());
    expect(readdirSync(folder).sort()).toEqual(['report.html', 'report.json']);
    expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(sampleReport())),
    );
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toBe(await renderReport(sampleReport()));
  });
});

describe('cardOfReport', () => {
  it("says what the report says, in the report's numbers", () => {
    const card = cardOfReport(sampleReport(), {
      labels: ['a', 'b'],
      files: [{ path: 'onnx/model.onnx', bytes: 1_570_000, maxDifference: 2.4e-6 }],
    });
    expect(card.results?.columns.slice(0, 2)).toEqual(['Model', 'Accuracy']);
    expect(card.results?.rows[1].slice(0, 2)).toEqual([
      'Student, distilled',
      '90.2\u202f% ±\u202f0.2 [89.2, 91.2]',
    ]);
    expect(card.metrics?.[1]).toEqual({ type: 'f1', name: 'Macro-F1', value: 0.897 });
    expect(card.limitations).toContain('Weakest on “words 24–79”: Accuracy 85.3\u202f% on 702 examples.');
    const text = modelCard(card);
    expect(text).toContain('pipeline_tag: "text-classification"');
    expect(text).toMatch(/\| onnx\/model\.onnx \| 1\.57\sMB \| 2\.4e-6 \|/);
    expect(modelCard(cardOfReport({ ...sampleReport(), gold: { kind: 'none' } }))).toContain(
      'accuracy is unknown',
    );
  });
});
