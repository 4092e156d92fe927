import { armsChart, curveCharts, tradeChart } from './charts.ts';
import type { ReportData } from './data.ts';
import { escapeHtml, formatBytes, formatCount, formatMilliseconds } from './format.ts';
import { armsTable, comparisonsTable, dot, headerSection, sizeTable } from './headline.ts';
import { samplesSection } from './samples.ts';
import {
  confusionSection,
  dataSection,
  endSections,
  examplesSection,
  goldNote,
  reliabilitySection,
  section,
  slicesSection,
} from './sections.ts';
import { STYLE } from './style.ts';

/**
 * The report as one HTML file that requests nothing: no script, no font, no image from elsewhere (the page's own
 * policy forbids it). Light, dark and print share one drawing of every chart.
 */
export async function renderReport(data: ReportData): Promise<string> {
  const used = data.arms.filter((a) => data.curves.some((c) => c.arm === a.id));
  const curves = await curveCharts(data);
  const trades = [
    await tradeChart(
      data,
      (a) => a.bytes ?? (a.parameters ? 4 * a.parameters : undefined),
      'model size (file, or float32 weights)',
      formatBytes,
    ),
    await tradeChart(
      data,
      (a) => a.latency?.find((l) => l.batch === 1)?.p50,
      'median latency of one input',
      formatMilliseconds,
    ),
  ].filter(Boolean);
  const legend = (arms: ReportData['arms']): string =>
    `<p class="legend">${arms.map((a) => `<span>${dot(a)}${escapeHtml(a.name)}</span>`).join('')}</p>`;
  const panels = (charts: typeof curves): string =>
    `<div class="panels">${charts.map((c) => `<figure><h3>${c.title}</h3>${c.svg}</figure>`).join('')}</div>`;
  const chart = await armsChart(data);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="generator" content="decant">
<title>${escapeHtml(data.title)} – Decant report</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${headerSection(data)}
${section('Results', goldNote(data), `${armsTable(data)}${chart ? `<figure class="wide" style="margin-top:34px">${chart}</figure>` : ''}${comparisonsTable(data)}`)}
${section(
  'Size and speed',
  'What the student costs to keep and to run, against what it can do.',
  `${trades.length ? `<div class="pair" style="margin-bottom:26px">${trades.map((t) => `<figure>${t}</figure>`).join('')}</div>` : ''}${sizeTable(data)}`,
)}
${section(
  'Training',
  `${formatCount(Math.max(0, ...data.curves.flatMap((c) => c.steps.slice(-1))))} steps; thin lines are single seeds, strong ones their mean.`,
  curves.length
    ? `${legend(used)}${panels(curves.filter((c) => !c.secondary))}${curves.some((c) => c.secondary) ? `<details style="margin-top:18px"><summary>Learning rate and gradient norm</summary><div style="margin-top:14px">${panels(curves.filter((c) => c.secondary))}</div></details>` : ''}`
    : '',
)}
${await reliabilitySection(data)}
${confusionSection(data)}
${slicesSection(data)}
${samplesSection(data)}
${examplesSection(data)}
${await dataSection(data)}
${endSections(data)}
<footer>Written by Decant. The numbers behind this page are in report.json beside it.</footer>
</main>
</body>
</html>
`;
}
