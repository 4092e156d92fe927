import type { ReportArm, ReportData, ReportSamples } from '../../evaluate/report/data.ts';
import {
  maximumMeanDiscrepancy,
  precisionRecall,
  rootMeanSquare,
  slicedWasserstein,
} from '../../evaluate/samples.ts';
import type { NDArray } from '../../graph/index.ts';
import { spread } from '../spread.ts';
import { thumbnail } from '../thumbnail.ts';
import { takeRows } from './fit.ts';
import { pictures, type SampleForm } from './samples.ts';

/** Samples of one arm, one array per seed. */
export interface DrawnArm extends Omit<ReportArm, 'values'> {
  readonly samples: readonly NDArray[];
  /** Calls of the network per sample; none for the data itself. */
  readonly evaluations?: number;
}

/** Figures of an arm's samples against test rows, and against the teacher's samples of the same noise. */
export function measuredArm(arm: DrawnArm, test: NDArray, teacher: NDArray): ReportArm {
  const { samples, evaluations, ...rest } = arm;
  const sets = samples.map((s) => ({ s, ...precisionRecall(s, test) }));
  return {
    ...rest,
    values: {
      distance: spread(samples.map((s) => slicedWasserstein(s, test))),
      mmd: spread(samples.map((s) => maximumMeanDiscrepancy(s, test))),
      precision: spread(sets.map((x) => x.precision)),
      recall: spread(sets.map((x) => x.recall)),
      ...(evaluations !== undefined && samples[0] !== teacher
        ? { gap: spread(samples.map((s) => rootMeanSquare(s, teacher))) }
        : {}),
      ...(evaluations !== undefined ? { evaluations: { mean: evaluations } } : {}),
    },
  };
}

/** Points or pictures of each arm side by side; the same noise in every panel. */
export function samplePanels(
  arms: readonly Pick<DrawnArm, 'name' | 'samples'>[],
  form: SampleForm,
  features: readonly string[],
): ReportSamples | undefined {
  if (form.kind === 'points' && form.shape[0] < 2) return undefined;
  const shown = form.kind === 'points' ? 1500 : 48;
  return {
    kind: form.kind,
    axes: form.kind === 'points' ? [features[0] ?? '1', features[1] ?? '2'] : undefined,
    panels: arms.map(({ name, samples: [all] }) => {
      const some = takeRows(
        all,
        Array.from({ length: Math.min(shown, all.shape[0]) }, (_, i) => i),
      );
      if (form.kind === 'images')
        return { title: name, images: pictures(some, form).map((p) => thumbnail(p)!) };
      const width = form.shape[0];
      const value = (r: number, c: number): number =>
        Number((Number(some.data[r * width + c]) * form.scale!.std[c] + form.scale!.mean[c]).toPrecision(5));
      return {
        title: name,
        points: Array.from({ length: some.shape[0] }, (_, r): [number, number] => [value(r, 0), value(r, 1)]),
      };
    }),
  };
}

const calls = (n: number): string => `${n} network evaluation${n === 1 ? '' : 's'}`;

/** What came out, in plain words. */
export function sampleHeadline(
  arms: readonly ReportArm[],
  facts: { steps: number; rowsRead: number; floor?: ReportArm },
): ReportData['headline'] {
  const of = (role: ReportArm['role']): ReportArm | undefined => arms.find((a) => a.role === role);
  const show = (a: ReportArm): string => a.values.distance.mean.toPrecision(3);
  const [teacher, student, alone] = [of('teacher')!, of('distilled')!, of('alone')];
  const own = student.values.evaluations.mean;
  const steps = (a: ReportArm): number => a.values.evaluations.mean;
  const byStep = arms
    .filter((a) => a === teacher || (a.role === 'other' && a.values.evaluations))
    .sort((a, b) => steps(a) - steps(b));
  const reached = byStep.filter((a) => a.values.distance.mean >= student.values.distance.mean).at(-1);
  const parts = [
    `With ${calls(own)} the student's samples come within ${show(student)} of the test rows (sliced Wasserstein distance); the teacher's come within ${show(teacher)}, with ${facts.steps}.`,
    reached
      ? `The student is at least as near as the teacher with ${steps(reached)} step${steps(reached) === 1 ? '' : 's'} (${show(reached)}).`
      : `The teacher is nearer with every number of steps that was measured, from ${steps(byStep[0])} on.`,
  ];
  if (alone) parts.push(`The same network trained on the data alone and drawn with as many: ${show(alone)}.`);
  if (facts.floor) parts.push(`Other rows of the data: ${show(facts.floor)}.`);
  parts.push(
    facts.rowsRead === 0
      ? "The student's training read no row of the data."
      : `The student's training read ${facts.rowsRead.toLocaleString('en')} rows of the data.`,
  );
  return { sentence: parts.join(' ') };
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** Samples that look right one by one and still miss most of the data's variety. */
export function sampleWarnings(arms: readonly ReportArm[]): string[] {
  const recall = (role: ReportArm['role']): number | undefined =>
    arms.find((a) => a.role === role)?.values.recall?.mean;
  const [teacher, student] = [recall('teacher'), recall('distilled')];
  if (teacher === undefined || student === undefined || student >= teacher / 2) return [];
  return [
    `The student draws little of the variety of the data: its samples reach ${percent(student)} of the test rows, the teacher's ${percent(teacher)}. High precision beside low recall means samples that are typical and alike; more steps of training, or more steps of sampling, bring variety back.`,
  ];
}
