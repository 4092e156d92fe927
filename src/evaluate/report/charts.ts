import type { ReportArm, ReportCurve, ReportData, ReportReliability } from './data.ts';
import { escapeHtml, formatValue, hasIntervals, metricOf, roleColour } from './format.ts';
import { renderChart } from './svg.ts';

type Values = Record<string, unknown>[];

const colour = (arms: readonly ReportArm[]): Record<string, unknown> => ({
  field: 'arm',
  type: 'nominal',
  legend: null,
  scale: { domain: arms.map((a) => a.id), range: arms.map((a) => roleColour(a.role)) },
});

/** Dot per arm with its interval, and a small dot per seed: who is where, and how sure that is. */
export async function armsChart(data: ReportData): Promise<string> {
  const metric = metricOf(data);
  const arms = data.arms.filter((a) => a.values[data.metric]);
  if (arms.length < 2) return '';
  const scale = metric.format === 'percent' ? 100 : 1;
  const values: Values = arms.map((a) => {
    const v = a.values[data.metric];
    return {
      arm: a.id,
      name: a.name,
      mean: v.mean * scale,
      low: (v.low ?? v.mean) * scale,
      high: (v.high ?? v.mean) * scale,
      text: formatValue(v.mean, metric),
    };
  });
  const seeds: Values = arms.flatMap((a) =>
    (a.values[data.metric].perSeed ?? []).map((v) => ({ arm: a.id, name: a.name, seed: v * scale })),
  );
  const room = 24 + 6.6 * Math.min(36, Math.max(...arms.map((a) => a.name.length)));
  const y = {
    field: 'name',
    type: 'nominal',
    sort: null,
    axis: {
      title: null,
      grid: false,
      labelColor: 'var(--ink)',
      labelFontSize: 12,
      labelLimit: 420,
      labelAlign: 'left',
      labelPadding: room,
    },
  };
  const x = {
    type: 'quantitative',
    scale: { zero: false, nice: true },
    axis: {
      title: [
        `${metric.label}${metric.format === 'percent' ? ' (%)' : ''}`,
        ...(hasIntervals(data) ? ['95 % interval over test examples'] : []),
        ...(seeds.length > 0 ? ['small dots: seeds'] : []),
        ...(metric.better === 'lower' ? ['less is better'] : []),
      ].join('; '),
      grid: true,
      tickCount: 7,
    },
  };
  return renderChart(
    {
      width: 700,
      height: { step: 40 },
      data: { values },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 3, opacity: 0.35, strokeCap: 'round' },
          encoding: { y, x: { ...x, field: 'low' }, x2: { field: 'high' }, color: colour(arms) },
        },
        {
          data: { values: seeds },
          mark: { type: 'point', filled: true, size: 22, opacity: 0.55, yOffset: 9 },
          encoding: { y, x: { ...x, field: 'seed' }, color: colour(arms) },
        },
        {
          mark: { type: 'point', filled: true, size: 120, opacity: 1 },
          encoding: { y, x: { ...x, field: 'mean' }, color: colour(arms) },
        },
        {
          mark: { type: 'text', dy: -12, fontSize: 11, fontWeight: 600 },
          encoding: { y, x: { ...x, field: 'mean' }, text: { field: 'text' } },
        },
      ],
    },
    `${metric.label} of ${arms.map((a) => a.name).join(', ')}`,
    { maxWidth: 976 },
  );
}

/** Curves that say how training was done, not what came out. */
const SECONDARY: Record<string, string> = {
  lr: 'learning rate',
  gradientNorm: 'gradient norm',
};

