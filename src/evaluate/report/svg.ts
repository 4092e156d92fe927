import type { TopLevelSpec } from 'vega-lite';

/**
 * Renders a Vega-Lite chart to SVG without a browser. Colours are CSS variables of the page, so that one drawing
 * serves light, dark and print; the drawing scales to its column.
 */
export async function renderChart(
  spec: Record<string, unknown>,
  label: string,
  options: { maxWidth?: number } = {},
): Promise<string> {
  const [vega, lite] = await Promise.all([import('vega'), import('vega-lite')]);
  const compiled = lite.compile(
    { ...spec, config: { ...THEME, ...(spec.config as object) } } as unknown as TopLevelSpec,
    { logger: vega.logger(vega.Error) },
  ).spec;
  const view = new vega.View(vega.parse(compiled), { renderer: 'none', logLevel: vega.Error });
  const svg = await view.toSVG();
  view.finalize();
  const width = Number(/ width="([\d.]+)"/.exec(svg)?.[1] ?? 400);
  return svg
    .replace(/ (?:aria-[a-z]+|role|class|pointer-events)="[^"]*"/g, '')
    .replace(/="[^"]*"/g, (value) => value.replace(/(\.\d{2})\d+/g, '$1')) // a hundredth of a pixel is enough
    .replace(
      / width="[\d.]+" height="[\d.]+"/,
      ` role="img" aria-label="${attribute(label)}" style="width:100%;max-width:${Math.round(options.maxWidth ?? width)}px"`,
    );
}

const attribute = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Quiet axes, no frame, the page's own type. */
const THEME = {
  aria: false,
  background: null,
  font: 'var(--sans)',
  padding: 2,
  view: { stroke: null },
  axis: {
    domain: false,
    ticks: false,
    grid: true,
    gridColor: 'var(--grid)',
    labelColor: 'var(--muted)',
    labelFontSize: 11,
    labelPadding: 6,
    titleColor: 'var(--muted)',
    titleFontSize: 11,
    titleFontWeight: 'normal',
    titlePadding: 8,
  },
  axisX: {
    grid: false,
    domain: true,
    domainColor: 'var(--line)',
    ticks: true,
    tickColor: 'var(--line)',
    tickSize: 4,
  },
  title: { color: 'var(--ink)', fontSize: 12, fontWeight: 600, anchor: 'start', offset: 8 },
  text: { color: 'var(--ink)' },
};
