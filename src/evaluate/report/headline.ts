import type { ReportArm, ReportData, ReportMetric } from './data.ts';
import {
  escapeHtml,
  formatBytes,
  formatCount,
  formatDifference,
  formatInterval,
  formatMilliseconds,
  formatP,
  formatRatio,
  formatSpread,
  formatValue,
  metricOf,
  roleColour,
} from './format.ts';

const SHARE = { format: 'percent' } as const;

export const armOf = (data: ReportData, role: ReportArm['role']): ReportArm | undefined =>
  data.arms.find((a) => a.role === role);

export const dot = (arm: ReportArm): string =>
  `<span class="dot" style="background:${roleColour(arm.role)}"></span>`;

/** Title, the share of the teacher that was kept, and the few numbers a reader wants first. */
export function headerSection(data: ReportData): string {
  const metric = metricOf(data);
  const { kept, sentence } = data.headline;
  const day = new Date(data.created);
  const date = Number.isNaN(day.getTime())
    ? data.created
    : day.toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  const known = data.gold.kind !== 'none';
  const distilled = armOf(data, 'distilled');
  const fallback = distilled?.values[data.metric];
  const big = kept
    ? `<p class="big">${(100 * kept.estimate).toFixed(1)}<small>%</small></p>
       <p class="big-label">of the teacher’s ${escapeHtml(lower(metric.label))} ${known ? 'kept' : 'reached'}</p>
       <p class="interval">${Math.round(100 * kept.level)} % interval ${formatInterval(kept.low, kept.high, SHARE)}</p>`
    : fallback
      ? `<p class="big">${formatValue(fallback.mean, metric)}</p>
         <p class="big-label">${escapeHtml(metric.label)} of the distilled student</p>
         <p class="interval">${escapeHtml(formatInterval(fallback.low, fallback.high, metric))}</p>`
      : '<p class="big-label">No distilled student was measured.</p>';
  return `
<header>
  <div>
    <p class="brand">Decant report</p>
    <h1>${escapeHtml(data.title)}</h1>
    <p class="meta"><b>${escapeHtml(data.task)}</b> by <b>${escapeHtml(data.method)}</b> · ${escapeHtml(date)} UTC</p>
  </div>
  <fieldset class="theme" aria-label="Colours">
    ${['auto', 'light', 'dark'].map((t) => `<label><input type="radio" name="theme" id="theme-${t}"${t === 'auto' ? ' checked' : ''}>${t[0].toUpperCase()}${t.slice(1)}</label>`).join('')}
  </fieldset>
</header>
<div class="hero">
  <div>${big}</div>
  <div>
    <p class="sentence">${escapeHtml(sentence)}</p>
    <dl class="facts">${facts(data)
      .map(([value, name]) => `<div><dd>${value}</dd><dt>${name}</dt></div>`)
      .join('')}</dl>
  </div>
</div>
${data.warnings.length ? `<div class="warn">${data.warnings.map((w) => `<p>${escapeHtml(w)}</p>`).join('')}</div>` : ''}`;
}

function facts(data: ReportData): [string, string][] {
  const metric = metricOf(data);
  const teacher = armOf(data, 'teacher');
  const distilled = armOf(data, 'distilled');
  const alone = armOf(data, 'alone');
  const out: [string, string][] = [];
  const t = teacher?.values[data.metric];
  const d = distilled?.values[data.metric];
  const a = alone?.values[data.metric];
  if (t && d)
    out.push([
      formatValue(d.mean, metric),
      `${escapeHtml(lower(metric.label))}, teacher ${formatValue(t.mean, metric)}`,
    ]);
  if (a && d)
    out.push([
      `${formatDifference(d.mean - a.mean, metric)}${metric.format === 'percent' ? '<small> pts</small>' : ''}`,
      `${metric.better === 'lower' ? 'against' : 'over'} the same student without a teacher${metric.better === 'lower' ? '; less is better' : ''}`,
    ]);
  if (teacher?.parameters && distilled?.parameters)
    out.push(
      teacher.parameters === distilled.parameters
        ? [formatCount(distilled.parameters), 'parameters, as many as the teacher has']
        : [
            formatRatio(teacher.parameters, distilled.parameters),
            `fewer parameters (${formatCount(distilled.parameters)} of ${formatCount(teacher.parameters)})`,
          ],
    );
  const one = (arm?: ReportArm): number | undefined => arm?.latency?.find((l) => l.batch === 1)?.p50;
  const [slow, fast] = [one(teacher), one(distilled)];
  if (slow && fast)
    out.push(
      slow >= fast
        ? [formatRatio(slow, fast), `faster, one input in ${formatMilliseconds(fast)}`]
        : [formatMilliseconds(fast), `for one input, teacher ${formatMilliseconds(slow)}`],
    );
  return out;
}

