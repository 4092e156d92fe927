import type { ReportMetric } from '../../evaluate/report/data.ts';

/** Figures of generated samples, the headline's first. */
export const sampleMetrics: readonly ReportMetric[] = [
  {
    key: 'distance',
    label: 'Distance to data',
    about: 'sliced Wasserstein-2 distance to the test rows, 64 directions, in the scale the networks see',
    format: 'number',
    better: 'lower',
  },
  {
    key: 'mmd',
    label: 'MMD²',
    about: 'squared maximum mean discrepancy to the test rows, Gaussian kernel of median width, 1,000 rows',
    format: 'number',
    better: 'lower',
  },
  {
    key: 'precision',
    label: 'Precision',
    about: 'share of samples within reach (third neighbour) of a test row: how many look real',
    format: 'percent',
    better: 'higher',
  },
  {
    key: 'recall',
    label: 'Recall',
    about: 'share of test rows within reach of a sample: how much of the variety is drawn',
    format: 'percent',
    better: 'higher',
  },
  {
    key: 'gap',
    label: 'To teacher',
    about: "root mean square difference to the teacher's sample of the same noise",
    format: 'number',
    better: 'lower',
  },
  {
    key: 'evaluations',
    label: 'Evaluations',
    about: 'calls of the network per sample',
    format: 'number',
    better: 'lower',
  },
];
