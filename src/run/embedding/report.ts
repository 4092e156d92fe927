import { bestOf } from '../../evaluate/bm25.ts';
import { bootstrapInterval, meanInterval } from '../../evaluate/bootstrap.ts';
import { spearman } from '../../evaluate/correlation.ts';
import { mean } from '../../evaluate/matrix.ts';
import { pairedBootstrap, seedMean } from '../../evaluate/paired-tests.ts';
import type {
  ReportArm,
  ReportComparison,
  ReportData,
  ReportMetric,
  ReportValue,
} from '../../evaluate/report/data.ts';
import { retention } from '../../evaluate/retention.ts';
import type { NDArray } from '../../graph/index.ts';
import { spread } from '../spread.ts';
import type { TextPair } from './pairs.ts';

/** What a test set lets be measured. */
export interface EmbedBed {
  /** Texts in the order of the vectors. */
  readonly texts: readonly string[];
  readonly pairs: readonly TextPair[];
  /** Index of each pair's texts. */
  readonly ends: readonly (readonly [number, number])[];
  /** Pairs whose other text is to be found: all without a score, else those in the upper half of the scores. */
  readonly sought: readonly number[];
  readonly scored: boolean;
}

/** One encoder's figures; arrays have one number per sought pair or per text. */
export interface EmbedScores {
  readonly cosines: Float64Array;
  readonly mrr: Float64Array;
  readonly first: Float64Array;
  /** The ten nearest other texts of every text. */
  readonly near: readonly Int32Array[];
}

export interface MeasuredEncoder extends ReportArm {
  readonly scores: readonly EmbedScores[];
}

export function embedBed(pairs: readonly TextPair[], single: readonly string[]): EmbedBed {
  const texts = [...new Set([...pairs.flatMap((p) => [p.text, p.pair]), ...single])];
  const at = new Map(texts.map((t, i) => [t, i]));
  const scored = pairs.length > 0 && pairs.every((p) => p.score !== undefined);
  const middle = scored ? [...pairs].map((p) => p.score!).sort((a, b) => a - b)[pairs.length >> 1] : 0;
  return {
    texts,
    pairs,
    ends: pairs.map((p) => [at.get(p.text)!, at.get(p.pair)!] as const),
    sought: pairs.flatMap((p, i) =>
      p.text !== p.pair && (!scored || (p.score! >= middle && p.score! > 0)) ? [i] : [],
    ),
    scored,
  };
}

/** Figures of `[texts, width]` vectors. */
export function embedScores(bed: EmbedBed, vectors: NDArray): EmbedScores {
  const [rows, width] = vectors.shape;
  const x = Float32Array.from(vectors.data as Float32Array);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * width, (r + 1) * width);
    const length = Math.sqrt(row.reduce((s, v) => s + v * v, 0));
    for (let i = 0; i < width; i++) row[i] /= Math.max(length, 1e-12);
  }
  const cosine = (a: number, b: number): number => {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += x[a * width + i] * x[b * width + i];
    return sum;
  };
  const all = (a: number): Float64Array =>
    Float64Array.from({ length: rows }, (_, b) => (a === b ? Number.NEGATIVE_INFINITY : cosine(a, b)));
  const mrr = new Float64Array(bed.sought.length);
  bed.sought.forEach((pair, i) => {
    const [a, b] = bed.ends[pair];
    const scores = all(a);
    let place = 1;
    for (let c = 0; c < rows; c++)
      if (c !== b && (scores[c] > scores[b] || (scores[c] === scores[b] && c < b))) place++;
    mrr[i] = 1 / place;
  });
  return {
    cosines: Float64Array.from(bed.ends, ([a, b]) => cosine(a, b)),
    mrr,
    first: mrr.map((m) => (m === 1 ? 1 : 0)),
    near: bed.texts.slice(0, MOST).map((_, i) => bestOf(all(i), Math.min(10, rows - 1)).documents),
  };
}

/** Texts whose neighbours are compared with the teacher's. */
const MOST = 500;

/** Share of the teacher's ten nearest texts that are the student's too, per text. */
export const neighbours = (a: EmbedScores, b: EmbedScores): Float64Array =>
  Float64Array.from(a.near, (list, i) => {
    const other = new Set(b.near[i]);
    return list.length === 0 ? 0 : list.filter((d) => other.has(d)).length / list.length;
  });

