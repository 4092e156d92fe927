import type { Example } from '../data/types.ts';
import { klToTeacher, teacherAgreement, topKAgreement } from '../evaluate/agreement.ts';
import { meanInterval } from '../evaluate/bootstrap.ts';
import { calibrationSummary } from '../evaluate/calibration.ts';
import { accuracy, confusionMatrix, correctness, macroF1 } from '../evaluate/classification.ts';
import { argmaxRows, softmaxRows } from '../evaluate/matrix.ts';
import { seedMean } from '../evaluate/paired-tests.ts';
import type { ReportMetric, ReportSlices, ReportValue } from '../evaluate/report/data.ts';
import { type NDArray, ndarray } from '../graph/index.ts';
import type { Recipe } from '../recipe/schema/recipe.ts';
import { sliceTable } from './slices.ts';
import { mean, spread } from './spread.ts';

/** Test logits of one arm, one matrix `[examples, classes]` per seed. */
export interface ArmOutputs {
  readonly seeds: readonly (number | string)[];
  readonly logits: readonly NDArray[];
}

export interface MetricOptions {
  readonly topK: number;
  readonly resamples: number;
  readonly level: number;
}

/** What the report's columns mean for classification. */
export function classificationMetrics(gold: boolean, topK: number): ReportMetric[] {
  const withGold: ReportMetric[] = [
    {
      key: 'accuracy',
      label: 'Accuracy',
      about: 'share of test examples whose class is right',
      format: 'percent',
      better: 'higher',
    },
    {
      key: 'macroF1',
      label: 'Macro-F1',
      about: 'F1 averaged over classes, each counting the same',
      format: 'percent',
      better: 'higher',
    },
    {
      key: 'nll',
      label: 'NLL',
      about: 'negative log-likelihood of the right class, nats',
      format: 'number',
      better: 'lower',
    },
    {
      key: 'ece',
      label: 'ECE',
      about: 'expected calibration error, 15 bins of equal width',
      format: 'percent',
      better: 'lower',
    },
    {
      key: 'eceMass',
      label: 'ECE (mass)',
      about: 'expected calibration error, 15 bins of equal size',
      format: 'percent',
      better: 'lower',
    },
    {
      key: 'brier',
      label: 'Brier',
      about: 'squared error of the probabilities',
      format: 'number',
      better: 'lower',
    },
  ];
  const toTeacher: ReportMetric[] = [
    {
      key: 'agreement',
      label: 'Agreement',
      about: "share of test examples with the teacher's class",
      format: 'percent',
      better: 'higher',
    },
    {
      key: 'topk',
      label: `Teacher in top ${topK}`,
      about: `share whose ${topK} likeliest classes hold the teacher's`,
      format: 'percent',
      better: 'higher',
    },
    {
      key: 'kl',
      label: 'KL to teacher',
      about: 'KL(teacher ‖ student), nats',
      format: 'number',
      better: 'lower',
    },
  ];
  return gold ? [...withGold, ...toTeacher] : toTeacher;
}

/** Class indices of an arm, one array per seed. */
export const predictions = (arm: ArmOutputs): Int32Array[] => arm.logits.map((l) => argmaxRows(l));

/** Right (1) or wrong (0) per example, one array per seed; `rows` selects the examples with a label. */
export function marks(arm: ArmOutputs, labels: ArrayLike<number>, rows: readonly number[]): Uint8Array[] {
  const gold = Int32Array.from(rows, (i) => labels[i]);
  return predictions(arm).map((p) =>
    correctness(
      Int32Array.from(rows, (i) => p[i]),
      gold,
    ),
  );
}

/** Rows of a matrix. */
export function takeRows(m: NDArray, rows: readonly number[]): NDArray {
  const width = m.shape[1];
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, r) => {
    out.set((m.data as Float32Array).subarray(row * width, (row + 1) * width), r * width);
  });
  return ndarray(out, [rows.length, width]);
}

/** Every metric of an arm, with its spread over seeds and, for accuracy and agreement, intervals over examples. */
export function armValues(
  arm: ArmOutputs,
  labels: ArrayLike<number>,
  rows: readonly number[],
  teacher: NDArray | undefined,
  classes: number,
  options: MetricOptions,
): Record<string, ReportValue> {
  const gold = Int32Array.from(rows, (i) => labels[i]);
  const perSeed: Record<string, number[]> = {};
  const push = (key: string, value: number): void => {
    perSeed[key] ??= [];
    perSeed[key].push(value);
  };
  for (const logits of arm.logits) {
    if (rows.length > 0) {
      const labelled = takeRows(logits, rows);
      const predicted = argmaxRows(labelled);
      const c = calibrationSummary(probabilities(labelled), gold);
      push('accuracy', accuracy(predicted, gold));
      push('macroF1', macroF1(confusionMatrix(predicted, gold, classes)));
      push('nll', c.nll);
      push('ece', c.eceWidth);
      push('eceMass', c.eceMass);
      push('brier', c.brier);
    }
    if (teacher) {
      const kl = klToTeacher(logits, teacher);
      push('agreement', teacherAgreement(logits, teacher));
      push('topk', mean(topKAgreement(logits, teacher, options.topK)));
      push('kl', mean(kl));
    }
  }
  const values = Object.fromEntries(Object.entries(perSeed).map(([key, list]) => [key, spread(list)]));
  if (rows.length > 0) {
    const interval = meanInterval(seedMean(marks(arm, labels, rows)), {
      resamples: options.resamples,
      level: options.level,
    });
    values.accuracy = { ...values.accuracy, low: interval.low, high: interval.high };
  }
  return values;
}

/** Softmax of every row. */
function probabilities(logits: NDArray): NDArray {
  const p = softmaxRows(logits);
  return ndarray(Float32Array.from(p.data), [p.rows, p.cols]);
}

/** Accuracy (agreement with the teacher, where no row has a label) by the values of `evaluate.slices`. */
export function classSlices(
  { evaluate }: Recipe,
  arms: readonly { readonly id: string; readonly outputs: ArmOutputs }[],
  test: readonly Example[],
  labels: ArrayLike<number>,
  gold: readonly number[],
  options: { resamples: number; level: number },
): ReportSlices | undefined {
  const teacher = arms.find((a) => a.id === 'teacher');
  const known = gold.length > 0;
  const wanted = known || !teacher ? labels : predictions(teacher.outputs)[0];
  const all = test.map((_, i) => i);
  const sliced = arms
    .filter((arm) => known || arm !== teacher)
    .map((arm) => {
      const right = marks(arm.outputs, wanted, all);
      return { id: arm.id, perSeed: (rows: ArrayLike<number>) => right.map((r) => meanOf(r, rows)) };
    });
  const metric = known ? 'accuracy' : 'agreement';
  return sliceTable(evaluate.slices, known ? gold : all, (row) => test[row], sliced, {
    metric,
    better: 'higher',
    ...options,
  });
}

const meanOf = (values: ArrayLike<number>, rows: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < rows.length; i++) sum += values[rows[i]];
  return sum / rows.length;
};
