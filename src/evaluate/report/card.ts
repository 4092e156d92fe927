import type { ModelCard } from '../../export/model-card.ts';
import type { ReportArm, ReportData, ReportMetric } from './data.ts';
import {
  formatBytes,
  formatCount,
  formatExact,
  formatInterval,
  formatSpread,
  formatValue,
} from './format.ts';
import { armOf } from './headline.ts';

/** What the card says beyond the report. */
export interface CardExtras {
  /** Class names in the order of the outputs. */
  labels?: readonly string[];
  license?: string;
  language?: string | readonly string[];
  /** Exported files with their sizes in bytes and the largest difference to the trained student's outputs. */
  files?: readonly { path: string; bytes: number; maxDifference?: number }[];
}

const PIPELINES: Record<string, string> = {
  classify: 'text-classification',
  'image-classify': 'image-classification',
  'node-classify': 'tabular-classification',
  generate: 'text-generation',
  prefer: 'text-generation',
  embed: 'feature-extraction',
  rank: 'text-ranking',
};

/** The model card of a run's student: the measured table of the report, in the report's own numbers. */
export function cardOfReport(report: ReportData, extras: CardExtras = {}): ModelCard {
  const metrics = report.metrics.filter((m) => report.arms.some((a) => a.values[m.key]));
  const student = armOf(report, 'distilled');
  const teacher = armOf(report, 'teacher');
  const sized = report.arms.some((a) => a.parameters !== undefined);
  const pipelineTag = Object.hasOwn(PIPELINES, report.task) ? PIPELINES[report.task] : undefined;
  return {
    name: report.title,
    summary: report.headline.sentence,
    pipelineTag,
    license: extras.license,
    language: extras.language,
    tags: [report.method],
    results: {
      caption: caption(report),
      columns: ['Model', ...metrics.map((m) => m.label), ...(sized ? ['Parameters'] : [])],
      rows: report.arms.map((a) => [
        a.name,
        ...metrics.map((m) => cell(a, m)),
        ...(sized ? [formatCount(a.parameters)] : []),
      ]),
    },
    metrics: student
      ? metrics
          .filter((m) => student.values[m.key])
          .map((m) => ({ type: hubMetric(m.key), name: m.label, value: student.values[m.key].mean }))
      : [],
    training: [
      ['Method', report.method],
      ...(teacher ? [['Teacher', join(teacher.about, teacher.parameters)] as const] : []),
      ...(student ? [['Student', join(student.about, student.parameters)] as const] : []),
      ...(student?.seeds.length ? [['Seeds', student.seeds.join(', ')] as const] : []),
      ...report.data.splits.map((s) => [`Data, ${s.name}`, `${formatExact(s.rows)} rows`] as const),
      ...report.environment.map((e) => [e.name, e.value] as const),
    ],
    files: extras.files?.map((f) => ({
      file: f.path,
      size: formatBytes(f.bytes),
      parity: f.maxDifference === undefined ? undefined : f.maxDifference.toExponential(1),
    })),
    usage: usage(pipelineTag),
    labels: extras.labels,
    limitations: limitations(report),
    recipe: report.recipe,
  };
}

function cell(arm: ReportArm, metric: ReportMetric): string {
  const v = arm.values[metric.key];
  if (!v) return '–';
  return [formatValue(v.mean, metric), formatSpread(v, metric), formatInterval(v.low, v.high, metric)]
    .filter(Boolean)
    .join(' ');
}

const join = (about: string | undefined, parameters: number | undefined): string =>
  [about, parameters === undefined ? undefined : `${formatCount(parameters)} parameters`]
    .filter(Boolean)
    .join(', ');

function caption(report: ReportData): string {
  const test = report.data.splits.find((s) => s.name === 'test');
  const where = test ? `Measured on ${formatExact(test.rows)} test examples. ` : '';
  if (report.gold.kind === 'none')
    return `${where}There are no gold labels: the numbers say how often the student agrees with the teacher; accuracy is unknown.`;
  return `${where}Mean over seeds ± standard deviation; in brackets the 95 % interval over test examples.`;
}

function limitations(report: ReportData): string[] {
  const out = [...report.warnings];
  const student = armOf(report, 'distilled');
  const worst = report.slices?.rows.find((r) => student && r.values[student.id] && !r.small);
  if (worst && student && report.slices) {
    const metric = report.metrics.find((m) => m.key === report.slices!.metric);
    if (metric)
      out.push(
        `Weakest on “${worst.slice}”: ${metric.label} ${formatValue(worst.values[student.id].mean, metric)} on ${formatExact(worst.count)} examples.`,
      );
  }
  const pair = report.confusion?.pairs[0];
  if (pair) out.push(`Most often takes “${pair.label}” for “${pair.predicted}”.`);
  out.push('Measured on data like its training data only; measure again before using it on anything else.');
  return out;
}

/** Lines that open the folder with transformers.js. */
function usage(pipelineTag: string | undefined): string | undefined {
  const input: Record<string, string> = {
    'text-classification': "'your text'",
    'image-classification': "'image.png'",
    'text-generation': "'Once upon a time'",
    'feature-extraction': "'your text', { pooling: 'mean', normalize: true }",
  };
  if (!pipelineTag || !Object.hasOwn(input, pipelineTag)) return undefined;
  return [
    "import { env, pipeline } from '@huggingface/transformers';",
    '',
    "env.localModelPath = '.'; // the folder that holds the model's folder",
    'env.allowRemoteModels = false;',
    `const run = await pipeline('${pipelineTag}', 'model', { dtype: 'fp32' });`,
    `console.log(await run(${input[pipelineTag]}));`,
  ].join('\n');
}

/** Names the hub knows for metrics. */
const hubMetric = (key: string): string => (key === 'macroF1' || key === 'microF1' ? 'f1' : key);
