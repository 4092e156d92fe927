import { type PreparedData, prepareData } from '../data/prepare.ts';
import { hubData } from '../data/sources/hub-data.ts';
import { type DataSpec, dataDefaults } from '../data/spec.ts';
import type { Example, Problem } from '../data/types.ts';
import type { ReportMetric, ReportValue } from '../evaluate/report/data.ts';
import { DecantError } from '../util/errors.ts';
import { armValues, classificationMetrics } from './classify-metrics.ts';
import type { Predictor } from './predict.ts';

export interface MeasureOptions {
  /** Relative paths start here. */
  baseDir: string;
  dataRoot?: string;
  env?: Readonly<Record<string, string | undefined>>;
  /** Roles to columns, as `data.columns` of a recipe. */
  columns?: Record<string, string>;
  /** Resamples and coverage of the interval of the accuracy. */
  resamples?: number;
  level?: number;
  onProblem?: (problem: Problem) => void;
}

export interface FolderMeasurement {
  /** Rows that were answered, and those of them with a label. */
  readonly rows: number;
  readonly labelled: number;
  readonly metrics: readonly ReportMetric[];
  readonly values: Readonly<Record<string, ReportValue>>;
  /** Rows per second, reading not included. */
  readonly throughput: number;
}

const TASKS = {
  image: 'image-classify',
  language: 'generate',
  text: 'classify',
  features: 'classify',
  ranker: 'rank',
} as const;

/** The rows of a source for measuring: every one of them, none removed for being a duplicate. */
export async function rowsToMeasure(
  source: string,
  predictor: Pick<Predictor, 'classes' | 'kind'> | { kind: 'language' | 'ranker' },
  options: MeasureOptions,
): Promise<PreparedData> {
  const spec: DataSpec = {
    ...structuredClone(dataDefaults),
    train: { source },
    test: { source },
    validation: 0,
    columns: options.columns ?? {},
    ...('classes' in predictor ? { classes: [...predictor.classes] } : {}),
    duplicates: { exact: 'report', near: { action: 'off', threshold: 1 }, leaks: 'off' },
    contradictions: 'report',
  };
  return prepareData(spec, {
    task: TASKS[predictor.kind],
    baseDir: options.baseDir,
    dataRoot: options.dataRoot,
    hub: hubData({ env: options.env ?? process.env }),
    // the source is read as training and as test rows; one of them is enough to complain about
    onProblem: (p) => p.split === 'test' && options.onProblem?.(p),
  });
}

/** Metrics of an opened classifier on rows; accuracy and calibration on those that carry a label. Errors: `data` without any. */
export async function measureFolder(
  predictor: Predictor,
  examples: readonly Example[],
  options: Pick<MeasureOptions, 'resamples' | 'level'> = {},
): Promise<FolderMeasurement> {
  const labels = Int32Array.from(examples, (e) => e.label ?? -1);
  const gold = examples.map((_, i) => i).filter((i) => labels[i] >= 0);
  if (gold.length === 0)
    throw new DecantError('data', 'no row carries a label, so there is nothing to measure against', {
      at: 'data',
      seen: `${examples.length} rows`,
      fix: 'name the column of the label with --label, or use "decant predict"',
    });
  const began = performance.now();
  const logits = await predictor.logits(examples);
  const seconds = (performance.now() - began) / 1000;
  const settings = { topK: 1, resamples: options.resamples ?? 1000, level: options.level ?? 0.95 };
  const values = armValues(
    { seeds: ['-'], logits: [logits] },
    labels,
    gold,
    undefined,
    predictor.classes.length,
    settings,
  );
  return {
    rows: examples.length,
    labelled: gold.length,
    metrics: classificationMetrics(true, 1).filter((m) => values[m.key]),
    values,
    throughput: examples.length / seconds,
  };
}
