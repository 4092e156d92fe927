import type { PreferenceRows } from '../../train/preference.ts';
import type { ResponseScores } from './score.ts';

/** A policy's figures on one set of rows, row by row; rows without such a response are left out. */
export interface PreferenceFigures {
  /** Share of the row's comparisons that the log-ratio to the reference decides rightly; ½ where it is equal. */
  readonly accuracy: Float64Array;
  /** Log-ratio of the better response minus that of the worse, nats. */
  readonly margin: Float64Array;
  /** As accuracy, by the policy's log-probabilities alone. */
  readonly ranking: Float64Array;
  /** log π - log π_ref of the best and of the worst responses, nats. */
  readonly chosenDrift: Float64Array;
  readonly rejectedDrift: Float64Array;
  /** KL(π ‖ π_ref) per token of all responses, nats. */
  readonly kl: number;
  /** exp of the negative log-likelihood per token of the best responses. */
  readonly perplexity: number;
}

interface Judged {
  accuracy: number;
  margin: number;
}

/** Mean over comparisons of a better and a worse value. */
function judge(pairs: readonly (readonly [better: number, worse: number])[]): Judged {
  let [right, margin] = [0, 0];
  for (const [a, b] of pairs) {
    right += a > b ? 1 : a === b ? 0.5 : 0;
    margin += a - b;
  }
  return { accuracy: right / pairs.length, margin: margin / pairs.length };
}

/** Comparisons of a row of several responses: all pairs with different scores. */
function within(values: readonly number[], scores: readonly number[]): [number, number][] {
  const pairs: [number, number][] = [];
  for (let i = 0; i < scores.length; i++)
    for (let j = 0; j < scores.length; j++) if (scores[i] > scores[j]) pairs.push([values[i], values[j]]);
  return pairs;
}

/**
 * Figures of a policy. Rows of single responses are compared with all rows of the other kind, so that their accuracy is
 * the area under the ROC curve.
 */
export function preferenceFigures(rows: PreferenceRows, s: ResponseScores): PreferenceFigures {
  const single = rows.width === 1;
  const ratio = (i: number): number => s.logp[i] - s.reference[i];
  const compare = (value: (i: number) => number): Judged[] => {
    if (!single)
      return rows.lists
        .map((list, r) => within(list.map(value), rows.scores[r]))
        .filter((pairs) => pairs.length > 0)
        .map(judge);
    const all = rows.lists.map(([i], r) => ({ value: value(i), good: rows.scores[r][0] > 0.5 }));
    const [good, bad] = [all.filter((a) => a.good), all.filter((a) => !a.good)];
    if (good.length === 0 || bad.length === 0) return [];
    return all.map((a) =>
      judge((a.good ? bad : good).map((b) => (a.good ? [a.value, b.value] : [b.value, a.value]))),
    );
  };
  const best: number[] = [];
  const worst: number[] = [];
  rows.lists.forEach((list, r) => {
    const scores = rows.scores[r];
    if (single) (scores[0] > 0.5 ? best : worst).push(list[0]);
    else {
      best.push(list[scores.indexOf(Math.max(...scores))]);
      worst.push(list[scores.indexOf(Math.min(...scores))]);
    }
  });
  const judged = compare(ratio);
  const sum = (places: readonly number[], value: (i: number) => number): number =>
    places.reduce((n, i) => n + value(i), 0);
  const every = rows.lists.flat();
  return {
    accuracy: Float64Array.from(judged, (j) => j.accuracy),
    margin: Float64Array.from(judged, (j) => j.margin),
    ranking: Float64Array.from(
      compare((i) => s.logp[i]),
      (j) => j.accuracy,
    ),
    chosenDrift: Float64Array.from(best, ratio),
    rejectedDrift: Float64Array.from(worst, ratio),
    kl: sum(every, (i) => s.kl[i]) / sum(every, (i) => s.tokens[i]),
    perplexity: Math.exp(-sum(best, (i) => s.logp[i]) / sum(best, (i) => s.tokens[i])),
  };
}
