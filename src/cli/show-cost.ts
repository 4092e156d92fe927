import { whole } from './io.ts';
import type { PlannedCost, PlannedModel } from './plan-cost.ts';

const duration = (s: number): string =>
  s < 90
    ? `${Math.max(1, Math.round(s))} s`
    : s < 5400
      ? `${Math.round(s / 60)} min`
      : `${(s / 3600).toFixed(1)} h`;

/** Sizes and time for people. */
export function showCost({ teacher, student, teacherSteps, seconds, budget }: PlannedCost): string[] {
  const size = (m: PlannedModel): string => `${m.atMost ? 'at most ' : ''}${whole(m.parameters)} parameters`;
  const out: string[] = [];
  if (teacher)
    out.push(
      `teacher ${size(teacher)}${teacherSteps === undefined ? '' : `, trained in ${whole(teacherSteps)} updates`}`,
    );
  if (student)
    out.push(
      `student ${size(student)}${teacher && teacher.parameters > 0 ? `, ${((100 * student.parameters) / teacher.parameters).toFixed(1)} % of the teacher` : ''}`,
    );
  if (seconds !== undefined)
    out.push(
      `time    about ${duration(seconds)} here for all training, a third to three times that; measuring and exporting come on top`,
    );
  if (budget === undefined) out.push('cost    nothing: no teacher behind an API');
  else if (budget === 'none') out.push('cost    no limit is set for the API: set teacher.budget');
  else
    out.push(
      `cost    at most ${[budget.money === undefined ? '' : `${budget.money} in money`, budget.tokens === undefined ? '' : `${whole(budget.tokens)} tokens`].filter(Boolean).join(' and ')} (teacher.budget)`,
    );
  return out;
}
