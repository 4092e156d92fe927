import { lengthChart, reliabilityChart } from './charts.ts';
import type { ReportAnswer, ReportData, ReportDataFacts, ReportExample } from './data.ts';
import {
  escapeHtml,
  escapeText,
  formatExact,
  formatInterval,
  formatNumber,
  formatSpread,
  formatValue,
  hasIntervals,
  metricOf,
} from './format.ts';
import { armOf, dot } from './headline.ts';

export const section = (title: string, lede: string, body: string): string =>
  body.trim() ? `<section><h2>${escapeHtml(title)}</h2><p class="lede">${lede}</p>${body}</section>` : '';

/** One diagram per arm that was measured. */
export async function reliabilitySection(data: ReportData): Promise<string> {
  const figures: string[] = [];
  const ece = metricOf(data, 'ece');
  for (const r of data.reliability) {
    const arm = data.arms.find((a) => a.id === r.arm);
    if (!arm) continue;
    figures.push(
      `<figure><h3>${dot(arm)}${escapeHtml(arm.name)} <span>ECE ${formatValue(r.ece, ece)}</span></h3>${await reliabilityChart(r, arm)}</figure>`,
    );
  }
  return section(
    'Calibration',
    'When a model says 80 %, is it right four times in five? Dots on the diagonal: yes. Below it the model is too sure of itself; the size of a dot is the number of examples.',
    figures.length ? `<div class="panels narrow">${figures.join('')}</div>` : '',
  );
}

/** The most frequent mistakes of the distilled student, beside the teacher's. */
export function confusionSection(data: ReportData): string {
  const c = data.confusion;
  if (!c?.pairs.length) return '';
  const most = Math.max(...c.pairs.map((p) => Math.max(p.count, p.teacherCount ?? 0)));
  const withTeacher = c.pairs.some((p) => p.teacherCount !== undefined);
  const bar = (n: number, plain = false): string =>
    `<span class="bar${plain ? ' plain' : ''}" style="width:${((100 * n) / most).toFixed(1)}%"></span>`;
  const rows = c.pairs.map(
    (p) =>
      `<tr><td>${escapeText(p.label)}</td><td>${escapeText(p.predicted)}</td><td class="n">${p.count}</td><td class="n">${(100 * p.share).toFixed(0)} %</td><td style="width:26%">${bar(p.count)}${withTeacher ? `<span style="display:block;height:3px"></span>${bar(p.teacherCount ?? 0, true)}` : ''}</td>${withTeacher ? `<td class="n">${p.teacherCount ?? 0}</td>` : ''}</tr>`,
  );
  const arm = data.arms.find((a) => a.id === c.arm);
  return section(
    'Where it goes wrong',
    `The most frequent confusions of “${escapeHtml(arm?.name ?? c.arm)}” among ${formatExact(c.examples)} test examples${withTeacher ? '; the grey bar is the teacher’s count of the same mistake' : ''}.`,
    `<div class="scroll"><table><thead><tr><th>Label</th><th>Answered</th><th class="n">Count</th><th class="n">Of label</th><th></th>${withTeacher ? '<th class="n">Teacher</th>' : ''}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`,
  );
}

