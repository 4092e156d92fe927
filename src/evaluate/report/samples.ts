import type { ReportData, ReportSamples } from './data.ts';
import { escapeText } from './format.ts';
import { section } from './sections.ts';

/** Side of a scatter plot in its own units. */
const SIDE = 260;

/** Generated samples beside real ones: one panel per arm, all in one scale. */
export function samplesSection({ samples }: ReportData): string {
  if (!samples?.panels.length) return '';
  const draw = samples.kind === 'points' ? scatterOf(samples) : grid;
  const figures = samples.panels.map((p) => `<figure><h3>${escapeText(p.title)}</h3>${draw(p)}</figure>`);
  return section(
    'Samples',
    samples.kind === 'points'
      ? `Drawn from the same noise in every panel but that of the data. Across: ${escapeText(samples.axes?.[0] ?? '')}; up: ${escapeText(samples.axes?.[1] ?? '')}.`
      : 'Not chosen: the first ones that were drawn, from the same noise in every panel but that of the data.',
    `<div class="panels narrow">${figures.join('')}</div>`,
  );
}

type Panel = ReportSamples['panels'][number];

const grid = ({ images = [] }: Panel): string =>
  `<div class="samples">${images
    .filter((url) => url.startsWith('data:image/'))
    .map((url) => `<img alt="" src="${escapeText(url)}">`)
    .join('')}</div>`;

/** Points within the middle 99.8 % of the first panel (the data), with some room; what lies outside is not drawn. */
function scatterOf(samples: ReportSamples): (p: Panel) => string {
  const [reference] = samples.panels;
  const range = (axis: 0 | 1): [number, number] => {
    const sorted = Float64Array.from(reference.points ?? [], (p) => p[axis]).sort();
    const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
    const room = 0.15 * (at(0.999) - at(0.001)) || 1;
    return [at(0.001) - room, at(0.999) + room];
  };
  const [xs, ys] = [range(0), range(1)];
  const place = (v: number, [low, high]: [number, number]): number => (SIDE * (v - low)) / (high - low);
  return ({ points = [], title }) => {
    const inside = points
      .map(([x, y]) => [place(x, xs), SIDE - place(y, ys)])
      .filter(([x, y]) => x >= 0 && x <= SIDE && y >= 0 && y <= SIDE);
    // a path of zero-length lines with round ends is a tenth of the size of so many circles
    const path = inside.map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`).join('');
    const outside = points.length - inside.length;
    return `<svg viewBox="0 0 ${SIDE} ${SIDE}" role="img" aria-label="${escapeText(title)}: ${points.length} points" style="width:100%"><rect width="${SIDE}" height="${SIDE}" fill="none" stroke="var(--line)"/><path d="${path}" stroke="var(--accent)" stroke-width="2.4" stroke-linecap="round" stroke-opacity="0.45" fill="none"/></svg>${outside > 0 ? `<figcaption>${outside} of ${points.length} lie outside</figcaption>` : ''}`;
  };
}
