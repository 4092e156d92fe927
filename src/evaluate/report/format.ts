import type { ArmRole, ReportData, ReportMetric, ReportValue } from './data.ts';

/** Text as HTML; the only way anything reaches the page that was not written by the renderer itself. */
export const escapeHtml = (text: unknown): string =>
  String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Text of unknown origin as HTML; control signs and those that reorder text are shown as their code. */
export const escapeText = (text: string): string =>
  escapeHtml(
    text.replace(
      /(?![\n\t])[\p{Cc}\p{Bidi_Control}]/gu,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  );

const MINUS = '\u2212';
const THIN = '\u202f';
const signed = (text: string): string => text.replace('-', MINUS);

/** A metric's value: 91.2 %, 0.043, 12.7. */
export function formatValue(
  value: number | undefined,
  metric: Pick<ReportMetric, 'format'>,
  digits = 1,
): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : `${MINUS}∞`;
  if (metric.format === 'percent') return `${signed((100 * value).toFixed(digits))}${THIN}%`;
  return signed(formatNumber(value));
}

/** Three significant digits, more for large numbers. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en').replaceAll(',', THIN);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  if (size >= 0.001 || size === 0) return value.toFixed(3);
  return value.toExponential(1);
}

/** Spread over seeds, in the metric's unit: ± 0.4. */
export const formatSpread = (v: ReportValue, metric: ReportMetric): string =>
  v.sd === undefined
    ? ''
    : `±${THIN}${metric.format === 'percent' ? (100 * v.sd).toFixed(1) : formatNumber(v.sd)}`;

/** Interval without units: [90.1, 92.3]. */
export function formatInterval(
  low: number | undefined,
  high: number | undefined,
  metric: Pick<ReportMetric, 'format'>,
): string {
  if (low === undefined || high === undefined || !Number.isFinite(low) || !Number.isFinite(high)) return '';
  const show = (v: number): string =>
    signed(metric.format === 'percent' ? (100 * v).toFixed(1) : formatNumber(v));
  return `[${show(low)}, ${show(high)}]`;
}

/** A difference in points or units, with its sign. */
export function formatDifference(value: number, metric: Pick<ReportMetric, 'format'>): string {
  const text = metric.format === 'percent' ? (100 * value).toFixed(1) : formatNumber(value);
  return signed(value >= 0 ? `+${text}` : text);
}

export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return '–';
  if (bytes < 1000) return `${bytes}${THIN}B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let unit = -1;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)}${THIN}${units[unit]}`;
}

/** All digits: 10 003. */
export const formatExact = (n: number): string => n.toLocaleString('en').replaceAll(',', THIN);

/** 1 234 567 as 1.23 M. */
export function formatCount(n: number | undefined): string {
  if (n === undefined) return '–';
  if (n >= 1e9) return `${(n / 1e9).toFixed(n >= 1e10 ? 1 : 2)}${THIN}B`;
  if (n >= 1e6) return `${(n / 1e6).toFixed(n >= 1e7 ? 1 : 2)}${THIN}M`;
  if (n >= 1e4) return `${(n / 1e3).toFixed(n >= 1e5 ? 0 : 1)}${THIN}k`;
  return formatExact(n);
}

export const formatMilliseconds = (ms: number): string =>
  `${ms >= 100 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(1) : ms.toFixed(2)}${THIN}ms`;

export const formatP = (p: number): string => (p < 0.001 ? 'p < 0.001' : `p = ${p.toFixed(3)}`);

/** "12× smaller": how many times larger a is than b. */
export function formatRatio(a: number, b: number): string {
  const ratio = a / b;
  return `${ratio >= 10 ? Math.round(ratio) : ratio.toFixed(1)}×`;
}

/** CSS variable of an arm's colour. */
export const roleColour = (role: ArmRole): string => `var(--${role})`;

export function metricOf(data: ReportData, key = data.metric): ReportMetric {
  return data.metrics.find((m) => m.key === key) ?? { key, label: key, format: 'number' };
}

/** Whether any figure came with an interval over test examples. */
export const hasIntervals = ({ arms }: ReportData): boolean =>
  arms.some((a) => Object.values(a.values).some((v) => v.low !== undefined));