/** Results by slice, worst first, for every arm that has them. */
export function slicesSection(data: ReportData): string {
  const s = data.slices;
  if (!s?.rows.length) return '';
  const metric = metricOf(data, s.metric);
  const arms = data.arms.filter((a) => s.rows.some((r) => r.values[a.id]));
  const rows = s.rows.map(
    (r) =>
      `<tr><td>${escapeText(r.slice)}${r.small ? '<small>few examples</small>' : ''}</td><td class="n">${formatExact(r.count)}</td>${arms
        .map((a) => {
          const v = r.values[a.id];
          return `<td class="n">${v ? `${formatValue(v.mean, metric)} <span class="interval">${formatSpread(v, metric)}</span><small>${formatInterval(v.low, v.high, metric)}</small>` : '–'}</td>`;
        })
        .join('')}</tr>`,
  );
  return section(
    'By slice',
    `${escapeHtml(metric.label)} on parts of the test examples, worst part of the distilled student first.`,
    `<div class="scroll"><table><thead><tr><th>Slice</th><th class="n">Examples</th>${arms.map((a) => `<th class="n">${escapeHtml(a.name)}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`,
  );
}

/** Examples of a kind that are shown at once; the others unfold. */
const SHOWN = 6;

/** Inputs on which teacher and student differ. */
export function examplesSection(data: ReportData): string {
  const group = (title: string, list: ReportExample[]): string =>
    list.length
      ? `<h3 style="margin:20px 0 2px">${title} <span>${list.length}</span></h3>${list.slice(0, SHOWN).map(exampleCase).join('')}${list.length > SHOWN ? `<details><summary>${list.length - SHOWN} more</summary>${list.slice(SHOWN).map(exampleCase).join('')}</details>` : ''}`
      : '';
  const lost = data.examples.filter((e) => e.teacher.correct === true && e.student.correct === false);
  const won = data.examples.filter((e) => e.student.correct === true && e.teacher.correct === false);
  const rest = data.examples.filter((e) => !lost.includes(e) && !won.includes(e));
  const judged = lost.length + won.length > 0;
  return section(
    'Where teacher and student differ',
    'Examples from the test part, the most confident disagreements first.',
    data.examples.length
      ? group('The teacher was right', lost) +
          group('The student was right', won) +
          group(judged ? 'Neither was right, or nobody knows' : 'No label to judge by', rest)
      : '',
  );
}

function exampleCase(e: ReportExample): string {
  const answer = (who: string, a: ReportAnswer): string => {
    const mark =
      a.correct === undefined
        ? ''
        : a.correct
          ? '<span class="right">✓</span> '
          : '<span class="wrong">✗</span> ';
    const confidence =
      a.confidence === undefined ? '' : ` <span class="interval">${a.confidence.toFixed(2)}</span>`;
    return `<div><p class="who">${who}</p><p>${mark}${escapeText(a.text)}${confidence}</p></div>`;
  };
  const gold = e.gold === undefined ? '' : `<p class="who">label: ${escapeText(e.gold)}</p>`;
  const picture = e.image?.startsWith('data:image/') ? `<img alt="" src="${escapeText(e.image)}">` : '';
  return `<div class="case"><div>${picture}<p class="input">${escapeText(e.input)}</p>${gold}</div>${answer(e.versus ?? 'Teacher', e.teacher)}${answer('Student', e.student)}</div>`;
}

/** What went in, what was put aside, and why. */
export async function dataSection(data: ReportData): Promise<string> {
  const d = data.data;
  const left: string[] = [];
  const right: string[] = [];
  if (d.splits.length) {
    const rows = d.splits.map(
      (s) =>
        `<tr><td>${escapeText(s.name)}${s.about ? `<small>${escapeText(s.about)}</small>` : ''}</td><td class="n">${formatExact(s.rows)}</td><td class="n">${s.labelled === undefined ? '–' : formatExact(s.labelled)}</td></tr>`,
    );
    left.push(
      `<h3>Parts</h3><table><thead><tr><th>Part</th><th class="n">Rows</th><th class="n">With label</th></tr></thead><tbody>${rows.join('')}</tbody></table>`,
    );
  }
  if (d.lengths?.bins.length)
    (d.classes?.length ? left : right).push(
      `<figure style="margin-top:${d.classes?.length ? 26 : 0}px"><h3>Input length</h3>${await lengthChart(d.lengths)}</figure>`,
    );
  if (d.classes?.length) {
    const most = d.classes[0].count;
    const shown =
      d.classes.length > 12 ? [...d.classes.slice(0, 6), undefined, ...d.classes.slice(-5)] : d.classes;
    const rows = shown.map((c) =>
      c
        ? `<tr class="tight"><td>${escapeText(c.name)}</td><td class="n">${formatExact(c.count)}</td><td style="width:34%"><span class="bar" style="width:${((100 * c.count) / most).toFixed(1)}%"></span></td></tr>`
        : `<tr class="tight"><td class="empty">⋯ ${d.classes!.length - 11} more</td><td></td><td></td></tr>`,
    );
    right.push(
      `<h3>Classes <span>${d.classes.length}${d.classes.length > 12 ? ', largest and smallest' : ''}</span></h3><table><tbody>${rows.join('')}</tbody></table>`,
    );
  }
  return section(
    'Data',
    'Rows that could not be used were put aside, never dropped in silence.',
    `<div class="pair"><div>${left.join('')}</div><div>${right.join('')}</div></div><div style="margin-top:30px">${problemsTable(d)}</div>${stepsTable(d)}`,
  );
}

/** What the steps did to the training rows. */
function stepsTable({ steps }: ReportDataFacts): string {
  if (!steps?.length) return '';
  const rows = steps.map((s) => {
    const why = Object.entries(s.reasons).map(
      ([reason, n]) => `<small>${formatExact(n)}: ${escapeText(reason)}</small>`,
    );
    const figures = Object.entries(s.figures).map(
      ([name, v]) => `${escapeText(name)} ${typeof v === 'number' ? formatNumber(v) : escapeText(v)}`,
    );
    return `<tr><td>${escapeText(s.name)}${why.join('')}</td><td class="n">${formatExact(s.before)}</td><td class="n">${formatExact(s.removed)}</td><td class="n">${formatExact(s.after)}</td><td class="v">${figures.join('<br>')}</td></tr>`;
  });
  return `<div style="margin-top:30px"><h3>Steps from text to training data</h3><table><thead><tr><th>Step</th><th class="n">Rows in</th><th class="n">Removed</th><th class="n">Rows out</th><th class="v">Figures</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function problemsTable({ duplicates, problems }: ReportDataFacts): string {
  const found: ReportDataFacts['problems'] = [...duplicates, ...problems];
  if (found.length === 0) return '<h3>Duplicates and problems</h3><p class="empty">None found.</p>';
  const rows = found.map((p) => {
    const seen = (p.examples ?? [])
      .slice(0, 3)
      .map((x) => `<small>${escapeText(x.where)}: ${escapeText(x.text)}</small>`);
    return `<tr><td>${escapeText(p.kind)}${seen.join('')}</td><td class="n">${formatExact(p.count)}</td><td class="v">${escapeText(p.action)}</td></tr>`;
  });
  return `<h3>Duplicates and problems</h3><table><thead><tr><th>What</th><th class="n">Rows</th><th class="v">Done</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

/** Machine, versions, cost and the recipe. */
export function endSections(data: ReportData): string {
  const cost = data.cost;
  const list = (facts: { name: string; value: string }[]): string =>
    `<dl class="kv">${facts.map((f) => `<dt>${escapeHtml(f.name)}</dt><dd>${escapeText(f.value)}</dd>`).join('')}</dl>`;
  const costs = cost?.rows.length
    ? `<table><tbody>${cost.rows.map((r) => `<tr><td>${escapeText(r.item)}${r.note ? `<small>${escapeText(r.note)}</small>` : ''}</td><td class="n">${escapeText(r.amount)}</td></tr>`).join('')}${cost.total ? `<tr><td class="best">Total</td><td class="n best">${escapeText(cost.total)}</td></tr>` : ''}</tbody></table>`
    : '';
  const trained = data.arms.filter((a) => a.trainSeconds !== undefined);
  const both = [
    data.environment.length ? `<div><h3>Environment</h3>${list(data.environment)}</div>` : '',
    costs || trained.length
      ? `<div><h3>Cost</h3>${costs}${trained.length ? list(trained.map((a) => ({ name: `training, ${a.name}`, value: `${formatNumber(a.trainSeconds!)} s a seed` }))) : ''}</div>`
      : '',
  ].filter(Boolean);
  const about = data.metrics.filter((m) => m.about);
  return section(
    'How this was made',
    'Everything needed to make it again.',
    `<div class="pair">${both.join('')}</div>
    ${about.length ? `<h3 style="margin-top:28px">Measures</h3>${list(about.map((m) => ({ name: m.label, value: m.about! })))}` : ''}
    ${data.recipe ? `<details><summary>The recipe, resolved</summary><pre>${escapeText(data.recipe)}</pre></details>` : ''}`,
  );
}

/** Sentence on labels for the head of the results. */
export function goldNote(data: ReportData): string {
  const t = armOf(data, 'teacher');
  if (data.gold.kind === 'none')
    return 'There are no gold labels: the numbers say how often the student agrees with the teacher. <b>Accuracy is unknown.</b>';
  if (data.gold.kind === 'sample')
    return `Accuracy is measured on ${formatExact(data.gold.size)} hand-labelled examples; agreement with the teacher on all.`;
  return `Mean over seeds ± standard deviation${hasIntervals(data) ? '; in brackets the 95 % interval over test examples' : ''}.${t ? '' : ' No teacher was measured.'}`;
}
