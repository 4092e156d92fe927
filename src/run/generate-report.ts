import type { Example } from '../data/types.ts';
import { bootstrapInterval } from '../evaluate/bootstrap.ts';
import { pairedBootstrap } from '../evaluate/paired-tests.ts';
import type {
  ReportArm,
  ReportComparison,
  ReportData,
  ReportMetric,
  ReportSlices,
  ReportValue,
} from '../evaluate/report/data.ts';
import { gapClosed } from '../evaluate/retention.ts';
import type { TokenRows } from '../train/language.ts';
import type { RowScores } from './language-model.ts';
import { parameterShare } from './report-parts.ts';
import { sliceTable } from './slices.ts';
import { spread } from './spread.ts';

/** An arm as it was measured on the test rows, one entry per seed. */
export interface MeasuredWriter extends ReportArm {
  readonly scores: readonly RowScores[];
  /** UTF-8 bytes of the text that the rows hold. */
  readonly bytesOfText: number;
}

export const languageMetrics: ReportMetric[] = [
  {
    key: 'perplexity',
    label: 'Perplexity',
    about: 'exp of the mean negative log-likelihood per learned token of the test rows',
    format: 'number',
    better: 'lower',
  },
  {
    key: 'nll',
    label: 'NLL',
    about: 'negative log-likelihood per token, nats',
    format: 'number',
    better: 'lower',
  },
  {
    key: 'bitsPerByte',
    label: 'Bits per byte',
    about: 'negative log-likelihood in bits per byte of the learned text: comparable between tokenizers',
    format: 'number',
    better: 'lower',
  },
  {
    key: 'agreement',
    label: 'Agreement',
    about: "share of positions where the likeliest token is the teacher's",
    format: 'percent',
    better: 'higher',
  },
  {
    key: 'kl',
    label: 'KL to teacher',
    about: 'KL(teacher ‖ student) per token, nats',
    format: 'number',
    better: 'lower',
  },
];

const total = (a: ArrayLike<number>): number => {
  let s = 0;
  for (let i = 0; i < a.length; i++) s += a[i];
  return s;
};

interface Options {
  resamples: number;
  level: number;
}

interface Scoring extends Options {
  /** What losses are counted by: tokens, or bytes where teacher and student have different tokens. */
  unit: 'token' | 'byte';
  /** Whether the recipe names a teacher. */
  taught: boolean;
}

/** Figures of an arm over seeds; the interval of the perplexity by resampling test rows. */
export function writerValues(
  scores: readonly RowScores[],
  bytes: number,
  { resamples, level }: Options,
): Record<string, ReportValue> {
  const each = (f: (s: RowScores) => number): ReportValue => spread(scores.map(f));
  const tokens = total(scores[0].tokens);
  const rows = scores[0].tokens.length;
  const interval = bootstrapInterval(
    rows,
    (chosen) => {
      let sum = 0;
      let count = 0;
      for (const i of chosen) {
        for (const s of scores) sum += s.nll[i] / scores.length;
        count += scores[0].tokens[i];
      }
      return Math.exp(sum / count);
    },
    { resamples, level },
  );
  return {
    perplexity: {
      ...each((s) => Math.exp(total(s.nll) / tokens)),
      low: interval.low,
      high: interval.high,
    },
    nll: each((s) => total(s.nll) / tokens),
    bitsPerByte: each((s) => total(s.nll) / Math.LN2 / bytes),
    ...(scores[0].kl ? { kl: each((s) => total(s.kl!) / tokens) } : {}),
    ...(scores[0].agree ? { agreement: each((s) => total(s.agree!) / tokens) } : {}),
  };
}

/** Row scores whose mean over rows is the loss in nats per token, or in bits per byte. */
const perUnit = (arm: MeasuredWriter, unit: Scoring['unit']): Float64Array[] =>
  arm.scores.map((s) => {
    const scale = s.tokens.length / (unit === 'token' ? total(s.tokens) : Math.LN2 * arm.bytesOfText);
    return s.nll.map((x) => x * scale);
  });

