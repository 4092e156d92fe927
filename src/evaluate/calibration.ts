import { asMatrix, type MatrixLike, mean, sameLength } from './matrix.ts';

export interface ReliabilityBin {
  /** Confidence interval of the bin: (low, high], the first one with its low end. */
  low: number;
  high: number;
  count: number;
  /** Mean confidence; NaN in an empty bin. */
  confidence: number;
  /** Share of right predictions; NaN in an empty bin. */
  accuracy: number;
}

export type Binning = 'width' | 'mass';

/**
 * Reliability table of confidences (probability of the chosen class) and right/wrong marks, `[n]` each.
 * `width`: equal intervals of [0, 1] (Guo et al. 2017, section 2). `mass`: bins of equal size by rank (Nixon et
 * al. 2019, "adaptive"); examples of equal confidence may fall into neighbouring bins, in input order.
 */
export function reliabilityTable(
  confidence: ArrayLike<number>,
  correct: ArrayLike<number>,
  bins = 15,
  binning: Binning = 'width',
): ReliabilityBin[] {
  const n = sameLength(confidence, correct, 'confidence and correctness');
  const groups: number[][] = Array.from({ length: bins }, () => []);
  if (binning === 'width') {
    for (let i = 0; i < n; i++)
      groups[Math.min(bins - 1, Math.max(0, Math.ceil(confidence[i] * bins) - 1))].push(i);
  } else {
    const order = Array.from({ length: n }, (_, i) => i).sort(
      (a, b) => confidence[a] - confidence[b] || a - b,
    );
    order.forEach((example, rank) => {
      groups[Math.floor((rank * bins) / n)].push(example);
    });
  }
  return groups.map((group, b) => {
    const conf = group.map((i) => confidence[i]);
    return {
      low: binning === 'width' ? b / bins : group.length ? Math.min(...conf) : Number.NaN,
      high: binning === 'width' ? (b + 1) / bins : group.length ? Math.max(...conf) : Number.NaN,
      count: group.length,
      confidence: mean(conf),
      accuracy: mean(group.map((i) => correct[i])),
    };
  });
}

/** Expected calibration error Σ_b (n_b / n) |accuracy_b - confidence_b| (Naeini et al. 2015; Guo et al. 2017, eq. 3). */
export function calibrationError(table: readonly ReliabilityBin[]): number {
  const n = table.reduce((sum, bin) => sum + bin.count, 0);
  if (!n) return Number.NaN;
  return table.reduce(
    (sum, b) => (b.count ? sum + (b.count / n) * Math.abs(b.accuracy - b.confidence) : sum),
    0,
  );
}

/** Maximum calibration error max_b |accuracy_b - confidence_b| over non-empty bins (Guo et al. 2017, eq. 5). */
export const maximumCalibrationError = (table: readonly ReliabilityBin[]): number =>
  Math.max(...table.filter((b) => b.count).map((b) => Math.abs(b.accuracy - b.confidence)));

/** Brier score: mean over examples of Σ_c (p_c - [c = y])², from 0 to 2 (Brier 1950), un-reduced `[n]`. */
export function brierScores(p: MatrixLike, labels: ArrayLike<number>): Float64Array {
  const m = asMatrix(p, 'p');
  sameLength({ length: m.rows }, labels, 'probabilities and labels');
  return Float64Array.from({ length: m.rows }, (_, i) => {
    let sum = 0;
    for (let c = 0; c < m.cols; c++) sum += (m.data[i * m.cols + c] - (c === labels[i] ? 1 : 0)) ** 2;
    return sum;
  });
}

/** Negative log-likelihood -log p(y) in nats, un-reduced `[n]`; Infinity where the label was given no mass. */
export function negativeLogLikelihoods(p: MatrixLike, labels: ArrayLike<number>): Float64Array {
  const m = asMatrix(p, 'p');
  sameLength({ length: m.rows }, labels, 'probabilities and labels');
  return Float64Array.from({ length: m.rows }, (_, i) => -Math.log(m.data[i * m.cols + labels[i]]));
}

export interface CalibrationSummary {
  eceWidth: number;
  eceMass: number;
  mce: number;
  brier: number;
  nll: number;
  /** Mean confidence minus accuracy: above 0 the model is over-confident. */
  overconfidence: number;
  table: ReliabilityBin[];
}

/** All calibration measures of class probabilities `[n, classes]` against labels `[n]`. */
export function calibrationSummary(p: MatrixLike, labels: ArrayLike<number>, bins = 15): CalibrationSummary {
  const m = asMatrix(p, 'p');
  const confidence = new Float64Array(m.rows);
  const correct = new Uint8Array(m.rows);
  for (let i = 0; i < m.rows; i++) {
    let best = 0;
    for (let c = 1; c < m.cols; c++) if (m.data[i * m.cols + c] > m.data[i * m.cols + best]) best = c;
    confidence[i] = m.data[i * m.cols + best];
    correct[i] = best === labels[i] ? 1 : 0;
  }
  const table = reliabilityTable(confidence, correct, bins);
  return {
    eceWidth: calibrationError(table),
    eceMass: calibrationError(reliabilityTable(confidence, correct, bins, 'mass')),
    mce: maximumCalibrationError(table),
    brier: mean(brierScores(p, labels)),
    nll: mean(negativeLogLikelihoods(p, labels)),
    overconfidence: mean(confidence) - mean(correct),
    table,
  };
}
