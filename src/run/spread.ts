import type { ReportValue } from '../evaluate/report/data.ts';

export const mean = (a: ArrayLike<number>): number => {
  let s = 0;
  for (let i = 0; i < a.length; i++) s += a[i];
  return s / a.length;
};

/** Mean and (from two values on) standard deviation, n - 1. */
export function spread(list: readonly number[]): ReportValue {
  const m = mean(list);
  if (list.length < 2) return { mean: m };
  return {
    mean: m,
    sd: Math.sqrt(list.reduce((s, x) => s + (x - m) ** 2, 0) / (list.length - 1)),
    perSeed: [...list],
  };
}
