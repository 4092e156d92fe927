import type { Criterion } from './types.ts';

type Better = (
  says: string,
  metric: string,
  arm: string,
  against: string | readonly string[],
  /** How far ahead, in units of the metric, or another measure. */
  by?: number | Criterion['by'],
) => Criterion;

const criterion =
  (better: Criterion['better']): Better =>
  (says, metric, arm, against, by = 0) => ({
    says,
    metric,
    arm,
    against: typeof against === 'string' ? [against] : against,
    better,
    by: typeof by === 'number' ? { atLeast: by } : by,
    role: 'secondary',
  });

/** A secondary criterion: the arm's metric is above the best of the others', by 0 or more. */
export const higher = criterion('higher');
/** A secondary criterion: it is below. */
export const lower = criterion('lower');
/** A criterion that decides the verdict. */
export const main = (c: Criterion): Criterion => ({ ...c, role: 'main' });
