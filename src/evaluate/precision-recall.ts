import { DecantError } from '../util/errors.ts';
import { sameLength } from './matrix.ts';

/** Precision and recall of "score ≥ threshold" at every distinct score, thresholds ascending, recall descending. */
export interface PrecisionRecall {
  readonly thresholds: Float64Array;
  readonly precision: Float64Array;
  readonly recall: Float64Array;
}

/**
 * The precision-recall curve (scores `[n]`, labels 1 or 0 `[n]`). It begins at the largest threshold that still has
 * recall 1, as lower ones only cost precision. Errors: `data` without a positive label.
 */
export function precisionRecall(scores: ArrayLike<number>, labels: ArrayLike<number>): PrecisionRecall {
  const n = sameLength(scores, labels, 'scores and labels');
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const positives = order.reduce((s, i) => s + (labels[i] > 0 ? 1 : 0), 0);
  if (positives === 0)
    throw new DecantError('data', 'precision and recall need at least one positive label', {
      seen: `${n} rows, none positive`,
    });
  const points: { threshold: number; precision: number; recall: number }[] = [];
  let hits = 0;
  for (let k = 0; k < n; k++) {
    if (labels[order[k]] > 0) hits++;
    const threshold = scores[order[k]];
    if (k + 1 < n && scores[order[k + 1]] === threshold) continue;
    points.push({ threshold, precision: hits / (k + 1), recall: hits / positives });
    if (hits === positives) break;
  }
  points.reverse();
  return {
    thresholds: Float64Array.from(points, (p) => p.threshold),
    precision: Float64Array.from(points, (p) => p.precision),
    recall: Float64Array.from(points, (p) => p.recall),
  };
}

/** The first point of the curve, thresholds ascending, whose recall is at most `target`. Errors: `data` when none is so low. */
export function cutoffAtRecall(
  curve: PrecisionRecall,
  target: number,
): { cutoff: number; precision: number; recall: number } {
  const at = curve.recall.findIndex((r) => r <= target);
  if (at < 0)
    throw new DecantError('data', 'no cutoff has a recall as low as this', {
      at: 'recall',
      seen: target,
      allowed: `from ${curve.recall.at(-1)}: the best score alone already finds that share`,
      fix: 'give more rated rows',
    });
  return { cutoff: curve.thresholds[at], precision: curve.precision[at], recall: curve.recall[at] };
}

/** Share of positives among scores strictly above a cutoff, and how many those are; NaN where there are none. */
export function precisionAbove(
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  cutoff: number,
): { precision: number; kept: number } {
  const n = sameLength(scores, labels, 'scores and labels');
  let kept = 0;
  let right = 0;
  for (let i = 0; i < n; i++) {
    if (!(scores[i] > cutoff)) continue;
    kept++;
    if (labels[i] > 0) right++;
  }
  return { precision: right / kept, kept };
}

/** Area under the ROC curve: how often a positive outscores a negative, ties counting half. NaN with one kind only. */
export function rocArea(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  const n = sameLength(scores, labels, 'scores and labels');
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => scores[a] - scores[b]);
  let [rank, positives] = [0, 0];
  for (let from = 0; from < n; ) {
    let to = from;
    while (to < n && scores[order[to]] === scores[order[from]]) to++;
    for (let k = from; k < to; k++) {
      if (labels[order[k]] <= 0) continue;
      positives++;
      rank += (from + 1 + to) / 2;
    }
    from = to;
  }
  return (rank - (positives * (positives + 1)) / 2) / (positives * (n - positives));
}