/** One panel per loss term or metric: thin lines for seeds, a strong one for their mean. */
export async function curveCharts(
  data: ReportData,
): Promise<{ title: string; svg: string; secondary: boolean }[]> {
  const panels = new Map<string, ReportCurve[]>();
  for (const curve of data.curves) {
    // one point is no course
    if (curve.steps.length < 2) continue;
    const key = JSON.stringify([curve.split === 'train' ? 0 : 1, curve.term, curve.split]);
    panels.set(key, [...(panels.get(key) ?? []), curve]);
  }
  const out: { title: string; svg: string; secondary: boolean }[] = [];
  for (const key of [...panels.keys()].sort()) {
    const curves = panels.get(key)!;
    const { term, split } = curves[0];
    const arms = data.arms.filter((a) => curves.some((c) => c.arm === a.id));
    const thinned = curves.map((c) => ({ ...c, ...thin(c.steps, c.values, 160) }));
    const values: Values = thinned.flatMap((c) =>
      c.steps.map((step, i) => ({ step, value: c.values[i], arm: c.arm, line: `${c.arm}/${c.seed}` })),
    );
    const finite = values.map((v) => v.value as number).filter((v) => Number.isFinite(v));
    if (finite.length < 2) continue;
    const [low, high] = [Math.min(...finite), Math.max(...finite)];
    const log = low > 0 && high / low > 40 && term !== 'lr';
    const last = Math.max(...thinned.flatMap((t) => t.steps.slice(-1)));
    const x = {
      field: 'step',
      type: 'quantitative',
      axis: { title: null, tickCount: 4, format: last >= 10_000 ? '~s' : ',d' },
    };
    const y = {
      type: 'quantitative',
      scale: log ? { type: 'log', nice: false } : { zero: false },
      axis: log
        ? { title: null, values: logTicks(low, high), format: '~g', minExtent: 38 }
        : { title: null, tickCount: 4, format: '~g', minExtent: 38 },
    };
    const several = arms.some((a) => thinned.filter((c) => c.arm === a.id).length > 1);
    const means: Values = several
      ? arms.flatMap((a) =>
          meanLine(
            thinned.filter((c) => c.arm === a.id),
            a.id,
          ),
        )
      : values;
    const svg = await renderChart(
      {
        width: 270,
        height: 150,
        layer: [
          ...(several
            ? [
                {
                  data: { values },
                  mark: { type: 'line', strokeWidth: 1, opacity: 0.28 },
                  encoding: {
                    x,
                    y: { ...y, field: 'value' },
                    detail: { field: 'line' },
                    color: colour(arms),
                  },
                },
              ]
            : []),
          {
            data: { values: means },
            mark: { type: 'line', strokeWidth: 1.8, strokeJoin: 'round' },
            encoding: { x, y: { ...y, field: 'value' }, color: colour(arms) },
          },
        ],
      },
      `${term} on ${split} by training step`,
    );
    out.push({
      secondary: Object.hasOwn(SECONDARY, term),
      title: `${escapeHtml(Object.hasOwn(SECONDARY, term) ? SECONDARY[term] : term)} <span>${escapeHtml(split)}${log ? ', log scale' : ''}</span>`,
      svg,
    });
  }
  return out;
}

/** Confidence against accuracy; the area of a dot is the number of examples in its bin. */
export async function reliabilityChart(r: ReportReliability, arm: ReportArm): Promise<string> {
  const values: Values = r.bins.filter((b) => b.count > 0).map((b) => ({ ...b }));
  const axis = { values: [0, 0.5, 1], format: '.0%', grid: true };
  const x = { type: 'quantitative', scale: { domain: [0, 1] }, axis: { ...axis, title: 'confidence' } };
  const y = { type: 'quantitative', scale: { domain: [0, 1] }, axis: { ...axis, title: 'accuracy' } };
  return renderChart(
    {
      width: 190,
      height: 190,
      layer: [
        {
          data: {
            values: [
              { a: 0, b: 0 },
              { a: 1, b: 1 },
            ],
          },
          mark: { type: 'line', strokeWidth: 1, strokeDash: [3, 3], color: 'var(--muted)' },
          encoding: { x: { ...x, field: 'a' }, y: { ...y, field: 'b' } },
        },
        {
          data: { values },
          mark: { type: 'rule', strokeWidth: 1.5, opacity: 0.5, color: roleColour(arm.role) },
          encoding: {
            x: { ...x, field: 'confidence' },
            y: { ...y, field: 'accuracy' },
            y2: { field: 'confidence' },
          },
        },
        {
          data: { values },
          mark: { type: 'point', filled: true, opacity: 0.9, color: roleColour(arm.role) },
          encoding: {
            x: { ...x, field: 'confidence' },
            y: { ...y, field: 'accuracy' },
            size: {
              field: 'count',
              type: 'quantitative',
              legend: null,
              scale: { range: [18, 320], zero: true },
            },
          },
        },
      ],
    },
    `Reliability diagram of ${arm.name}`,
  );
}

