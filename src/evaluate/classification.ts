import { DecantError } from '../util/errors.ts';
import { sameLength } from './matrix.ts';

/** 1 where prediction and label are equal, else 0: `[n]`, the un-reduced accuracy that intervals are made from. */
export function correctness(predicted: ArrayLike<number>, labels: ArrayLike<number>): Uint8Array {
  const n = sameLength(predicted, labels, 'predictions and labels');
  const out = new Uint8Array(n);
  for (let i = 0; i < n; i++) out[i] = predicted[i] === labels[i] ? 1 : 0;
  return out;
}

/** Share of examples whose prediction equals the label; NaN for no examples. */
export function accuracy(predicted: ArrayLike<number>, labels: ArrayLike<number>): number {
  const right = correctness(predicted, labels);
  return right.length ? right.reduce((a, b) => a + b, 0) / right.length : Number.NaN;
}

/** Counts C[label, prediction], row-major `[classes, classes]`. */
export interface Confusion {
  classes: number;
  counts: Int32Array;
}

/** Confusion matrix; a class outside [0, classes) throws with its position. */
export function confusionMatrix(
  predicted: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): Confusion {
  const n = sameLength(predicted, labels, 'predictions and labels');
  const counts = new Int32Array(classes * classes);
  for (let i = 0; i < n; i++) {
    for (const [name, c] of [
      ['label', labels[i]],
      ['prediction', predicted[i]],
    ] as const)
      if (!Number.isInteger(c) || c < 0 || c >= classes)
        throw new DecantError('data', `${name} of example ${i} is no class`, {
          seen: c,
          allowed: `0 to ${classes - 1}`,
        });
    counts[labels[i] * classes + predicted[i]]++;
  }
  return { classes, counts };
}

export interface ClassScores {
  /** tp / (tp + fp); 0 where nothing was predicted as the class. */
  precision: Float64Array;
  /** tp / (tp + fn); 0 where the class does not occur. */
  recall: Float64Array;
  /** 2 tp / (2 tp + fp + fn); 0 where the class neither occurs nor is predicted. */
  f1: Float64Array;
  /** Examples of each class. */
  support: Int32Array;
}

/** Precision, recall and F1 of every class, `[classes]` each (van Rijsbergen 1979, chapter 7). */
export function classScores({ classes, counts }: Confusion): ClassScores {
  const out: ClassScores = {
    precision: new Float64Array(classes),
    recall: new Float64Array(classes),
    f1: new Float64Array(classes),
    support: new Int32Array(classes),
  };
  for (let c = 0; c < classes; c++) {
    const tp = counts[c * classes + c];
    let row = 0;
    let column = 0;
    for (let o = 0; o < classes; o++) {
      row += counts[c * classes + o];
      column += counts[o * classes + c];
    }
    out.support[c] = row;
    out.precision[c] = column ? tp / column : 0;
    out.recall[c] = row ? tp / row : 0;
    out.f1[c] = row + column ? (2 * tp) / (row + column) : 0;
  }
  return out;
}

/**
 * Unweighted mean of the classes' F1 over the classes that occur or are predicted (scikit-learn's
 * `f1_score(average='macro')`); NaN without examples.
 */
export function macroF1(confusion: Confusion): number {
  const { f1, support, precision } = classScores(confusion);
  let sum = 0;
  let seen = 0;
  for (let c = 0; c < confusion.classes; c++) {
    const predicted = precision[c] > 0 || columnSum(confusion, c) > 0;
    if (support[c] === 0 && !predicted) continue;
    sum += f1[c];
    seen++;
  }
  return seen ? sum / seen : Number.NaN;
}

/** F1 of the summed counts, 2Σtp / (2Σtp + Σfp + Σfn); equals accuracy when each example has one label. */
export function microF1({ classes, counts }: Confusion): number {
  let tp = 0;
  let total = 0;
  for (let c = 0; c < classes; c++) {
    tp += counts[c * classes + c];
    for (let o = 0; o < classes; o++) total += counts[c * classes + o];
  }
  return total ? (2 * tp) / (2 * tp + 2 * (total - tp)) : Number.NaN;
}

/** F1 weighted by how often each class occurs. */
export function weightedF1(confusion: Confusion): number {
  const { f1, support } = classScores(confusion);
  const total = support.reduce((a, b) => a + b, 0);
  return total ? f1.reduce((sum, f, c) => sum + f * support[c], 0) / total : Number.NaN;
}

export interface ConfusedPair {
  label: number;
  predicted: number;
  count: number;
  /** Share of the label's examples that were given this prediction. */
  share: number;
}

/** The most frequent mistakes (label, prediction), largest first; ties by class number. */
export function confusedPairs({ classes, counts }: Confusion, limit = 10): ConfusedPair[] {
  const pairs: ConfusedPair[] = [];
  for (let label = 0; label < classes; label++) {
    let support = 0;
    for (let o = 0; o < classes; o++) support += counts[label * classes + o];
    for (let predicted = 0; predicted < classes; predicted++) {
      const count = counts[label * classes + predicted];
      if (label !== predicted && count > 0) pairs.push({ label, predicted, count, share: count / support });
    }
  }
  return pairs
    .sort((a, b) => b.count - a.count || b.share - a.share || a.label - b.label || a.predicted - b.predicted)
    .slice(0, limit);
}

function columnSum({ classes, counts }: Confusion, c: number): number {
  let sum = 0;
  for (let o = 0; o < classes; o++) sum += counts[o * classes + c];
  return sum;
}
