import { calibrationError, reliabilityTable } from '../evaluate/calibration.ts';
import { argmaxRows, softmaxRows } from '../evaluate/matrix.ts';
import { pairedBootstrap } from '../evaluate/paired-tests.ts';
import type {
  ReportArm,
  ReportComparison,
  ReportConfusion,
  ReportData,
  ReportExample,
  ReportReliability,
} from '../evaluate/report/data.ts';
import { gapClosed, retention } from '../evaluate/retention.ts';
import type { NDArray } from '../graph/index.ts';
import { type ArmOutputs, marks, predictions } from './classify-metrics.ts';
import type { RunContext } from './context.ts';
import { parameterShare } from './report-parts.ts';
import { textOf } from './text.ts';
import { thumbnail } from './thumbnail.ts';

/** An arm as it was measured. */
export interface MeasuredArm extends ReportArm {
  readonly outputs: ArmOutputs;
}

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;

/** The share that was kept and the gap that was closed, in numbers and in one plain sentence. */
export function headline(
  arms: readonly MeasuredArm[],
  labels: ArrayLike<number>,
  rows: readonly number[],
  options: { resamples: number; level: number },
): ReportData['headline'] {
  const find = (role: ReportArm['role']): MeasuredArm | undefined => arms.find((a) => a.role === role);
  const [teacher, distilled, alone, linear] = [
    find('teacher'),
    find('distilled'),
    find('alone'),
    find('linear'),
  ];
  if (!teacher || !distilled) return { sentence: 'No student was distilled in this run.' };
  if (rows.length === 0) {
    const a = distilled.values.agreement;
    return {
      sentence: `The student gives the teacher's answer on ${percent(a.mean)} of the test inputs. There are no gold labels: how often either is right is unknown.`,
    };
  }
  const of = (a: MeasuredArm): Uint8Array[] => marks(a.outputs, labels, rows);
  const share = retention(of(distilled), of(teacher), { ...options, kind: 'score' });
  const kept = { estimate: share.estimate, low: share.low, high: share.high, level: share.level };
  const parts = [
    `The student keeps ${percent(kept.estimate)} of the teacher's accuracy (${percent(distilled.values.accuracy.mean)} of ${percent(teacher.values.accuracy.mean)})`,
  ];
  const size = parameterShare(distilled, teacher);
  if (size) parts.push(size);
  let gap: ReportData['headline']['gapClosed'];
  const rest: string[] = [];
  if (alone) {
    const d = pairedBootstrap(of(distilled), of(alone), options);
    const sign = d.low > 0 ? 'beats' : d.high < 0 ? 'is worse than' : 'cannot be told from';
    rest.push(
      `It ${sign} the same student without a teacher (${percent(alone.values.accuracy.mean)}, difference ${(100 * d.estimate).toFixed(1)} points, interval ${(100 * d.low).toFixed(1)} to ${(100 * d.high).toFixed(1)}).`,
    );
    if (teacher.values.accuracy.mean > alone.values.accuracy.mean) {
      const g = gapClosed(of(distilled), of(alone), of(teacher), options);
      gap = { estimate: g.estimate, low: g.low, high: g.high };
    }
  }
  if (linear && linear.values.accuracy.mean > distilled.values.accuracy.mean)
    rest.push(`A linear model on TF-IDF features does better: ${percent(linear.values.accuracy.mean)}.`);
  if (linear && linear.values.accuracy.mean > teacher.values.accuracy.mean)
    rest.push('It also does better than the teacher: the teacher is the first thing to improve.');
  return { kept, gapClosed: gap, sentence: `${parts.join(' ')}. ${rest.join(' ')}`.trim() };
}

/** Paired comparisons that the reader will ask for. */
export function comparisons(
  arms: readonly MeasuredArm[],
  labels: ArrayLike<number>,
  rows: readonly number[],
  options: { resamples: number; level: number },
): ReportComparison[] {
  if (rows.length === 0) return [];
  const distilled = arms.find((a) => a.role === 'distilled');
  if (!distilled) return [];
  return arms
    .filter((a) => a !== distilled && a.values.accuracy)
    .map((other) => {
      const d = pairedBootstrap(
        marks(distilled.outputs, labels, rows),
        marks(other.outputs, labels, rows),
        options,
      );
      return {
        name: `Distilled minus ${{ teacher: 'teacher', alone: 'student without teacher', linear: 'linear baseline', distilled: '', other: other.name }[other.role]}`,
        metric: 'accuracy',
        difference: d.estimate,
        low: d.low,
        high: d.high,
        p: d.p,
        test: 'paired bootstrap over test examples and seeds',
      };
    });
}

