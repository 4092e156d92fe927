import { mean, standardDeviation } from '../../evaluate/matrix.ts';
import { DecantError } from '../../util/errors.ts';
import type { ArmResult, Criterion, Judged, Measured, Verdict } from './types.ts';

const orNull = (x: number): number | null => (Number.isFinite(x) ? x : null);

/** Collects the measurements of all seeds by arm and metric. */
export function summarize(
  arms: Readonly<Record<string, string>>,
  runs: readonly Readonly<Record<string, Measured>>[],
): Record<string, ArmResult> {
  return Object.fromEntries(
    Object.entries(arms).map(([arm, what]) => {
      const names = Object.keys(runs[0][arm] ?? missing(arm, Object.keys(runs[0])));
      const metrics = names.map((m) => {
        const values = runs.map((r) => r[arm][m]);
        return [m, { mean: mean(values), sd: orNull(standardDeviation(values)), values }];
      });
      return [arm, { what, metrics: Object.fromEntries(metrics) }];
    }),
  );
}

/** Whether a criterion holds for the means over seeds. */
export function judge(c: Criterion, arms: Readonly<Record<string, ArmResult>>): Judged {
  const of = (arm: string) =>
    (arms[arm] ?? missing(arm, Object.keys(arms))).metrics[c.metric] ??
    missing(c.metric, Object.keys(arms[arm].metrics));
  const sign = c.better === 'higher' ? 1 : -1;
  const rival = c.against.reduce((a, b) => (sign * (of(b).mean - of(a).mean) > 0 ? b : a));
  const [own, other] = [of(c.arm), of(rival)];
  const ahead = sign * (own.mean - other.mean);
  const paired = own.values.map((v, i) => sign * (v - other.values[i]));
  const { by } = c;
  const met =
    'within' in by
      ? paired.every((d) => Math.abs(d) <= by.within)
      : ahead >= ('share' in by ? by.share * Math.abs(other.mean) : by.atLeast);
  return {
    says: c.says,
    role: c.role,
    metric: c.metric,
    arm: c.arm,
    against: rival,
    ahead,
    aheadSd: orNull(standardDeviation(paired)),
    needed:
      'within' in by
        ? `within ${by.within} on every seed`
        : 'share' in by
          ? `at least ${100 * by.share} % of the other's`
          : `at least ${by.atLeast}`,
    met,
  };
}

/** Reproduced: every main criterion holds; partly: some do; not: none. */
export function verdictOf(judged: readonly Judged[]): Verdict {
  const main = judged.filter((j) => j.role === 'main');
  const met = main.filter((j) => j.met).length;
  return met === main.length && met > 0 ? 'reproduced' : met > 0 ? 'partly' : 'not';
}

function missing(name: string, known: readonly string[]): never {
  throw new DecantError('internal', 'a criterion names something that was not measured', {
    seen: name,
    allowed: known.join(', '),
  });
}