/** The table of arms: every metric with its spread over seeds and its interval; many metrics make two tables. */
export function armsTable(data: ReportData): string {
  const metrics = data.metrics.filter((m) => data.arms.some((a) => a.values[m.key]));
  const tables = Math.ceil(metrics.length / 6);
  const size = Math.ceil(metrics.length / tables);
  return Array.from({ length: tables }, (_, t) =>
    metricsTable(data, metrics.slice(t * size, (t + 1) * size)),
  ).join('<p class="gap"></p>');
}

function metricsTable(data: ReportData, metrics: readonly ReportMetric[]): string {
  const best = new Map(
    metrics.map((m) => {
      const students = data.arms.filter((a) => a.role !== 'teacher' && a.values[m.key]);
      const sign = m.better === 'lower' ? -1 : 1;
      const top = students.sort((x, y) => sign * (y.values[m.key].mean - x.values[m.key].mean))[0];
      return [m.key, m.better && students.length > 1 ? top?.id : undefined];
    }),
  );
  const head = metrics.map(
    (m) =>
      `<th class="n" title="${escapeHtml(m.about ?? '')}">${escapeHtml(m.label)}${m.better ? ` ${m.better === 'lower' ? '↓' : '↑'}` : ''}</th>`,
  );
  const rows = data.arms.map((arm) => {
    const cells = metrics.map((m) => {
      const v = arm.values[m.key];
      if (!v) return '<td class="n empty">–</td>';
      const interval = formatInterval(v.low, v.high, m);
      return `<td class="n${best.get(m.key) === arm.id ? ' best' : ''}">${formatValue(v.mean, m)} ${formatSpread(v, m) ? `<span class="interval">${formatSpread(v, m)}</span>` : ''}${interval ? `<small>${interval}</small>` : ''}</td>`;
    });
    const about = [arm.about, arm.seeds.length > 1 ? `${arm.seeds.length} seeds` : '']
      .filter(Boolean)
      .join('; ');
    return `<tr${arm.role === 'distilled' ? ' class="lead"' : ''}><td><span class="arm">${dot(arm)}${escapeHtml(arm.name)}</span>${about ? `<small>${escapeHtml(about)}</small>` : ''}</td>${cells.join('')}</tr>`;
  });
  return `<div class="scroll"><table class="arms"><thead><tr><th>Model</th>${head.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

/** Paired comparisons, each with its interval and test. */
export function comparisonsTable(data: ReportData): string {
  if (data.comparisons.length === 0) return '';
  const rows = data.comparisons.map((c) => {
    const metric = metricOf(data, c.metric);
    const clear = c.low > 0 || c.high < 0;
    return `<tr><td>${escapeHtml(c.name)}</td><td>${escapeHtml(metric.label)}</td><td class="n${clear ? ' best' : ''}">${formatDifference(c.difference, metric)}</td><td class="n">${formatInterval(c.low, c.high, metric)}</td><td class="n">${escapeHtml(formatP(c.p))}</td><td>${escapeHtml(c.test)}</td><td>${clear ? 'interval excludes 0' : 'interval contains 0'}</td></tr>`;
  });
  return `<h3 style="margin-top:30px">Paired comparisons <span>on the same test examples${data.comparisons.some((c) => metricOf(data, c.metric).format === 'percent') ? '; differences in points' : ''}</span></h3><div class="scroll"><table><thead><tr><th>Comparison</th><th>Metric</th><th class="n">Difference</th><th class="n">95 % interval</th><th class="n">p</th><th>Test</th><th></th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

/** Size and speed of the models that were exported. */
export function sizeTable(data: ReportData): string {
  const arms = data.arms.filter((a) => a.bytes || a.parameters || a.latency?.length);
  if (arms.length === 0) return '';
  const rows = arms.flatMap((arm) => {
    const runs = arm.latency?.length ? arm.latency : [undefined];
    return runs.map(
      (l, i) =>
        `<tr${arm.role === 'distilled' ? ' class="lead"' : ''}><td>${i === 0 ? `<span class="arm">${dot(arm)}${escapeHtml(arm.name)}</span>` : ''}</td><td class="n">${i === 0 ? formatCount(arm.parameters) : ''}</td><td class="n">${i === 0 ? `${formatBytes(arm.bytes)}${arm.int8Bytes ? `<small>int8 ${formatBytes(arm.int8Bytes)}</small>` : ''}` : ''}</td><td class="v">${escapeHtml(l ? (l.variant ?? 'float32') : '')}</td><td class="n">${l?.batch ?? '–'}</td><td class="n">${l ? formatMilliseconds(l.p50) : '–'}</td><td class="n">${l ? formatMilliseconds(l.p95) : '–'}</td><td class="n">${l ? `${formatCount(Math.round(l.throughput))}/s` : '–'}</td></tr>`,
    );
  });
  return `<div class="scroll"><table><thead><tr><th>Model</th><th class="n">Parameters</th><th class="n">File</th><th class="v">Variant</th><th class="n">Batch</th><th class="n">p50</th><th class="n">p95</th><th class="n">Inputs</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

const lower = (label: string): string =>
  /^[A-Z][a-z]/.test(label) ? label[0].toLowerCase() + label.slice(1) : label;
