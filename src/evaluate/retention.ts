import { createRng } from '../util/rng.ts';
import { type BootstrapOptions, type Interval, intervalFromResamples } from './bootstrap.ts';
import { mean, sameLength } from './matrix.ts';
import { type ArmScores, resampledMean, seedMean, seedsOf } from './paired-tests.ts';

export interface RetentionOptions extends BootstrapOptions {
  /** `score` (default): higher is better, share = student / teacher. `loss`: lower is better, share = teacher /
   * student. `nll`: per-token nats, share = exp(teacher - student) = ratio of perplexities. */
  kind?: 'score' | 'loss' | 'nll';
}

/**
 * Share of the teacher's quality that the student kept, from per-example scores of both on the same examples, with
 * a paired percentile interval (examples resampled in pairs, seeds of an arm with several resampled too).
 * 1 means all of it; above 1 the student is better.
 */
export function retention(student: ArmScores, teacher: ArmScores, options: RetentionOptions = {}): Interval {
  const { kind = 'score' } = options;
  const share = (s: number, t: number): number =>
    kind === 'score' ? s / t : kind === 'loss' ? t / s : Math.exp(t - s);
  return resampledRatio([student, teacher], ([s, t]) => share(s, t), options);
}

/**
 * Share of the gap between an undistilled student and the teacher that distillation closed,
 * (student - baseline) / (teacher - baseline); not defined (NaN) where teacher and baseline are equal.
 */
export function gapClosed(
  student: ArmScores,
  baseline: ArmScores,
  teacher: ArmScores,
  options: BootstrapOptions = {},
): Interval {
  return resampledRatio(
    [student, baseline, teacher],
    ([s, b, t]) => (t === b ? Number.NaN : (s - b) / (t - b)),
    options,
  );
}

function resampledRatio(
  arms: readonly ArmScores[],
  statistic: (means: readonly number[]) => number,
  { resamples = 2000, level = 0.95, seed = 0 }: BootstrapOptions,
): Interval {
  const rows = arms.map(seedsOf);
  const n = rows[0][0].length;
  for (const arm of rows) sameLength(rows[0][0], arm[0], 'the scores of the arms');
  const rng = createRng(`retention/${seed}`);
  const sample = new Int32Array(n);
  const values = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < n; i++) sample[i] = rng.int(n);
    values[r] = statistic(
      rows.map((arm) =>
        resampledMean(
          arm,
          arm.map(() => rng.int(arm.length)),
          sample,
        ),
      ),
    );
  }
  return intervalFromResamples(statistic(arms.map((a) => mean(seedMean(a)))), values, level);
}
