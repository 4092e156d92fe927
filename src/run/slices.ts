import type { Example } from '../data/types.ts';
import { bootstrapInterval } from '../evaluate/bootstrap.ts';
import type { ReportSlices, ReportValue } from '../evaluate/report/data.ts';
import { spread } from './spread.ts';

/** Figures of one arm on chosen rows of the test part. */
export interface SlicedArm {
  readonly id: string;
  /** The metric on the rows, one value per seed. */
  perSeed(rows: ArrayLike<number>): readonly number[];
}

export interface SliceOptions {
  readonly metric: string;
  /** Whether more of the metric is better: the worst slice of the distilled student stands first. */
  readonly better: 'higher' | 'lower';
  readonly resamples: number;
  readonly level: number;
}

/** Slices with fewer rows are marked: their intervals say little. */
const SMALL = 30;
/** Values of a column beyond these, by number of rows, share one slice. */
const MOST = 20;

/**
 * Results by the values of columns that were carried along (`data.keep`). `rows` are those that count (with a label,
 * where the metric needs one), `sliceOf` says which example a row belongs to.
 */
export function sliceTable(
  columns: readonly string[],
  rows: readonly number[],
  exampleOf: (row: number) => Example,
  arms: readonly SlicedArm[],
  options: SliceOptions,
): ReportSlices | undefined {
  if (columns.length === 0 || rows.length === 0) return undefined;
  const table = columns
    .flatMap((column) => groupsOf(column, rows, exampleOf))
    .map(({ slice, members }) => ({
      slice,
      count: members.length,
      ...(members.length < SMALL ? { small: true } : {}),
      values: Object.fromEntries(arms.map((arm) => [arm.id, figureOf(arm, members, options)])),
    }));
  const sign = options.better === 'higher' ? 1 : -1;
  const ofStudent = (row: (typeof table)[number]): number =>
    sign * (row.values.distilled ?? row.values[arms[0].id]).mean;
  table.sort((a, b) => ofStudent(a) - ofStudent(b) || (a.slice < b.slice ? -1 : 1));
  return { metric: options.metric, rows: table };
}

function groupsOf(
  column: string,
  rows: readonly number[],
  exampleOf: (row: number) => Example,
): { slice: string; members: number[] }[] {
  const groups = new Map<string, number[]>();
  for (const row of rows) {
    const value = exampleOf(row).meta?.[column] ?? '';
    const group = groups.get(value);
    if (group) group.push(row);
    else groups.set(value, [row]);
  }
  const sorted = [...groups].sort((a, b) => b[1].length - a[1].length || (a[0] < b[0] ? -1 : 1));
  const shown = sorted.slice(0, MOST).map(([value, members]) => ({
    slice: `${column}: ${value === '' ? '(empty)' : value}`,
    members,
  }));
  const rest = sorted.slice(MOST);
  return rest.length === 0
    ? shown
    : [
        ...shown,
        {
          slice: `${column}: ${rest.length} other values`,
          members: rest.flatMap(([, members]) => members),
        },
      ];
}

function figureOf(
  arm: SlicedArm,
  members: readonly number[],
  { resamples, level }: SliceOptions,
): ReportValue {
  const own = spread(arm.perSeed(members));
  const interval = bootstrapInterval(
    members.length,
    (chosen) => {
      const values = arm.perSeed(Array.from(chosen, (i) => members[i]));
      return values.reduce((a, b) => a + b, 0) / values.length;
    },
    { resamples, level },
  );
  return { ...own, low: interval.low, high: interval.high };
}