export function writerComparisons(arms: readonly MeasuredWriter[], scoring: Scoring): ReportComparison[] {
  const distilled = arms.find((a) => a.role === 'distilled')!;
  return arms
    .filter((a) => a !== distilled)
    .map((other) => {
      const d = pairedBootstrap(perUnit(distilled, scoring.unit), perUnit(other, scoring.unit), scoring);
      return {
        name: `Distilled minus ${other.role === 'teacher' ? 'teacher' : 'student without teacher'}`,
        metric: scoring.unit === 'token' ? 'nll' : 'bitsPerByte',
        difference: d.estimate,
        low: d.low,
        high: d.high,
        p: d.p,
        test: 'paired bootstrap over test rows and seeds',
      };
    });
}

/** What came out, in one plain sentence; the gap is measured in nats per token, or in bits per byte. */
export function writerHeadline(arms: readonly MeasuredWriter[], scoring: Scoring): ReportData['headline'] {
  const { unit, taught } = scoring;
  const find = (role: ReportArm['role']): MeasuredWriter | undefined => arms.find((a) => a.role === role);
  const [teacher, distilled, alone] = [find('teacher'), find('distilled')!, find('alone')];
  const show = (a: MeasuredWriter): string =>
    unit === 'token' ? a.values.perplexity.mean.toFixed(2) : a.values.bitsPerByte.mean.toFixed(3);
  const size = parameterShare(distilled, teacher);
  const reached =
    unit === 'token' ? `reaches perplexity ${show(distilled)}` : `needs ${show(distilled)} bits per byte`;
  const agreement = distilled.values.agreement;
  const names = agreement
    ? ` and names the teacher's likeliest token at ${(100 * agreement.mean).toFixed(1)} % of positions`
    : '';
  const first = teacher
    ? `The student ${reached}${size ? ` ${size}` : ''} (teacher ${show(teacher)})${names}.`
    : `The student ${reached}${taught ? '; of its teacher only texts are known' : ', without a teacher'}.`;
  if (!alone) return { sentence: first };
  const of = (a: MeasuredWriter): Float64Array[] => perUnit(a, unit);
  const d = pairedBootstrap(of(distilled), of(alone), scoring);
  const verdict = d.high < 0 ? 'beats' : d.low > 0 ? 'is worse than' : 'cannot be told from';
  const units = unit === 'token' ? 'nats per token' : 'bits per byte';
  const second = `It ${verdict} the same student without a teacher (${show(alone)}; difference ${d.estimate.toFixed(4)} ${units}, interval ${d.low.toFixed(4)} to ${d.high.toFixed(4)}).`;
  if (!teacher || !(teacher.values.bitsPerByte.mean < alone.values.bitsPerByte.mean))
    return { sentence: `${first} ${second}` };
  const negative = (a: MeasuredWriter): Float64Array[] => of(a).map((s) => s.map((x) => -x));
  const gap = gapClosed(negative(distilled), negative(alone), negative(teacher), scoring);
  return {
    sentence: `${first} ${second}`,
    gapClosed: { estimate: gap.estimate, low: gap.low, high: gap.high },
  };
}

/** Perplexity by the values of columns that were carried along. */
export function writerSlices(
  columns: readonly string[],
  arms: readonly MeasuredWriter[],
  rows: TokenRows,
  test: readonly Example[],
  options: Options,
): ReportSlices | undefined {
  const sliced = arms.map(({ id, scores }) => ({
    id,
    perSeed: (chosen: ArrayLike<number>) => scores.map((s) => perplexityOf(s, chosen)),
  }));
  const all = rows.rows.map((_, i) => i);
  return sliceTable(columns, all, (row) => test[rows.rows[row].example], sliced, {
    metric: 'perplexity',
    better: 'lower',
    ...options,
  });
}

function perplexityOf(scores: RowScores, rows: ArrayLike<number>): number {
  let [nll, tokens] = [0, 0];
  for (let i = 0; i < rows.length; i++) {
    nll += scores.nll[rows[i]];
    tokens += scores.tokens[rows[i]];
  }
  return Math.exp(nll / tokens);
}