/** Quality against a cost on a logarithmic axis: up and to the left is better. */
export async function tradeChart(
  data: ReportData,
  cost: (arm: ReportArm) => number | undefined,
  title: string,
  format: (value: number) => string,
): Promise<string> {
  const metric = metricOf(data);
  const scale = metric.format === 'percent' ? 100 : 1;
  const arms = data.arms.filter((a) => a.values[data.metric] && cost(a));
  if (arms.length < 2) return '';
  const costs = arms.map((a) => cost(a)!);
  const [least, most] = [Math.min(...costs), Math.max(...costs)];
  // names of dots on the right stand to their left, so that all charts need the same room
  const onTheRight = (c: number): boolean =>
    most > least && Math.log(c / least) > 0.55 * Math.log(most / least);
  const values: Values = arms.map((a) => ({
    arm: a.id,
    name: a.name,
    cost: cost(a),
    right: onTheRight(cost(a)!),
    mean: a.values[data.metric].mean * scale,
    low: (a.values[data.metric].low ?? a.values[data.metric].mean) * scale,
    high: (a.values[data.metric].high ?? a.values[data.metric].mean) * scale,
  }));
  const measured = data.arms.map((a) => a.values[data.metric]).filter(Boolean);
  const bottom = Math.min(...measured.map((v) => (v.low ?? v.mean) * scale));
  const top = Math.max(...measured.map((v) => (v.high ?? v.mean) * scale));
  const margin = 0.08 * (top - bottom || 1);
  const room = Math.max(1.6, (most / least) ** 0.16); // for the names beside the dots
  const ticks = logTicks(least / room, most * room);
  const x = {
    field: 'cost',
    type: 'quantitative',
    scale: { type: 'log', domain: [least / room, most * room ** (most > least ? 1 : 2.2)], nice: false },
    axis: { title, values: ticks, labelExpr: labels(ticks, format), grid: false },
  };
  const y = {
    type: 'quantitative',
    scale: { zero: false, domain: [bottom - margin, top + margin], nice: false },
    axis: { title: metric.format === 'percent' ? `${metric.label} (%)` : metric.label, tickCount: 5 },
  };
  return renderChart(
    {
      width: 330,
      height: 210,
      data: { values },
      layer: [
        {
          mark: { type: 'rule', strokeWidth: 2, opacity: 0.35 },
          encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color: colour(arms) },
        },
        {
          mark: { type: 'point', filled: true, size: 90, opacity: 1 },
          encoding: { x, y: { ...y, field: 'mean' }, color: colour(arms) },
        },
        ...[true, false].map((right) => ({
          transform: [{ filter: `datum.right === ${right}` }],
          mark: {
            type: 'text',
            align: right ? 'right' : 'left',
            dx: right ? -9 : 9,
            fontSize: 11,
            color: 'var(--ink)',
          },
          encoding: { x, y: { ...y, field: 'mean' }, text: { field: 'name' } },
        })),
      ],
    },
    `${metric.label} against ${title}`,
    { maxWidth: 470 },
  );
}

/** Counts of inputs by length; bins of unequal width stand side by side under their names. */
export async function lengthChart(lengths: NonNullable<ReportData['data']['lengths']>): Promise<string> {
  const values = lengths.bins.map((b) => ({
    name: b.to <= b.from ? `${b.from}` : `${b.from}–${b.to}`,
    count: b.count,
  }));
  return renderChart(
    {
      width: 420,
      height: 120,
      data: { values },
      mark: { type: 'bar', color: 'var(--accent)', opacity: 0.75 },
      encoding: {
        x: {
          field: 'name',
          type: 'ordinal',
          sort: null,
          scale: { paddingInner: 0.08, paddingOuter: 0.04 },
          axis: { title: lengths.unit, labelAngle: 0, labelOverlap: true },
        },
        y: { field: 'count', type: 'quantitative', axis: { title: 'inputs', tickCount: 3 } },
      },
    },
    `Histogram of input lengths in ${lengths.unit}`,
  );
}

/** At most `limit` points of a line, each the mean of its stretch. */
function thin(steps: number[], values: number[], limit: number): { steps: number[]; values: number[] } {
  if (steps.length <= limit) return { steps, values };
  const out = { steps: [] as number[], values: [] as number[] };
  for (let b = 0; b < limit; b++) {
    const from = Math.floor((b * steps.length) / limit);
    const to = Math.floor(((b + 1) * steps.length) / limit);
    const mean = (x: number[]): number => x.slice(from, to).reduce((s, v) => s + v, 0) / (to - from);
    out.steps.push(Math.round(mean(steps)));
    out.values.push(mean(values));
  }
  return out;
}

/** Mean over seeds at the steps that all of them have. */
function meanLine(curves: readonly ReportCurve[], arm: string): Values {
  const sums = new Map<number, { sum: number; n: number }>();
  for (const c of curves)
    c.steps.forEach((step, i) => {
      const s = sums.get(step) ?? { sum: 0, n: 0 };
      sums.set(step, { sum: s.sum + c.values[i], n: s.n + 1 });
    });
  return [...sums]
    .filter(([, s]) => s.n === curves.length)
    .sort((a, b) => a[0] - b[0])
    .map(([step, s]) => ({ step, value: s.sum / s.n, arm }));
}

/** Round numbers (1, 2, 5 or powers of ten) inside a range, few enough to be read. */
function logTicks(low: number, high: number): number[] {
  for (const steps of [[1, 2, 5], [1, 3], [1]]) {
    const out: number[] = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
      for (const s of steps) if (s * 10 ** e >= low && s * 10 ** e <= high) out.push(s * 10 ** e);
    if (out.length <= 6 || steps.length === 1) return out;
  }
  return [];
}

/** A Vega expression that gives the ticks their texts. */
const labels = (ticks: number[], format: (value: number) => string): string =>
  `{${ticks
    .map(
      (t) =>
        `"${t}": ${JSON.stringify(
          format(t)
            .replace(/(\.\d*?)0+(?!\d)/, '$1')
            .replace(/\.(?!\d)/, ''),
        )}`,
    )
    .join(', ')}}[datum.value] || ''`;