/** Reliability of each arm's first seed. */
export const reliability = (
  arms: readonly MeasuredArm[],
  labels: ArrayLike<number>,
  rows: readonly number[],
): ReportReliability[] =>
  rows.length === 0
    ? []
    : arms.map((arm) => {
        const p = softmaxRows(arm.outputs.logits[0]);
        const chosen = argmaxRows(arm.outputs.logits[0]);
        const table = reliabilityTable(
          rows.map((i) => p.data[i * p.cols + chosen[i]]),
          rows.map((i) => (chosen[i] === labels[i] ? 1 : 0)),
          10,
        );
        return { arm: arm.id, ece: calibrationError(table), bins: table.filter((b) => b.count > 0) };
      });

/** The class pairs that the distilled student (first seed) confuses most, with the teacher's count beside. */
export function confusions(
  student: MeasuredArm,
  teacher: MeasuredArm | undefined,
  labels: ArrayLike<number>,
  rows: readonly number[],
  classes: readonly string[],
  count = 12,
): ReportConfusion | undefined {
  if (rows.length === 0) return undefined;
  const tally = (arm: MeasuredArm): Map<string, number> => {
    const [p] = predictions(arm.outputs);
    const pairs = new Map<string, number>();
    for (const i of rows)
      if (p[i] !== labels[i]) pairs.set(`${labels[i]},${p[i]}`, (pairs.get(`${labels[i]},${p[i]}`) ?? 0) + 1);
    return pairs;
  };
  const mine = tally(student);
  const theirs = teacher ? tally(teacher) : undefined;
  const perClass = new Map<number, number>();
  for (const i of rows) perClass.set(labels[i], (perClass.get(labels[i]) ?? 0) + 1);
  const pairs = [...mine]
    .sort((a, b) => b[1] - a[1])
    .slice(0, count)
    .map(([key, n]) => {
      const [label, predicted] = key.split(',').map(Number);
      return {
        label: classes[label],
        predicted: classes[predicted],
        count: n,
        share: n / perClass.get(label)!,
        ...(theirs ? { teacherCount: theirs.get(key) ?? 0 } : {}),
      };
    });
  return { arm: student.id, examples: rows.length, pairs };
}

/** Test examples where teacher and student differ, the surest disagreements first. */
export function differingExamples(
  ctx: RunContext,
  student: MeasuredArm,
  teacherLogits: NDArray,
  classes: readonly string[],
  count: number,
): ReportExample[] {
  const test = ctx.data.splits.test!.items!;
  const s = softmaxRows(student.outputs.logits[0]);
  const t = softmaxRows(teacherLogits);
  const [a, b] = [argmaxRows(student.outputs.logits[0]), argmaxRows(teacherLogits)];
  const rows = test
    .map((_, i) => i)
    .filter((i) => a[i] !== b[i])
    .map((i) => ({ i, sure: s.data[i * s.cols + a[i]] * t.data[i * t.cols + b[i]] }))
    .sort((x, y) => y.sure - x.sure)
    .slice(0, count);
  return rows.map(({ i }) => {
    const gold = test[i].label ?? -1;
    const image = thumbnail(test[i]);
    const answer = (c: number, p: number) => ({
      text: classes[c],
      confidence: p,
      ...(gold >= 0 ? { correct: c === gold } : {}),
    });
    return {
      input: textOf(test[i]) || `${test[i].file}:${test[i].line}`,
      ...(image ? { image } : {}),
      ...(gold >= 0 ? { gold: classes[gold] } : {}),
      teacher: answer(b[i], t.data[i * t.cols + b[i]]),
      student: answer(a[i], s.data[i * s.cols + a[i]]),
    };
  });
}
