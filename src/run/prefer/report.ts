import { meanInterval } from '../../evaluate/bootstrap.ts';
import { pairedBootstrap, seedMean } from '../../evaluate/paired-tests.ts';
import type {
  ReportArm,
  ReportComparison,
  ReportData,
  ReportMetric,
  ReportValue,
} from '../../evaluate/report/data.ts';
import { mean, spread } from '../spread.ts';
import type { PreferenceFigures } from './figures.ts';

/** An arm as it was measured on the test rows, one entry per seed. */
export interface MeasuredPolicy extends ReportArm {
  readonly figures: readonly PreferenceFigures[];
}

export const preferenceMetrics: ReportMetric[] = [
  {
    key: 'accuracy',
    label: 'Preference accuracy',
    about:
      'share of comparisons in which log π - log π_ref is higher for the better response; the reference itself has ½ by construction; of single responses the area under the ROC curve',
    format: 'percent',
    better: 'higher',
  },
  {
    key: 'margin',
    label: 'Margin',
    about: 'log π - log π_ref of the better response minus that of the worse, nats',
    format: 'number',
    better: 'higher',
  },
  {
    key: 'ranking',
    label: 'Likelier',
    about: 'share of comparisons in which the better response is the likelier one, without a reference',
    format: 'percent',
    better: 'higher',
  },
  {
    key: 'chosenDrift',
    label: 'Better drift',
    about: 'log π - log π_ref of the best responses, nats per response: below 0 they became less likely',
    format: 'number',
  },
  {
    key: 'rejectedDrift',
    label: 'Worse drift',
    about: 'log π - log π_ref of the worst responses, nats per response',
    format: 'number',
  },
  {
    key: 'kl',
    label: 'KL to reference',
    about: 'KL(π ‖ π_ref) per token of the test responses, nats: the price of the preferences',
    format: 'number',
    better: 'lower',
  },
  {
    key: 'perplexity',
    label: 'Perplexity',
    about: 'of the best responses: exp of the mean negative log-likelihood per token',
    format: 'number',
    better: 'lower',
  },
];

export interface IntervalOptions {
  resamples: number;
  level: number;
}

/** Figures over seeds, with intervals over test rows. */
export function policyValues(
  figures: readonly PreferenceFigures[],
  options: IntervalOptions,
): Record<string, ReportValue> {
  const rowwise = (of: (f: PreferenceFigures) => Float64Array): ReportValue => {
    const interval = meanInterval(seedMean(figures.map(of)), options);
    return { ...spread(figures.map((f) => mean(of(f)))), low: interval.low, high: interval.high };
  };
  const given = (key: 'accuracy' | 'margin' | 'ranking' | 'chosenDrift' | 'rejectedDrift') =>
    figures[0][key].length > 0 ? { [key]: rowwise((f) => f[key]) } : {};
  return {
    ...given('accuracy'),
    ...given('margin'),
    ...given('ranking'),
    ...given('chosenDrift'),
    ...given('rejectedDrift'),
    kl: spread(figures.map((f) => f.kl)),
    perplexity: spread(figures.map((f) => f.perplexity)),
  };
}

const find = (arms: readonly MeasuredPolicy[], role: ReportArm['role']): MeasuredPolicy | undefined =>
  arms.find((a) => a.role === role);

export function policyComparisons(
  arms: readonly MeasuredPolicy[],
  options: IntervalOptions,
): ReportComparison[] {
  const own = find(arms, 'distilled')!;
  return arms
    .filter((a) => a !== own && a.role !== 'teacher' && a.figures[0].accuracy.length > 0)
    .map((other) => {
      const of = (a: MeasuredPolicy): Float64Array[] => a.figures.map((f) => f.accuracy);
      const d = pairedBootstrap(of(own), of(other), options);
      return {
        name: `With preferences minus ${other.name.toLowerCase()}`,
        metric: 'accuracy',
        difference: d.estimate,
        low: d.low,
        high: d.high,
        p: d.p,
        test: 'paired bootstrap over test rows and seeds',
      };
    });
}

const share = (x: number): string => `${(100 * x).toFixed(1)} %`;

/** What came out, in plain sentences: how often it prefers the better response, and what that cost. */
export function policyHeadline(
  arms: readonly MeasuredPolicy[],
  options: IntervalOptions,
): ReportData['headline'] {
  const [own, start, alone] = [
    find(arms, 'distilled')!,
    arms.find((a) => a.id === 'reference')!,
    find(arms, 'alone'),
  ];
  const { accuracy, chosenDrift, rejectedDrift, kl, perplexity } = own.values;
  const cost = `KL to the reference is ${kl.mean.toFixed(3)} nats per token, and the perplexity of the better responses ${perplexity.mean.toFixed(2)} (reference ${start.values.perplexity.mean.toFixed(2)}).`;
  if (!accuracy)
    return {
      sentence: `The test rows hold no two responses of different quality, so that preferences could not be measured. ${cost}`,
    };
  const told =
    accuracy.low! > 0.5
      ? ''
      : accuracy.high! < 0.5
        ? ', which is worse than chance'
        : ', which cannot be told from chance';
  const first = `Relative to its reference the student prefers the better response in ${share(accuracy.mean)} of the held-out comparisons (interval ${share(accuracy.low!)} to ${share(accuracy.high!)})${told}.`;
  let second = '';
  if (alone) {
    const d = pairedBootstrap(
      own.figures.map((f) => f.accuracy),
      alone.figures.map((f) => f.accuracy),
      options,
    );
    const verdict = d.low > 0 ? 'beats' : d.high < 0 ? 'is worse than' : 'cannot be told from';
    second = ` It ${verdict} the same student trained on the better responses alone (${share(alone.values.accuracy.mean)}).`;
  }
  const drift =
    chosenDrift && rejectedDrift
      ? ` Better responses moved by ${chosenDrift.mean.toFixed(2)} nats, worse ones by ${rejectedDrift.mean.toFixed(2)}.`
      : '';
  return { sentence: `${first}${second}${drift} ${cost}` };
}