/** What the report's columns mean; the first is the headline's. */
export function embedMetrics(bed?: Pick<EmbedBed, 'scored' | 'sought'>): ReportMetric[] {
  const all: ReportMetric[] = [
    {
      key: 'spearman',
      label: 'Spearman',
      about: "correlation of ranks of the pairs' cosines with their scores",
      format: 'number',
      better: 'higher',
    },
    {
      key: 'mrr',
      label: 'MRR',
      about: '1 / place of the other text of a pair among all test texts by cosine',
      format: 'percent',
      better: 'higher',
    },
    {
      key: 'first',
      label: 'Found first',
      about: 'share of pairs whose other text is the nearest of all test texts',
      format: 'percent',
      better: 'higher',
    },
    {
      key: 'neighbours',
      label: 'Shared neighbours',
      about: "share of the teacher's ten nearest test texts that are the student's too",
      format: 'percent',
      better: 'higher',
    },
  ];
  if (!bed) return all;
  return all.filter((m) =>
    m.key === 'spearman' ? bed.scored : m.key === 'mrr' || m.key === 'first' ? bed.sought.length > 0 : true,
  );
}

interface Options {
  resamples: number;
  level: number;
}

/** Means, spreads over seeds, and intervals over pairs. */
export function embedValues(
  bed: EmbedBed,
  scores: readonly EmbedScores[],
  teacher: EmbedScores | undefined,
  options: Options,
): Record<string, ReportValue> {
  const out: Record<string, ReportValue> = {};
  if (bed.scored) {
    const gold = bed.pairs.map((p) => p.score!);
    const of = (s: EmbedScores, rows: ArrayLike<number>): number =>
      spearman(
        Array.from(rows, (i) => s.cosines[i]),
        Array.from(rows, (i) => gold[i]),
      );
    const every = gold.map((_, i) => i);
    const { low, high } = bootstrapInterval(
      gold.length,
      (rows) => mean(scores.map((s) => of(s, rows))),
      options,
    );
    out.spearman = { ...spread(scores.map((s) => of(s, every))), low, high };
  }
  if (bed.sought.length > 0)
    for (const key of ['mrr', 'first'] as const) {
      const { low, high } = meanInterval(seedMean(scores.map((s) => s[key])), options);
      out[key] = { ...spread(scores.map((s) => mean(s[key]))), low, high };
    }
  if (teacher) out.neighbours = spread(scores.map((s) => mean(neighbours(s, teacher))));
  return out;
}

const mrrOf = (a: MeasuredEncoder): Float64Array[] => a.scores.map((s) => s.mrr);

export function embedComparisons(
  bed: EmbedBed,
  arms: readonly MeasuredEncoder[],
  options: Options,
): ReportComparison[] {
  const distilled = arms.find((a) => a.role === 'distilled')!;
  if (bed.sought.length === 0) return [];
  return arms
    .filter((a) => a !== distilled)
    .map((other) => {
      const d = pairedBootstrap(mrrOf(distilled), mrrOf(other), options);
      return {
        name: `Distilled minus ${{ teacher: 'teacher', alone: 'student without teacher', linear: 'TF-IDF', distilled: '', other: other.name }[other.role]}`,
        metric: 'mrr',
        difference: d.estimate,
        low: d.low,
        high: d.high,
        p: d.p,
        test: 'paired bootstrap over pairs and seeds',
      };
    });
}

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;

export function embedHeadline(
  bed: EmbedBed,
  arms: readonly MeasuredEncoder[],
  options: Options,
): ReportData['headline'] {
  const find = (role: ReportArm['role']): MeasuredEncoder | undefined => arms.find((a) => a.role === role);
  const [teacher, distilled, alone] = [find('teacher')!, find('distilled')!, find('alone')];
  const parts: string[] = [];
  let kept: ReportData['headline']['kept'];
  if (bed.scored)
    parts.push(
      `The student's cosines follow the scores with a Spearman correlation of ${distilled.values.spearman.mean.toFixed(3)} (teacher ${teacher.values.spearman.mean.toFixed(3)}).`,
    );
  if (bed.sought.length > 0) {
    const share = retention(mrrOf(distilled), mrrOf(teacher), { ...options, kind: 'score' });
    if (!bed.scored)
      kept = { estimate: share.estimate, low: share.low, high: share.high, level: share.level };
    parts.push(
      `It finds the other text of a pair with MRR ${percent(distilled.values.mrr.mean)} (teacher ${percent(teacher.values.mrr.mean)}).`,
    );
    if (alone) {
      const d = pairedBootstrap(mrrOf(distilled), mrrOf(alone), options);
      const verdict = d.low > 0 ? 'beats' : d.high < 0 ? 'is worse than' : 'cannot be told from';
      parts.push(
        `In this it ${verdict} the same student without a teacher (${percent(alone.values.mrr.mean)}, difference ${(100 * d.estimate).toFixed(1)} points, interval ${(100 * d.low).toFixed(1)} to ${(100 * d.high).toFixed(1)}).`,
      );
    }
  }
  parts.push(
    `${percent(distilled.values.neighbours.mean)} of the teacher's nearest texts are the student's too.`,
  );
  return { ...(kept ? { kept } : {}), sentence: parts.join(' ') };
}
