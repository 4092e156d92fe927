import { describe, expect, it } from 'vitest';
import { supportRequests } from '../src/data/generators/support-requests.ts';
import { fitLinearBaseline, linearBaselineLogits } from '../src/evaluate/linear-baseline.ts';
import { argmaxRows } from '../src/evaluate/matrix.ts';

const set = supportRequests();
const names = set.classes!;
const rows = (split: string) => set.splits[split]() as { text: string; intent: string }[];

/** Test accuracy of TF-IDF and logistic regression on these rows. */
function linear(train: { text: string; intent: string }[]): number {
  const test = rows('test');
  const labels = train.map((r) => names.indexOf(r.intent));
  const fitted = fitLinearBaseline(
    train.map((r) => r.text),
    labels,
    names.length,
    { c: 30 },
  );
  const best = argmaxRows(
    linearBaselineLogits(
      fitted,
      test.map((r) => r.text),
    ),
  );
  const right = test.filter((r, i) => best[i] === names.indexOf(r.intent));
  return right.length / test.length;
}

describe('builtin:support-requests', () => {
  it('is hard for words alone on the few labelled rows, and much easier with the many of the past', () => {
    const few = linear(rows('train'));
    const many = linear(rows('history').slice(0, 3000));
    expect(few).toBeGreaterThan(0.6);
    expect(few).toBeLessThan(0.82);
    expect(many - few).toBeGreaterThan(0.08);
  });
});
